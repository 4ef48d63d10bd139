"""Nested samples: most iterations of a fit do not need every row, only the last ones do."""

from typing import Final

import numpy as np

from gemix.sphere.rows import Rows

# The smallest sample has this many rows, and this many a component, but no more scores than can be kept; a fit on
# fewer than three times as many has none.
_MIN_ROWS: Final = 1 << 14
_MIN_ROWS_A_COMPONENT: Final = 64
_MAX_SCORES: Final = 1 << 28
_FACTOR: Final = 3
_MAX_BYTES: Final = 1 << 29  # of a sample, which is a copy


def samples(rows: Rows, n_clusters: int, random: np.random.RandomState) -> list[Rows]:
    """Return growing uniform samples, each inside the next, and all rows as the last.

    Args:
        rows: the data.
        n_clusters: K.
        random: decides which rows come first.

    """
    smallest = min(max(_MIN_ROWS, _MIN_ROWS_A_COMPONENT * n_clusters), _MAX_SCORES // n_clusters)
    size = min(rows.n // _FACTOR, _MAX_BYTES // rows.row_bytes)
    levels = [rows]
    while size >= smallest:
        levels.append(sample(levels[-1], size, random))
        size //= _FACTOR
    return levels[::-1]


def sample(rows: Rows, size: int, random: np.random.RandomState) -> Rows:
    """Return a uniform sample of `size` rows, in their order; the rows themselves if there are no more than that.

    Rows that other processes hold are gathered.
    """
    if rows.n > size:
        return rows.subset(np.sort(random.choice(rows.n, size, replace=False)))
    return rows.subset(np.arange(rows.n)) if rows.is_shared else rows
