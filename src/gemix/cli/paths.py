"""Paths on the command line that may be URLs."""

from pathlib import Path
from typing import Any

import typer

from gemix.runtime.errors import GemixError
from gemix.runtime.storage import to_path


def _parse(text: str) -> Path:
    try:
        return to_path(text)
    except GemixError as error:
        raise typer.BadParameter(str(error)) from error


# For `typer.Option` and `typer.Argument`: the value is a path as `gemix.runtime.storage.to_path` returns it.
PATH_OR_URL: dict[str, Any] = {"parser": _parse, "metavar": "PATH"}
