"""JSON files with a contract: read and checked in one way, so that every one of them fails in the same words."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gemix.runtime.errors import GemixError

Record = TypeVar("Record", bound=BaseModel)


def read_record(path: Path, kind: type[Record], what: str) -> Record:
    """Read a JSON file and check it.

    Args:
        path: the file.
        kind: its contract.
        what: its name in messages, with an article ("a taxonomy").

    Raises:
        GemixError: the file is missing, damaged or breaks the contract; the message names the first place that does.

    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        raise GemixError(f"{path} is not {what}: {first_fault(error)}") from error


def first_fault(error: ValidationError) -> str:
    """Return the first place that breaks a contract, and how."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
