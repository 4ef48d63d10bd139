"""A fast classifier distilled from the teacher."""

from gemix.student.base import Student, student_fingerprint
from gemix.student.contexts import Contexts, read_contexts
from gemix.student.evaluate import Evaluation, held_out
from gemix.student.load import load_student
from gemix.student.train import Lesson, train_student
from gemix.student.words import Glossary, frequent_words

__all__ = [
    "Contexts",
    "Evaluation",
    "Glossary",
    "Lesson",
    "Student",
    "frequent_words",
    "held_out",
    "load_student",
    "read_contexts",
    "student_fingerprint",
    "train_student",
]
