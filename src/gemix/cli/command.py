"""What all commands share: faults become messages, results become files and tables."""

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import typer

from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say

# How a URL looks where an option takes paths of this machine: to pathlib, two slashes are one.
_URL: Final = re.compile(r"([A-Za-z][\w+.-]+):/(?!/)")


def command(*faults: type[Exception], extra: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn faults that the user can act on into a message and an exit code; bugs keep their traceback.

    Args:
        *faults: exceptions beside GemixError and OSError whose message is for the user: ValueError for commands over
            `gemix.sphere` and `gemix.mix`, which know no GemixError.
        extra: the extra that installs what these commands import.

    """
    shown: tuple[type[Exception], ...] = (GemixError, *faults)

    def wrap(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                _refuse_urls(kwargs)
                function(*args, **kwargs)
            except shown as error:
                say(f"error: {error}")
            except OSError as error:
                say(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
            except ModuleNotFoundError as error:
                if extra is None or (error.name or "gemix").startswith("gemix"):
                    raise
                say(f'error: {(error.name or "").partition(".")[0]} is not installed: pip install "gemix[{extra}]"')
            except KeyboardInterrupt:
                say("interrupted; the same command goes on from here")
                raise typer.Exit(130) from None
            else:
                return
            raise typer.Exit(1)

        return run

    return wrap


def _refuse_urls(values: Mapping[str, Any]) -> None:
    """Make sure that no URL is taken for a folder of this machine that is called `s3:`.

    Raises:
        GemixError: a path is one.

    """
    for name, value in values.items():
        if isinstance(value, Path) and (found := _URL.match(str(value))):
            url = f"{found[1]}://{str(value)[found.end() :]}"
            raise GemixError(f"{name.replace('_', '-')} {url}: no URL is taken here; give a path of this machine")
