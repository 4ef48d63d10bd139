"""Scores of rows, and the one pass over them that the dual needs, however they are kept."""

from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gemix.sphere import kernels
from gemix.sphere.chunks import in_order

Floats = NDArray[np.float64]

_CHUNK_VALUES: Final = 1 << 20
# Where more than this share of the components is within reach of a row, dense passes are as quick.
_SPARSE: Final = 0.25
_MIN_SPARSE_K: Final = 64


def exponentials(z: NDArray[Any]) -> None:
    """Replace z <= 0 by exp(z), and what weighs nothing by a number whose square is no subnormal.

    Products with subnormal numbers take many processors a hundred times as long.
    """
    np.maximum(z, 0.4 * np.log(np.finfo(z.dtype).tiny), out=z)  # 7e-16 in float32
    np.exp(z, out=z)


def softmax(scores: NDArray[Any], potentials: Floats) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the softmax, (m, K), and logsumexp, (m,), of scores - potentials, in the dtype of scores."""
    z = scores - potentials.astype(scores.dtype)
    top = z.max(axis=1, keepdims=True)
    z -= top
    exponentials(z)
    total = z.sum(axis=1, keepdims=True)
    z /= total
    return z, (np.log(total) + top)[:, 0]


class Scores(Protocol):
    """Scores of n rows, wherever they lie, and one pass over them."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n, K)."""
        ...

    @property
    def double(self) -> bool:
        """Whether they are float64."""
        ...

    def evaluate(self, b: Floats, hessian: bool) -> tuple[float, Floats, Floats]:
        """Return sum_i w_i logsumexp(s_i - b), masses (K,) and sum_i w_i g_i g_i^T (K, K; zeros when not wanted)."""
        ...


class _Lists(NamedTuple):
    """Which components are within reach of which rows, at potentials b0 (see `kernels.list_near`)."""

    potentials: Floats
    parts: list[tuple[slice, NDArray[np.int64], NDArray[np.unsignedinteger[Any]]]]


class ArrayScores:
    """Scores in an (n, K) array, float32 or float64, maybe memory-mapped, with weights (n,) that sum to 1.

    Where few components are within reach of a row they are listed once, with some to spare: for potentials b whose
    change from those of the lists has a spread max - min of no more than that, nothing else can come within reach.
    """

    def __init__(self, scores: NDArray[Any], weights: Floats) -> None:
        self.scores, self.weights = scores, weights
        self._reach = kernels.reach(scores.shape[1], scores.dtype)
        self._lists: _Lists | None = None
        self._is_dense = scores.shape[1] < _MIN_SPARSE_K

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n, K)."""
        return self.scores.shape[0], self.scores.shape[1]

    @property
    def double(self) -> bool:
        """Whether they are float64."""
        return self.scores.dtype == np.float64

    def evaluate(self, b: Floats, hessian: bool) -> tuple[float, Floats, Floats]:
        """Return sum_i w_i logsumexp(s_i - b), masses (K,) and sum_i w_i g_i g_i^T (K, K; zeros when not wanted)."""
        lists = self._lists_for(b)
        return self._evaluate_dense(b, hessian) if lists is None else self._evaluate_listed(b, hessian, lists)

    def _lists_for(self, b: Floats) -> _Lists | None:
        if self._is_dense or (self._lists and np.ptp(b - self._lists.potentials) <= self._reach):
            return self._lists
        k = len(b)
        limit = int(_SPARSE * k)
        shift = -b.astype(self.scores.dtype)

        def part(rows: slice) -> tuple[slice, NDArray[np.int64], NDArray[np.unsignedinteger[Any]]]:
            chunk = np.ascontiguousarray(self.scores[rows])
            tops = np.empty(len(chunk), chunk.dtype)
            starts, near = np.empty(len(chunk) + 1, np.int64), np.empty(len(chunk) * limit, kernels.index_type(k))
            kernels.list_near(
                chunk, np.ones(len(chunk), chunk.dtype), shift, 2 * self._reach, limit, tops, starts, near,
                np.empty(len(near), np.uint8),
            )  # fmt: skip
            return rows, starts, near[: starts[-1]].copy()

        parts = list(in_order(part, self._slices()))
        lengths = np.concatenate([np.diff(starts) for _, starts, _ in parts])
        self._is_dense = bool(np.mean(np.where(lengths, lengths, k)) > limit)
        self._lists = None if self._is_dense else _Lists(b.copy(), parts)
        return self._lists

    def _slices(self) -> list[slice]:
        n, k = self.shape
        step = max(1, _CHUNK_VALUES // k)
        return [slice(i, min(i + step, n)) for i in range(0, n, step)]

    def _evaluate_listed(self, b: Floats, hessian: bool, lists: _Lists) -> tuple[float, Floats, Floats]:
        k = len(b)
        lists_of = {rows.start: (starts, near) for rows, starts, near in lists.parts}

        def part(rows: slice) -> tuple[float, Floats, Floats]:
            masses, gram = np.zeros(k), np.zeros((k, k) if hessian else (0, 0))
            value = kernels.sum_listed(
                self.scores[rows], b, self.weights[rows], *lists_of[rows.start], self._reach, masses, gram
            )
            return value, masses, gram

        value, masses, gram = 0.0, np.zeros(k), np.zeros((k, k))
        for part_value, part_masses, part_gram in in_order(part, self._slices()):
            value += part_value
            masses += part_masses
            if hessian:
                gram += part_gram
        return value, masses, gram + np.tril(gram, -1).T

    def _evaluate_dense(self, b: Floats, hessian: bool) -> tuple[float, Floats, Floats]:
        n, k = self.shape
        shift = b.astype(self.scores.dtype)[:, None]

        def part(rows: slice) -> tuple[float, Floats, NDArray[Any] | float]:
            w = self.weights[rows]
            # (K, m): reductions over K run along whole vectors.
            z = np.array(self.scores[rows].T, order="C")
            z -= shift
            top = z.max(axis=0)
            z -= top
            exponentials(z)
            total = z.sum(axis=0)
            z *= np.sqrt(w * n).astype(z.dtype) / total
            masses = z @ np.sqrt(w / n).astype(z.dtype)
            return float(w @ (np.log(total) + top)), masses, (z @ z.T) if hessian else 0.0

        value, masses, gram = 0.0, np.zeros(k), np.zeros((k, k))
        for part_value, part_masses, part_gram in in_order(part, self._slices()):
            value += part_value
            masses += part_masses
            gram += part_gram
        return value, masses, gram / n
