"""Domains to weights: run tables, the simplex, surrogates, strategies. Imports nothing else of gemix."""

from typing import Any

from gemix.mix.mixture import DomainWeight, Mixture

__all__ = ["DomainWeight", "Mixture", "surrogate"]


def __getattr__(name: str) -> Any:
    """Import `surrogate` when it is asked for: it needs the extra [mix], weights without runs do not."""
    if name == "surrogate":
        from gemix.mix.surrogates import surrogate

        return surrogate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
