"""Paths on the command line that may be URLs."""

from pathlib import Path
from typing import Any

import typer

from gemix.corpus.storage import to_path
from gemix.errors import GemixError


def _parse(text: str) -> Path:
    try:
        return to_path(text)
    except GemixError as error:
        raise typer.BadParameter(str(error)) from error


# For `typer.Option` and `typer.Argument`: the value is a path as `gemix.corpus.storage.to_path` returns it.
PATH_OR_URL: dict[str, Any] = {"parser": _parse, "metavar": "PATH"}
