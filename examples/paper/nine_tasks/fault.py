"""Faults that a user can mend, in one sentence that says what and where."""

from pathlib import Path

from pydantic import ValidationError


class Fault(Exception):
    """Its message is for the user; other exceptions are bugs."""


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        Fault: it cannot be read.

    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise Fault(f"cannot read {path}: {error.strerror or error}") from error


def first_fault(error: ValidationError) -> str:
    """Return the first place that breaks a contract, and how."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
