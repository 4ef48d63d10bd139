"""How kernels are compiled: without the GIL, and kept on disk for the next process where a folder can be written."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy"}
_FINITE: Final = {"nnan", "nsz", "reassoc", "contract"}


@cache
def can_compile() -> bool:
    """Return whether numba can be loaded; says once why not. Modules of kernels are imported where this is true."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        logging.getLogger(__name__).warning("compiled kernels are off, slower code runs instead: %s", error)
        return False
    return True


def compiled(function: Function) -> Function:
    """Compile a function at its first call; it takes arrays and numbers and raises nothing."""
    return _compile(function, _OPTIONS)


def loop(function: Function) -> Function:
    """Compile a loop over finite numbers (-inf may be what a maximum starts from), whose sums have no order."""
    return _compile(function, _OPTIONS | {"fastmath": _FINITE})


def inlined(function: Function) -> Function:
    """Compile a part of such loops into each of them."""
    return _compile(function, _OPTIONS | {"fastmath": _FINITE, "inline": "always"})


def _compile(function: Function, options: dict[str, Any]) -> Function:
    import numba

    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(**options)(function)
