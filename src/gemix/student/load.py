"""How a student of any kind is loaded."""

from pathlib import Path

from gemix.student.base import Student, local_student, read_config


def load_student(folder: Path) -> Student:
    """Load a student of any kind; its folder may be a URL's.

    Raises:
        GemixError: a file is missing, damaged, of another version or does not belong to the other.

    """
    folder = local_student(folder)
    config = read_config(folder)
    if config["kind"] == "hashed":
        from gemix.student.hashed_student import HashedStudent

        return HashedStudent.from_files(folder, config)
    from gemix.student.fasttext_student import FastTextStudent

    return FastTextStudent.from_files(folder, config)
