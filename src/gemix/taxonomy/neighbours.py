"""Local density: the mean cosine of a document to its nearest neighbours inside a domain.

Exact, every document with every other, in domains of up to MAX_EXACT documents; in larger ones a document is compared
with the cells next to it (see `gemix.taxonomy.cells`).
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.threads import in_order
from gemix.taxonomy.cells import nearest_in_cells
from gemix.taxonomy.cosines import blocks, highest_cosines

Floats = NDArray[np.float64]

# A document that points away from all its neighbours has no density; the logarithm must stay finite.
MIN_DENSITY: Final = 1e-6
MAX_EXACT: Final = 1 << 15  # time grows with the square of the members: docs/tables/gis_scale.md
_CANDIDATES: Final = 1024  # in a block


def local_density(
    X: NDArray[Any],
    members: NDArray[np.intp],
    neighbours: int,
    *,
    seed: int = 0,
    advance: Callable[[float], None] = lambda _: None,
) -> Floats:
    """Return rho, the mean cosine of each member to its nearest neighbours among the members, at least MIN_DENSITY.

    A document is not its own neighbour; its copies are. A single member has no neighbours, hence no density. The answer
    does not depend on the number of cores. Memory beside it: constant while the search is exact, else some hundred
    bytes a member.

    Args:
        X: (n, d) float16, float32 or float64; may be memory-mapped. Rows stand for their directions.
        members: rows of X, (m,), ascending.
        neighbours: how many neighbours count; all other members where there are fewer.
        seed: seed of the cells of a large domain.
        advance: told how many members are done since it was called last.

    Returns:
        (m,) float64.

    """
    wanted = min(neighbours, len(members) - 1)
    if wanted < 1:
        advance(len(members))
        return np.full(len(members), MIN_DENSITY)
    if len(members) > MAX_EXACT:
        cosines = nearest_in_cells(X, members, wanted, seed, advance)
    else:
        cosines = _nearest(X, members, wanted, advance)
    # Sorted, so that the sum does not depend on the order that the search left.
    cosines.sort(axis=1)
    found = np.isfinite(cosines)
    sums = np.where(found, cosines, 0.0).sum(axis=1, dtype=np.float64)
    return np.maximum(sums / np.maximum(found.sum(axis=1), 1), MIN_DENSITY)


def _nearest(
    X: NDArray[Any], members: NDArray[np.intp], wanted: int, advance: Callable[[float], None]
) -> NDArray[np.float32]:
    def search(rows: slice) -> NDArray[np.float32]:
        return highest_cosines(X, members[rows], members, wanted)

    parts = []
    for part in in_order(search, blocks(len(members), max(_CANDIDATES, X.shape[1]))):
        parts.append(part)
        advance(len(part))
    return np.concatenate(parts)
