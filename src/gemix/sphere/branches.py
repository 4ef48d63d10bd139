"""Documents by the branch of a tree that they are in; paths and the labels that count them."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Branch = tuple[int, ...]
Index = NDArray[np.intp]

_NAMED = 5  # branches in an error message


def flat(paths: NDArray[np.int32], shape: Branch) -> NDArray[np.int32]:
    """Return paths, (n, levels), as labels, (n,): the last level counts fastest. No levels: all are 0."""
    labels = np.zeros(len(paths), dtype=np.int32)
    for level, k in enumerate(shape):
        labels *= k
        labels += paths[:, level]
    return labels


def branches(paths: NDArray[np.int32], shape: Branch) -> Iterator[tuple[Branch, Index]]:
    """Yield every branch of a tree with the rows in it, ascending, in the order of the labels.

    Args:
        paths: (n, levels or more).
        shape: branches a branch at each level, (levels,); empty for the one branch that holds all rows.

    """
    labels = flat(paths, shape)
    ends = np.cumsum(np.bincount(labels, minlength=prod(shape)))
    parts = np.split(np.argsort(labels, kind="stable"), ends[:-1])
    yield from zip(np.ndindex(shape), parts, strict=True)


def part(X: Any, index: Index) -> Any:
    """Return the rows of X, an array or tensor, at `index`: a copy, or X itself where that is all of them."""
    if len(index) == len(X):
        return X
    return np.asarray(X[index]) if isinstance(X, np.ndarray) else X[index]


def check_sizes(found: list[tuple[Branch, Index]], weights: NDArray[np.float64], k: int) -> None:
    """Raise ValueError naming the branches that have fewer documents of positive weight than K domains."""
    sizes = [(path, int(np.count_nonzero(weights[index]))) for path, index in found]
    short = [f"{name(path)} has {size}" for path, size in sizes if size < k]
    if short:
        more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
        raise ValueError(
            f"a branch needs at least {k} documents for its {k} domains, but branch {', '.join(short[:_NAMED])}{more}: "
            "give fewer n_clusters, a stronger balance or more documents"
        )


def name(path: Branch) -> str:
    """Return a path as text, such as 3/1."""
    return "/".join(map(str, path))
