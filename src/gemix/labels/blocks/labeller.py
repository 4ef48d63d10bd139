"""A student by its folder or URL, light to send to other processes and loaded there once."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from gemix.runtime.storage import to_path
from gemix.student.base import Student
from gemix.student.load import load_student
from gemix.student.names import read_names

Label = tuple[int, str, float]


class Labeller:
    """Labels texts with the student in a folder or at a URL; pickling it sends the path, not the model."""

    def __init__(self, student: str | Path) -> None:
        self.folder = str(student)

    def __call__(self, texts: Sequence[Any]) -> list[Label | None]:
        """Return number, name and probability of each text's domain; None for what is no text, empty or not UTF-8."""
        good = [i for i, text in enumerate(texts) if _is_usable(text)]
        labels: list[Label | None] = [None] * len(texts)
        if good:
            student, names = _load(self.folder)
            domains, probabilities = student.predict([texts[i] for i in good], top=1)
            for i, domain, probability in zip(good, domains[:, 0].tolist(), probabilities[:, 0].tolist(), strict=True):
                labels[i] = (domain, names[domain], probability)
        return labels


def _is_usable(text: Any) -> bool:
    if not isinstance(text, str) or not text or text.isspace():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


@lru_cache(maxsize=2)
def _load(folder: str) -> tuple[Student, list[str]]:
    path = to_path(folder)
    return load_student(path), read_names(path)
