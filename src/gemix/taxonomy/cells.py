"""Neighbours in a large domain, approximately: an inverted file (Sivic and Zisserman 2003; Jégou et al. 2011).

Directions found by a few rounds of spherical k-means divide the domain into cells. A document is compared with the
members of the PROBES cells whose directions are nearest to it, its own among them. All documents that look into a cell
do so together, which makes the search products of dense matrices.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.threads import in_order
from gemix.sphere.rows import Rows
from gemix.taxonomy.cosines import blocks, highest, highest_cosines, unit_rows

CELL_ROWS: Final = 128  # members of a cell, on average
PROBES: Final = 32
MAX_CELLS: Final = 4096  # finding the nearest of more would cost more than searching larger cells
_SAMPLE: Final = 16  # rows a cell that its direction is found from
_ROUNDS: Final = 4
_LOOKING: Final = 0.2  # of the work on a member is to find its cells: for the progress bar
_CROWDED: Final = 4  # a cell this many times the average is searched in parts


def nearest_in_cells(
    X: NDArray[Any], members: NDArray[np.intp], wanted: int, seed: int, advance: Callable[[float], None]
) -> NDArray[np.float32]:
    """Return cosines of each member to its nearest other members, as far as they lie in the cells next to it.

    Args:
        X: (n, d), may be memory-mapped.
        members: rows of X, (m,), ascending.
        wanted: how many cosines.
        seed: seed of the directions of the cells.
        advance: told how many members are done since it was called last.

    Returns:
        (m, wanted) float32 in no order; -inf where the cells hold fewer.

    """
    directions = _directions(X, members, seed)
    own, near = _nearest_cells(X, members, directions, lambda done: advance(_LOOKING * done))
    count, probes = _share_crowded(own, near, len(directions)), near.shape[1]
    inside, inside_from = _grouped(own, count)
    visits, visits_from = _grouped(near.ravel(), count)

    def search(cell: slice) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        candidates = members[inside[inside_from[cell.start] : inside_from[cell.stop]]]
        visitors = visits[visits_from[cell.start] : visits_from[cell.stop]] // probes
        if not len(candidates):
            return visitors, np.empty((len(visitors), 0), dtype=np.float32)
        # Its members are among the visitors: there are some.
        parts = blocks(len(visitors), max(len(candidates), X.shape[1]))
        found = [highest_cosines(X, members[visitors[part]], candidates, wanted) for part in parts]
        return visitors, np.concatenate(found)

    best = np.full((len(members), wanted), -np.inf, dtype=np.float32)
    for visitors, found in in_order(search, (slice(cell, cell + 1) for cell in range(count))):
        best[visitors] = highest(np.concatenate([best[visitors], found], axis=1), wanted)
        advance((1 - _LOOKING) * len(visitors) / probes)
    return best


def _directions(X: NDArray[Any], members: NDArray[np.intp], seed: int) -> NDArray[np.float32]:
    """Return the directions of the cells, (cells, d): some rounds of spherical k-means from random members."""
    random = np.random.default_rng(seed)
    count = min(MAX_CELLS, max(1, len(members) // CELL_ROWS))
    sample = random.choice(len(members), min(len(members), _SAMPLE * count), replace=False)
    rows = Rows(X[members[np.sort(sample)]])
    directions = rows.take(random.choice(rows.n, count, replace=False)).astype(np.float64)
    for _ in range(_ROUNDS):
        sums = rows.nearest(directions).sums
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        directions = np.where(lengths > 0, sums / np.where(lengths > 0, lengths, 1.0), directions)
    return directions.astype(np.float32)


def _nearest_cells(
    X: NDArray[Any], members: NDArray[np.intp], directions: NDArray[np.float32], advance: Callable[[float], None]
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return the cell of each member, (m,), and the cells it looks into, (m, probes), its own among them."""
    probes = min(PROBES, len(directions))
    own, near = np.empty(len(members), np.uint16), np.empty((len(members), probes), np.uint16)

    def fill(rows: slice) -> int:
        cosines = unit_rows(X, members[rows]) @ directions.T
        own[rows] = nearest = cosines.argmax(axis=1)
        cosines[np.arange(len(cosines)), nearest] = np.inf
        near[rows] = np.argpartition(cosines, -probes, axis=1)[:, -probes:]
        return len(cosines)

    for done in in_order(fill, blocks(len(members), max(directions.shape))):
        advance(done)
    return own, near


def _share_crowded(own: NDArray[np.uint16], near: NDArray[np.uint16], count: int) -> int:
    """Split crowded cells, in place, and return the number of cells.

    A cell of thousands of copies would take the square of its size. Its members are dealt out to parts in turn; a
    member looks into the part that it was dealt to, and into one part alone of any other crowded cell.
    """
    sizes = np.bincount(own, minlength=count)
    parts = np.maximum(1, -(-sizes // (_CROWDED * max(1, len(own) // count))))
    first = np.cumsum(parts) - parts
    for rows in blocks(len(own), near.shape[1]):
        turn = np.arange(rows.start, rows.stop)
        own[rows] = first[own[rows]] + turn % parts[own[rows]]
        near[rows] = first[near[rows]] + turn[:, None] % parts[near[rows]]
    return int(parts.sum())


def _grouped(cells: NDArray[np.uint16], count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return positions sorted by cell, ascending inside one, and where each cell starts, (count + 1,)."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=count))])
    return np.argsort(cells, kind="stable"), starts
