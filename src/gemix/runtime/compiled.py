"""How kernels are compiled: without the GIL, and kept on disk for the next process where a folder can be written."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


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
    import numba

    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return numba.njit(**options)(function)
