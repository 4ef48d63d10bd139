"""The columns that `join` adds to documents."""

from gemix.runtime.errors import GemixError


def label_columns(key: str) -> tuple[str, str, str]:
    """Return the names of the columns of the domain's number, its name and its probability."""
    return key, f"{key}_name", f"{key}_probability"


def column_is_taken(where: object, column: str) -> GemixError:
    """Return the error that documents have a column of this name already."""
    return GemixError(f"{where}: the documents have a {column!r} of their own; choose another name: --key NAME")
