"""How loops over rows are compiled: at the first call, without the GIL, kept on disk where a folder can be written."""

from typing import Any, Final

from numba import njit

# All is finite (rows are checked when they come in) but the -inf that a maximum starts from, and sums may be
# taken in any fixed order.
_OPTIONS: Final[dict[str, Any]] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"nnan", "nsz", "reassoc", "contract"},
}


def loop(function: Any) -> Any:
    """Compile a function of arrays and numbers."""
    return _compiled(function, _OPTIONS)


def inlined(function: Any) -> Any:
    """Compile a part of loops into each of them."""
    return _compiled(function, _OPTIONS | {"inline": "always"})


def _compiled(function: Any, options: dict[str, Any]) -> Any:
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(**options)(function)
