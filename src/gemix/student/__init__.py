"""A fast classifier distilled from the teacher."""

from gemix.student.base import Student, load_student, student_fingerprint
from gemix.student.evaluate import Evaluation
from gemix.student.train import train_student

__all__ = ["Evaluation", "Student", "load_student", "student_fingerprint", "train_student"]
