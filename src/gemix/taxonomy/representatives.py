"""The documents that stand for a domain: the most typical ones, no two of them alike."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.taxonomy.cosines import unit_rows

MAX_COSINE: Final = 0.95
_BLOCK_ROWS: Final = 256


def select_representatives(
    X: NDArray[Any], members: NDArray[np.intp], scores: NDArray[np.float64], texts: Sequence[str], count: int = 10
) -> list[int]:
    """Take members by falling score, passing over those that repeat one already taken.

    A document repeats another when their cosine is above MAX_COSINE or their texts are equal.

    Args:
        X: (n, d) rows of all documents.
        members: rows of X that belong to the domain, (m,), ascending; equal scores keep this order.
        scores: of all documents, (n,).
        texts: of all documents, n of them.
        count: how many to take at most; a small domain, or one full of copies, gives fewer.

    Returns:
        Rows of X, best first.

    """
    order = members[np.argsort(-scores[members], kind="stable")]
    taken: list[int] = []
    vectors = np.empty((0, X.shape[1]), dtype=np.float32)
    for start in range(0, len(order), _BLOCK_ROWS):
        block = order[start : start + _BLOCK_ROWS]
        for row, vector in zip(block.tolist(), unit_rows(X, block), strict=True):
            if len(taken) == count:
                return taken
            if np.all(vectors @ vector <= MAX_COSINE) and all(texts[row] != texts[other] for other in taken):
                taken.append(row)
                vectors = np.concatenate([vectors, vector[None, :]])
    return taken
