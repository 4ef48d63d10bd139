"""Passes over rows that ask only for the components near them, exact to the rounding of the type.

T is the reach beyond which a component weighs nothing (see `gemix.sphere.kernels`). A pass over all components lists,
for each row, those whose score is within T + margin of its largest, each with its gap. Later, when v_k = kappa_k mu_k
has moved by dv_k and its shift by dc_k, no unit row's score has risen by more than |dv_k| + dc_k (Cauchy and Schwarz;
the bounds of Elkan 2003, for soft assignments). So a component stays out of reach of a row as long as

    |dv_k| + dc_k <= gap - T - fall   and   the row's largest score has fallen by no more than   fall,

where one that was not listed has a gap of T + margin. Components that moved too far for those are restless: they are
asked for every row, after which their gaps are new and their movement counts from there. A row whose largest score fell
further has all components asked, and a new list: from v_k now to any v'_k it is no further than
|v'_k - v_k at the last asking| + |dv_k|, so gaps are lessened by the slack |dv_k| - dc_k. When too many components are
restless, or too many rows need everything, the next pass is one over all components. The component that was nearest is
asked first: how far the row's largest score really fell, or that it rose, stands in place of `fall` for the others.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.threads import in_order, one_blas_thread
from gemix.sphere import kernels
from gemix.sphere.kernel_types import Bounds, Chunk, Moved, Near, Sums
from gemix.sphere.scores import SPREAD, Listed, Part

if TYPE_CHECKING:
    from gemix.sphere.rows import Rows

Floats = NDArray[np.float64]

# Where more than this share of the components is within reach of a row, dense passes are as quick.
_DENSE: Final = 0.3
# Below this many components a row's products with all of them cost no more than finding out which matter.
MIN_K: Final = 64
# A margin is as wide as makes lists this long on average, on so many rows; at least this share of the median |v_k| =
# kappa_k, with which scores, gaps and movements grow. Gaps are kept as whole nats in a byte.
_LISTED: Final = 16
_PROBED: Final = 256
_MIN_MARGIN: Final = 0.05
_MAX_FAR: Final = 250.0  # nats
_FALL: Final = 0.2  # share of the margin
_MAX_LISTED: Final = 256  # components a row, and at most half of them; a row with more has all asked
# Lists are used while at most these shares of the components are restless and of the rows have all components asked.
_MAX_RESTLESS: Final = 0.4
_MAX_FULL: Final = 0.1
_FEW: Final = 24  # restless components, for which BLAS takes longer than the kernel itself
# Chunks whose sums are added up before they join the others, at most, and how many parts there must be for all cores.
_MOST_TOGETHER: Final = 8
_MIN_PARTS: Final = 16


class _Lists(NamedTuple):
    """What is known of the components near every row.

    Attributes:
        margin: in nats.
        directions: v_k when component k was last asked for every row, (K, d).
        shift: its shift then, (K,).
        chunks: by a chunk's first row.

    """

    margin: float
    directions: Floats
    shift: Floats
    chunks: dict[int, Near]


class NearPasses:
    """Passes over the same rows, each of which may use what earlier ones found.

    Attributes:
        is_dense: whether too many components are within reach of a row for this to pay.

    """

    def __init__(self, keep_scores: bool = False) -> None:
        """Say whether the scores within T + SPREAD are wanted, in place of sums over what is within T."""
        self.is_dense = False
        self._keep_scores = keep_scores
        self._lists: _Lists | None = None
        self._found: dict[int, Part] = {}

    def statistics(self, rows: "Rows", directions: Floats, shift: Floats) -> tuple[float, Floats, Floats]:
        """Assign every row by softmax(x_i . v + shift), v (K, d) and shift (K,), and sum up.

        Returns:
            Weighted sums over rows as in `gemix.sphere.rows.Statistics`: of logsumexp, of assignments, (K,), and of
            assigned rows, (K, d); all times n.

        """
        common = float(np.median(shift))  # moves all scores alike
        shift = shift - common
        self._found = {}
        total: _Total | None = None
        if self._lists:
            moved = np.linalg.norm(directions - self._lists.directions, axis=1)
            sunk = self._lists.shift - shift
            # Not less than 0, so that what is listed with the least gap, 0, is always asked.
            risen = np.maximum(moved - sunk, 0.0)
            restless = risen > self._lists.margin * (1 - _FALL)
            if restless.mean() <= _MAX_RESTLESS:
                slack = np.where(restless, 0.0, moved + sunk)
                total = self._near_pass(rows, directions, shift, restless, risen, slack)
        if total is None:
            total = self._full_pass(rows, directions, shift)
        return total.log_sum + common * rows.n, total.masses, total.sums

    def scores(self, rows: "Rows", directions: Floats, bias: Floats, potentials: Floats) -> Listed | None:
        """Return the scores x_i . v + bias near a row's largest at `potentials`, (K,); None where too many are."""
        shift = bias - potentials
        self.statistics(rows, directions, shift)
        if self.is_dense:
            return None
        parts = [self._found[start] for start in sorted(self._found)]
        return Listed(parts, potentials, float(np.median(shift)))

    def _reach(self, k: int, dtype: np.dtype[Any]) -> float:
        return kernels.reach(k, dtype) + (SPREAD if self._keep_scores else 0.0)

    def _room(self, rows: int, k: int, dtype: Any) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
        """Return where a kernel writes down what is within reach: starts, components, scores."""
        size = rows * k if self._keep_scores else 0
        return np.zeros(rows + 1, np.int64), np.empty(size, kernels.index_type(k)), np.empty(size, dtype)

    def _note(self, chunk: slice, starts: NDArray[np.int64], found: NDArray[Any], scores: NDArray[Any]) -> None:
        if self._keep_scores:
            end = starts[-1]
            self._found[chunk.start] = Part(chunk, starts, found[:end].copy(), scores[:end].copy())

    def _full_pass(self, rows: "Rows", directions: Floats, shift: Floats) -> "_Total":
        k = len(directions)
        v, c = directions.astype(rows.dtype), shift.astype(rows.dtype)
        reach, limit = self._reach(k, rows.dtype), _limit(k)
        margin = _margin(rows, v, c, reach) if limit else 0.0
        self._lists = _Lists(margin, directions.copy(), shift.copy(), {}) if limit else None
        total = _Total(k, rows.d)

        def part(chunk: slice, masses: Floats, sums: NDArray[Any]) -> tuple[float, int]:
            some = _chunk(rows, chunk)
            products = some.x @ v.T
            near = _room(len(some.x), limit, k, np.empty(len(some.x), rows.dtype))
            if self._lists:
                kernels.list_near(products, some.inverse, c, reach + margin, limit, near)
                self._lists.chunks[chunk.start] = _trimmed(near)
            room = self._room(len(some.x), k, rows.dtype)
            found = kernels.sum_rows(products, some, c, near, reach, Sums(masses, sums, *room))
            self._note(chunk, *room)
            return found

        total.add_all(part, rows)
        self.is_dense = total.count > _DENSE * k * rows.n
        if self.is_dense:
            self._lists = None
        return total

    def _near_pass(
        self,
        rows: "Rows",
        directions: Floats,
        shift: Floats,
        is_restless: NDArray[np.bool_],
        risen: Floats,
        slack: Floats,
    ) -> "_Total":
        k, lists = len(directions), self._lists
        assert lists
        v, c = directions.astype(rows.dtype), shift.astype(rows.dtype)
        restless = np.flatnonzero(is_restless)
        restless_v = v[restless]
        limit = _limit(k)
        reach = self._reach(k, rows.dtype)
        bounds = Bounds(reach, reach + lists.margin, _FALL * lists.margin, limit)
        mended = _Lists(
            lists.margin,
            np.where(is_restless[:, None], directions, lists.directions),
            np.where(is_restless, shift, lists.shift),
            {},
        )
        total = _Total(k, rows.d)
        many, nothing = len(restless) > _FEW, np.empty((0, len(restless)), rows.dtype)

        def part(chunk: slice, masses: Floats, sums: NDArray[Any]) -> tuple[float, int]:
            some, near = _chunk(rows, chunk), lists.chunks[chunk.start]
            products = some.x @ restless_v.T if many else nothing
            moved = Moved(risen, slack, restless, is_restless, restless_v, products)
            new = _room(len(some.x), limit, k, near.tops)
            room = self._room(len(some.x), k, rows.dtype)
            found = kernels.sum_near_rows(some, v, c, near, moved, bounds, new, Sums(masses, sums, *room))
            self._note(chunk, *room)
            mended.chunks[chunk.start] = _trimmed(new)
            return found

        total.add_all(part, rows)
        self._lists = mended if total.count <= _MAX_FULL * rows.n else None
        return total


def _chunk(rows: "Rows", chunk: slice) -> Chunk:
    return Chunk(rows.block(chunk), rows.inverse_norms[chunk], rows.weights[chunk] * rows.n)


def _room(rows: int, limit: int, k: int, tops: NDArray[Any]) -> Near:
    """Return where lists of at most `limit` of K components a row are written down."""
    size = rows * limit
    return Near(np.zeros(rows + 1, np.int64), np.empty(size, kernels.index_type(k)), np.empty(size, np.uint8), tops)


def _trimmed(near: Near) -> Near:
    end = near.starts[-1]
    return near._replace(components=near.components[:end].copy(), gaps=near.gaps[:end].copy())


def _margin(rows: "Rows", directions: NDArray[Any], shift: NDArray[Any], reach: float) -> float:
    """Return the margin at which a row has so many components listed on average, within bounds."""
    some = slice(0, min(_PROBED, rows.n))
    with one_blas_thread():
        scores = rows.products(directions, some) + shift
    gaps = (scores.max(axis=1, keepdims=True) - scores).ravel()
    at = min(_LISTED * len(scores), len(gaps) - 1)
    least = _MIN_MARGIN * float(np.median(np.linalg.norm(directions, axis=1)))
    most = _MAX_FAR - reach
    return float(np.clip(np.partition(gaps, at)[at] - reach, min(least, most), most))


def _limit(k: int) -> int:
    """Return how many components a row may have listed."""
    return min(_MAX_LISTED, k // 2) if k >= MIN_K else 0


class _Total:
    """Sums over rows: of logsumexp, of what was counted, of assignments (K,) and of assigned rows (K, d)."""

    def __init__(self, k: int, d: int, dtype: Any = np.float64) -> None:
        self.log_sum, self.count, self.masses, self.sums = 0.0, 0, np.zeros(k), np.zeros((k, d), dtype)

    def add_all(self, part: Callable[[slice, Floats, NDArray[Any]], tuple[float, int]], rows: "Rows") -> None:
        """Add what `part` finds in every chunk: it returns two numbers, and adds to the masses and sums it is given.

        Sums of several chunks, where there are many, come together in the rows' type before they are added here.
        """
        chunks = list(rows.slices(len(self.masses)))
        step = max(1, min(_MOST_TOGETHER, len(chunks) // _MIN_PARTS))

        def together(some: slice) -> "_Total":
            own = _Total(len(self.masses), rows.d, rows.dtype)
            for chunk in chunks[some]:
                log_sum, count = part(chunk, own.masses, own.sums)
                own.log_sum += log_sum
                own.count += count
            return own

        for own in in_order(together, [slice(i, i + step) for i in range(0, len(chunks), step)]):
            self.log_sum += own.log_sum
            self.count += own.count
            self.masses += own.masses
            kernels.accumulate(self.sums, own.sums)
