"""Scores of rows, and the one pass over them that the dual needs, however they are kept."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.threads import in_order
from gemix.sphere import kernels
from gemix.sphere.listed_kernel import sum_listed

if TYPE_CHECKING:
    from gemix.sphere.rows import Rows

Floats = NDArray[np.float64]

_CHUNK_VALUES: Final = 1 << 20
SPREAD: Final = 8.0  # nats that potentials may move against each other before scores are listed anew
_SUMS: Final = 8  # K x K sums are taken side by side, each of a share of the rows


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


def _ranges(n: int, step: int) -> list[slice]:
    return [slice(i, min(i + step, n)) for i in range(0, n, step)]


class ArrayScores:
    """Scores in an (n, K) array, float32 or float64, maybe memory-mapped, with weights (n,) that sum to 1."""

    def __init__(self, scores: NDArray[Any], weights: Floats) -> None:
        self.scores, self.weights = scores, weights

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
        shift = b.astype(self.scores.dtype)[:, None]

        def part(rows: slice) -> Sums:
            # (K, m): reductions over K run along whole vectors.
            z = np.array(self.scores[rows].T, order="C")
            z -= shift
            return _sums(z, self.weights[rows], len(self.weights), hessian)

        return total(part, _ranges(len(self.scores), max(1, _CHUNK_VALUES // len(b))), len(b))


Sums = tuple[float, Floats, Floats]


def _sums(z: NDArray[Any], w: Floats, n: int, hessian: bool) -> Sums:
    """Return what `Scores.evaluate` sums up, of a chunk with scores less potentials, (K, m), which are overwritten."""
    k = len(z)
    top = z.max(axis=0)
    z -= top
    exponentials(z)
    total = z.sum(axis=0)
    # Relative weights, which are about 1: the products of tiny ones would be denormal.
    z *= np.sqrt(w * n).astype(z.dtype) / total
    masses = z @ np.sqrt(w / n).astype(z.dtype)
    gram = (z @ z.T).astype(np.float64) / n if hessian else np.zeros((k, k))
    return float(w @ (np.log(total) + top)), masses.astype(np.float64), gram


def total(part: Callable[[slice], Sums], chunks: Iterable[slice], k: int) -> Sums:
    """Add up what `part` says of the chunks, for K components."""
    value, masses, gram = 0.0, np.zeros(k), np.zeros((k, k))
    for part_value, part_masses, part_gram in in_order(part, chunks):
        value += part_value
        masses += part_masses
        gram += part_gram
    return value, masses, gram


class StreamedScores:
    """Scores of rows that are computed anew, a chunk at a time, whenever they are asked for."""

    def __init__(self, rows: "Rows", directions: Floats, bias: Floats) -> None:
        self._rows, self._directions, self._bias = rows, directions, bias

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n, K)."""
        return self._rows.n, len(self._bias)

    @property
    def double(self) -> bool:
        """Whether they are float64."""
        return self._rows.dtype == np.float64

    def evaluate(self, b: Floats, hessian: bool) -> Sums:
        """Return sum_i w_i logsumexp(s_i - b), masses (K,) and sum_i w_i g_i g_i^T (K, K; zeros when not wanted)."""
        return self._rows.assess(self._directions, self._bias - b, hessian)


def assess(rows: "Rows", directions: Floats, shift: Floats, hessian: bool) -> Sums:
    """Return the same for the scores x_i . v + shift, v (K, d) and shift (K,)."""
    offset = shift.astype(rows.dtype)[:, None]

    def part(chunk: slice) -> Sums:
        z = np.ascontiguousarray(rows.products(directions, chunk).T)
        z += offset
        return _sums(z, rows.weights[chunk], rows.n, hessian)

    return total(part, rows.slices(len(shift)), len(shift))


class Part(NamedTuple):
    """Scores of the components near the rows of a chunk: of row i near[starts[i] : starts[i + 1]]."""

    rows: slice
    starts: NDArray[np.int64]
    near: NDArray[np.unsignedinteger[Any]]
    scores: NDArray[Any]


class Listed(NamedTuple):
    """Scores less potentials b0, (K,), and less a common number, within T + SPREAD of a row's largest, of all rows."""

    parts: list[Part]
    potentials: Floats
    common: float


class ListedScores:
    """Scores of those components alone that can weigh anything while potentials stay near those of the list.

    No other can come within T of a row's largest, T as in `gemix.sphere.kernels`, while b - b0 has a spread max - min
    of at most SPREAD. For other potentials they are listed anew.
    """

    def __init__(
        self, listed: Listed, weights: Floats, anew: Callable[[Floats], Listed | None], everything: Callable[[], Scores]
    ) -> None:
        """Keep lists.

        Args:
            listed: scores of the rows.
            weights: of the rows, (n,), sum to 1.
            anew: lists them for other potentials, (K,), or returns None where too many are near.
            everything: returns the scores of all components.

        """
        self._listed, self.weights, self._anew, self._everything = listed, weights, anew, everything
        self._all: Scores | None = None
        self._reach = kernels.reach(len(listed.potentials), listed.parts[0].scores.dtype)

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n, K)."""
        return len(self.weights), len(self._listed.potentials)

    @property
    def double(self) -> bool:
        """Whether they are float64."""
        return self._listed.parts[0].scores.dtype == np.float64

    def evaluate(self, b: Floats, hessian: bool) -> tuple[float, Floats, Floats]:
        """Return sum_i w_i logsumexp(s_i - b), masses (K,) and sum_i w_i g_i g_i^T (K, K; zeros when not wanted)."""
        if self._all is None and np.ptp(b - self._listed.potentials) > SPREAD:
            anew = self._anew(b)
            if anew:
                self._listed = anew
            else:
                self._all = self._everything()
        if self._all:
            return self._all.evaluate(b, hessian)
        parts, k, change = self._listed.parts, len(b), b - self._listed.potentials

        def part(at: slice) -> tuple[float, Floats, Floats]:
            value, masses, gram = 0.0, np.zeros(k), np.zeros((k, k) if hessian else (0, 0))
            for rows, starts, near, scores in parts[at]:
                value += sum_listed(scores, change, self.weights[rows], starts, near, self._reach, masses, gram)
            return value, masses, gram

        value, masses, gram = self._listed.common, np.zeros(k), np.zeros((k, k))
        step = -(-len(parts) // _SUMS)
        for part_value, part_masses, part_gram in in_order(part, _ranges(len(parts), step)):
            value += part_value
            masses += part_masses
            if hessian:
                gram += part_gram
        if not hessian:
            return value, masses, gram
        # What lies above the diagonal is of pairs that were listed the other way round.
        lower = np.tril(gram) + np.triu(gram, 1).T
        return value, masses, lower + np.tril(lower, -1).T
