"""What a room offers, each name from its file, which is read when the name is first asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def offered(room: str, files: Mapping[str, str], extra: str | None = None) -> Callable[[str], Any]:
    """Return the `__getattr__` of a room.

    Args:
        room: the package, such as "gemix.corpus".
        files: the file of every name that the room offers.
        extra: the extra that installs what they import, for the error where it is missing.

    """

    def __getattr__(name: str) -> Any:
        if name not in files:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{room}.{files[name]}"), name)
        except ModuleNotFoundError as error:
            if extra is None or (error.name or "gemix").startswith("gemix"):
                raise
            raise ImportError(f'{room}.{name} needs {error.name}: pip install "gemix[{extra}]"') from error

    return __getattr__
