"""The kinds of surrogate, by name."""

from importlib import import_module
from typing import Any, Literal, get_args

from gemix.mix.surrogates.base import Surrogate

Kind = Literal["auto", "gp", "lightgbm", "loglinear", "linear"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def surrogate(kind: Kind = "gp") -> Surrogate:
    """Return an unfitted surrogate; see docs/surrogates.md for what each is.

    Raises:
        ValueError: there is no such kind.

    """
    return _find(kind)()


def from_dict(state: dict[str, Any]) -> Surrogate:
    """Return the fitted surrogate that `Surrogate.to_dict` described.

    Raises:
        ValueError: something else was described.

    """
    if not isinstance(state, dict) or "kind" not in state:
        raise ValueError("not the description of a surrogate: it has no kind")
    return _find(state["kind"]).from_dict(state)


def _find(kind: str) -> type[Surrogate]:
    # Imported when asked for: LightGBM takes half a second to load, and only two kinds need it.
    places = {
        "auto": ("average", "Average"),
        "gp": ("gp", "GaussianProcess"),
        "lightgbm": ("boosting", "Boosted"),
        "loglinear": ("loglinear", "LogLinear"),
        "linear": ("linear", "Linear"),
    }
    if kind not in places:
        raise ValueError(f"there is no surrogate {kind!r}; the kinds are {', '.join(KINDS)}")
    module, name = places[kind]
    found: type[Surrogate] = getattr(import_module(f"gemix.mix.surrogates.{module}"), name)
    return found
