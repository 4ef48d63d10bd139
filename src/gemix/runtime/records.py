"""JSON files with a contract: read and checked in one way, so that every one of them fails in the same words."""

import json
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gemix.runtime.errors import GemixError


class Record(BaseModel):
    """A JSON file of one object, with a contract and the number of its schema.

    Attributes:
        schema_: `schema` in the file; of a file that is read always `SCHEMA`.

    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    SCHEMA: ClassVar[int] = 1
    schema_: int = Field(default=0, alias="schema")

    def model_post_init(self, context: Any) -> None:
        """Set the number of the schema."""
        object.__setattr__(self, "schema_", self.SCHEMA)

    @classmethod
    def upgraded(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Return the content of an older schema as one of this.

        Raises:
            ValueError: it cannot be read any more; the message names the command that makes the file anew.

        """
        raise ValueError(f"it has schema {schema}, and this gemix reads {cls.SCHEMA}: make it anew")

    def to_json(self, indent: int | None = 2) -> str:
        """Return the file's text, which `parse_record` reads."""
        return self.model_dump_json(by_alias=True, indent=indent) + "\n"


R = TypeVar("R", bound=BaseModel)
_FORMERLY: Final = ("version", "schema_version")  # what the number was called


def parse_record(data: bytes | str, kind: type[R], what: str) -> R:
    """Return the content of a JSON file.

    Args:
        data: of the file.
        kind: its contract; one without a schema is part of a file that has one, or kept by nobody.
        what: its name in messages, with an article ("a taxonomy").

    Raises:
        ValueError: the content is none, is of a newer schema or of one that is read no more, or breaks the contract;
            the message names the first place that does.

    """
    try:
        content = json.loads(data)
    except ValueError as error:  # not UTF-8, too
        raise ValueError(f"not {what}: no JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"not {what}: a JSON object was expected, not a {type(content).__name__}")
    if issubclass(kind, Record):
        content = _of_this_schema(content, kind, what)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"not {what}: {first_fault(error)}") from error


def _of_this_schema(content: dict[str, Any], kind: type[Record], what: str) -> dict[str, Any]:
    found = [content.pop(name) for name in ("schema", *_FORMERLY) if name in content]
    schema = found[0] if found else 1
    if not isinstance(schema, int):
        raise ValueError(f"not {what}: schema must be a number, not {schema!r}")
    if schema > kind.SCHEMA:
        raise ValueError(f"written by a newer gemix (schema {schema}, this one reads {kind.SCHEMA}): update gemix")
    return content if schema == kind.SCHEMA else kind.upgraded(content, schema)


def read_record(path: Path, kind: type[R], what: str) -> R:
    """Read a JSON file and check it; arguments as for `parse_record`.

    Raises:
        GemixError: the file is missing, or as `parse_record`.

    """
    try:
        return parse_record(path.read_bytes(), kind, what)
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise GemixError(f"{path}: {error}") from error


def first_fault(error: ValidationError) -> str:
    """Return the first place that breaks a contract, and how."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
