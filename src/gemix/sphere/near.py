"""Passes over rows that ask only for the components near them, exact to the rounding of the type.

A pass over all components lists, for every row, those whose score is within M = T + margin of its largest, T being the
reach beyond which a component weighs nothing (see `gemix.sphere.kernels`). Later, when v_k = kappa_k mu_k has moved by
dv_k and its shift by dc_k, no unit row's score has risen by more than |dv_k| + dc_k (Cauchy and Schwarz; the bounds of
Elkan 2003, for soft assignments). So a component that was not listed stays out of reach of a row as long as

    |dv_k| + dc_k <= 3/4 margin   and   the row's largest score has fallen by no more than   margin - |dv_k| - dc_k.

Components that moved further are restless: they are asked for every row. A row whose largest score fell further has all
components asked. When too many are restless, or too many rows need everything, the next pass makes new lists.
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.sphere import kernels
from gemix.sphere.chunks import in_order

if TYPE_CHECKING:
    from gemix.sphere.rows import Rows

Floats = NDArray[np.float64]

# Where more than this share of the components is within reach of a row, dense passes are as quick.
_DENSE: Final = 0.3
# Below this many components a row's products with all of them cost no more than finding out which matter.
_MIN_K: Final = 64
_MARGIN: Final = 18.0  # nats
_RISE: Final = 0.75  # share of the margin that a component that is not restless may have risen
_MAX_LISTED: Final = 256  # components a row, and at most half of them; a row with more has all asked
# Lists are used while at most these shares of the components are restless and of the rows have all components asked.
_MAX_RESTLESS: Final = 0.15
_MAX_FULL: Final = 0.1


class _Lists(NamedTuple):
    """What a pass over all components leaves.

    Attributes:
        directions: v, (K, d).
        shift: (K,).
        chunks: by a chunk's first row: starts, near and tops (see `kernels.list_near`).

    """

    directions: Floats
    shift: Floats
    chunks: dict[int, tuple[NDArray[np.int64], NDArray[np.unsignedinteger[Any]], NDArray[Any]]]


class NearPasses:
    """Passes over the same rows, each of which may use what earlier ones found.

    Attributes:
        is_dense: whether too many components are within reach of a row for this to pay.

    """

    def __init__(self) -> None:
        self.is_dense = False
        self._lists: _Lists | None = None

    def statistics(self, rows: "Rows", directions: Floats, shift: Floats) -> tuple[float, Floats, Floats]:
        """Assign every row by softmax(x_i . v + shift), v (K, d) and shift (K,), and sum up.

        Returns:
            Weighted sums over rows as in `gemix.sphere.rows.Statistics`: of logsumexp, of assignments, (K,), and of
            assigned rows, (K, d); all times n.

        """
        if self._lists:
            rise = np.linalg.norm(directions - self._lists.directions, axis=1) + shift - self._lists.shift
            common = float(np.median(shift - self._lists.shift))  # moves all scores alike
            restless = rise - common > _MARGIN * _RISE
            if restless.mean() <= _MAX_RESTLESS:
                quiet = float(rise[~restless].max()) - common
                return self._near_pass(rows, directions, shift, restless, _MARGIN - quiet - common)
        return self._full_pass(rows, directions, shift)

    def _full_pass(self, rows: "Rows", directions: Floats, shift: Floats) -> tuple[float, Floats, Floats]:
        k = len(directions)
        v, c = directions.astype(rows.dtype), shift.astype(rows.dtype)
        reach = kernels.reach(k, rows.dtype)
        limit = min(_MAX_LISTED, k // 2) if k >= _MIN_K else 0
        self._lists = _Lists(directions.copy(), shift.copy(), {}) if limit else None
        total = _Total(k, rows.d)

        def part(chunk: slice) -> tuple[float, int, Floats, NDArray[Any]]:
            x, inverse = rows.block(chunk), rows.inverse_norms[chunk]
            products = x @ v.T
            if self._lists:
                tops = np.empty(len(x), rows.dtype)
                starts, near = np.empty(len(x) + 1, np.int64), np.empty(len(x) * limit, kernels.index_type(k))
                kernels.list_near(products, inverse, c, reach + _MARGIN, limit, tops, starts, near)
                self._lists.chunks[chunk.start] = starts, near[: starts[-1]].copy(), tops
            masses, sums = np.zeros(k), np.zeros((k, rows.d), rows.dtype)
            weights = rows.weights[chunk] * rows.n
            return *kernels.sum_rows(products, x, inverse, weights, c, reach, masses, sums), masses, sums

        for result in in_order(part, rows.slices(k)):
            total.add(*result)
        self.is_dense = total.count > _DENSE * k * rows.n
        if self.is_dense:
            self._lists = None
        return total.log_sum, total.masses, total.sums

    def _near_pass(
        self, rows: "Rows", directions: Floats, shift: Floats, is_restless: NDArray[np.bool_], fall: float
    ) -> tuple[float, Floats, Floats]:
        k, lists = len(directions), self._lists
        assert lists
        v, c = directions.astype(rows.dtype), shift.astype(rows.dtype)
        restless = np.flatnonzero(is_restless)
        some = v[restless].T
        reach = kernels.reach(k, rows.dtype)
        total = _Total(k, rows.d)

        def part(chunk: slice) -> tuple[float, int, Floats, NDArray[Any]]:
            x, inverse = rows.block(chunk), rows.inverse_norms[chunk]
            masses, sums = np.zeros(k), np.zeros((k, rows.d), rows.dtype)
            found = kernels.sum_near_rows(
                x, inverse, rows.weights[chunk] * rows.n, v, c, *lists.chunks[chunk.start], fall,
                restless, is_restless, x @ some, reach, masses, sums,
            )  # fmt: skip
            return *found, masses, sums

        for result in in_order(part, rows.slices(k)):
            total.add(*result)
        if total.count > _MAX_FULL * rows.n:
            self._lists = None
        return total.log_sum, total.masses, total.sums


class _Total:
    """Sums over chunks, in float64."""

    def __init__(self, k: int, d: int) -> None:
        self.log_sum, self.count, self.masses, self.sums = 0.0, 0, np.zeros(k), np.zeros((k, d))

    def add(self, log_sum: float, count: int, masses: Floats, sums: NDArray[Any]) -> None:
        self.log_sum += log_sum
        self.count += count
        self.masses += masses
        self.sums += sums
