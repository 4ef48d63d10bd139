"""The highest cosines between rows and candidates, a block at a time: what every search for neighbours is made of."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BLOCK_VALUES: Final = 1 << 21  # values of one block: 8 MB of float32


def unit_rows(X: NDArray[Any], index: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the rows of X at `index` with unit length, (m, d) float32; a row of zeros stays zero."""
    rows = np.asarray(X[index], dtype=np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows / np.maximum(norms, np.finfo(np.float32).tiny)[:, None]


def blocks(n: int, width: int) -> Iterator[slice]:
    """Yield ranges of n rows, in order, each of as many rows of `width` values as a block holds."""
    step = max(1, BLOCK_VALUES // width)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def highest(cosines: NDArray[np.float32], wanted: int) -> NDArray[np.float32]:
    """Return the highest `wanted` values of each row, or all where there are not so many, in no order."""
    return np.partition(cosines, -wanted, axis=1)[:, -wanted:] if cosines.shape[1] > wanted else cosines


def highest_cosines(
    X: NDArray[Any], rows: NDArray[np.intp], candidates: NDArray[np.intp], wanted: int
) -> NDArray[np.float32]:
    """Return the highest cosines of each row with the candidates, itself left out, in blocks of candidates.

    Args:
        X: (n, d).
        rows: rows of X, (m,), as many as fit a block with some thousand candidates.
        candidates: rows of X, (c,), ascending.
        wanted: how many.

    Returns:
        (m, at most wanted) float32; a row that is its own only candidate has -inf.

    """
    queries = unit_rows(X, rows)
    found = np.empty((len(rows), 0), dtype=np.float32)
    for block in blocks(len(candidates), max(len(rows), X.shape[1])):
        others = candidates[block]
        cosines = queries @ unit_rows(X, others).T
        at = np.minimum(np.searchsorted(others, rows), len(others) - 1)
        itself = np.flatnonzero(others[at] == rows)
        cosines[itself, at[itself]] = -np.inf
        found = highest(np.concatenate([found, highest(cosines, wanted)], axis=1), wanted)
    return found
