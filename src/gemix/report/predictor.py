"""Fitted surrogates as a page evaluates them: the fields of docs/surrogates.md, their tables as base64 of doubles."""

import base64
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.mix.surrogates.kernel import CONSTANT

Model = dict[str, Any]

# Lines of LightGBM's text that prediction needs, as the page reads them.
_TREE: Final = {"split_feature": "<u2", "threshold": "<f8", "left_child": "<i2", "right_child": "<i2"}


def page_model(state: Model) -> Model:
    """Return a surrogate of `Surrogate.to_dict` for the page.

    Raises:
        ValueError: it is damaged or of an unknown kind.

    """
    try:
        head = {key: state[key] for key in ("kind", "domains", "mean", "scale")}
        # A constant result has nothing else.
        return head | (_KINDS[state["kind"]](state) if state["scale"] > 0 else {})
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not the description of a surrogate: {error!r}") from None


def without_spread(model: Model) -> Model:
    """Return a model for the page without the table that its std takes, where that is large (a process has n^2 / 2)."""
    if model["kind"] == "auto":
        return model | {"members": [without_spread(member) for member in model.get("members", [])]}
    return {key: value for key, value in model.items() if key != "cholesky"}


def _gp(state: Model) -> Model:
    scales = np.array(state["length_scales"])
    return {
        "center": state["center"],
        "length_scales": state["length_scales"],
        "signal": state["signal"],
        "slope": state["slope"],
        "noise": state["noise"],
        "constant": CONSTANT,
        "inputs": _table(np.array(state["inputs"]) / scales),  # the page divides by the scales too
        "alpha": _table(np.array(state["alpha"])),
        "cholesky": _table(np.concatenate([np.array(row) for row in state["cholesky"]])),
    }


def _lightgbm(state: Model) -> Model:
    """Read LightGBM's text: blocks of `key=value` lines, one a tree, that start with `Tree=`.

    The page has all trees in one row; `splits` counts those of each. A child below 0 is the leaf ~child. A tree of one
    leaf has no splits.
    """
    _, *blocks = state["trees"].partition("end of trees")[0].split("\nTree=")
    columns: dict[str, list[NDArray[Any]]] = {key: [] for key in _TREE}
    values, splits = [], []
    for block in blocks:
        lines = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        count = int(lines["num_leaves"]) - 1
        splits.append(count)
        values.append(np.array(lines["leaf_value"].split(), np.float64))
        categorical = any(int(kind) & 1 for kind in lines.get("decision_type", "").split())
        if len(values[-1]) != count + 1 or categorical:
            raise ValueError("not the trees of a lightgbm surrogate: a split is no numeric one, or leaves are missing")
        for key, kind in _TREE.items():
            column = np.array(lines.get(key, "").split(), np.float64)
            if len(column) != count:
                raise ValueError(f"not the trees of a lightgbm surrogate: {len(column)} of {count} {key}")
            columns[key].append(column.astype(kind))
    if not blocks:
        raise ValueError("not the trees of a lightgbm surrogate: there are none")
    tables = {key: _table(np.concatenate(parts), _TREE[key]) for key, parts in columns.items()}
    return {"noise": state["noise"], "splits": splits, "values": _table(np.concatenate(values)), **tables}


def _loglinear(state: Model) -> Model:
    return {key: state[key] for key in ("exponents", "floor", "noise")} | {
        "inverse": _table(np.array(state["inverse"])),
    }


def _linear(state: Model) -> Model:
    return {key: state[key] for key in ("runs", "center", "coefficients", "noise")} | {
        "spread": _table(np.array(state["spread"]))
    }


def _auto(state: Model) -> Model:
    return {"weights": state["weights"], "members": [page_model(member) for member in state["members"]]}


_KINDS: Final = {"gp": _gp, "lightgbm": _lightgbm, "loglinear": _loglinear, "linear": _linear, "auto": _auto}


def _table(values: NDArray[Any], kind: str = "<f8") -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()
