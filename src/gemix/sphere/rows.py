"""Rows of X as unit vectors, a chunk at a time: X is never copied whole, so it may be a memory-mapped float16 array."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.threads import in_order
from gemix.sphere.near import MIN_K, NearPasses
from gemix.sphere.scores import ArrayScores, Listed, ListedScores, Scores, StreamedScores, Sums, assess, exponentials
from gemix.sphere.vmf import MAX_CONCENTRATION

Floats = NDArray[np.float64]

CHUNK_VALUES = 1 << 21  # values a chunk: 8 MB of float32, so that it is read from the cache the second time
_MIN_CHUNK_WIDTH: Final = 512  # narrower rows come no more at a time than rows this wide


@dataclass(frozen=True, slots=True)
class Statistics:
    """What one pass over the rows says of the assignments g_i = softmax(s_i - b).

    Attributes:
        masses: pi_k = sum_i w_i g_ik, (K,).
        sums: r_k = sum_i w_i g_ik x_i, (K, d).
        log_sum: sum_i w_i logsumexp_k(s_ik - b_k); for a hard assignment sum_i w_i max_k s_ik.

    """

    masses: Floats
    sums: Floats
    log_sum: float


class Rows:
    """Unit rows x_i = X_i / |X_i| of an (n, d) array, with sample weights that sum to 1.

    Attributes:
        n: number of rows.
        d: dimension.
        dtype: float64 where X is float64, else float32; scores and products use it, sums over rows are float64.
        weights: (n,) float64, sums to 1.
        inverse_norms: 1 / |X_i|, (n,) in `dtype`.
        count: number of rows with positive weight.
        total_weight: sum of the sample weights.

    """

    is_shared = False  # whether other processes hold some of the rows
    is_first = True  # whether this process writes what all know

    def __init__(self, X: NDArray[Any], sample_weight: NDArray[Any] | None = None) -> None:
        self.n, self.d = X.shape
        self.dtype = np.dtype(np.float64 if X.dtype == np.float64 else np.float32)
        self._X = X
        self.inverse_norms = np.concatenate(list(in_order(self._inverse_norm, self.slices())))
        self._weigh(sample_weight)
        self._near_passes, self._score_passes = NearPasses(), NearPasses(keep_scores=True)

    def _weigh(self, sample_weight: NDArray[Any] | None) -> None:
        # Equal weights are one number, seen n times.
        self.weights: Floats = np.broadcast_to(np.array(1.0 / self.n), (self.n,))
        self.count = self.n
        self.total_weight = float(self.n)
        if sample_weight is not None:
            self.total_weight = float(np.sum(sample_weight, dtype=np.float64))
            self.weights = np.asarray(sample_weight, dtype=np.float64) / self.total_weight
            self.count = int(np.count_nonzero(self.weights))

    def _inverse_norm(self, rows: slice) -> NDArray[Any]:
        chunk = self.block(rows)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.einsum("ij,ij->i", chunk, chunk)
        if not np.all((squares > 1e-20) & (squares < 1e20)):
            # The square of a small or large float32 is no float32.
            wide = chunk.astype(np.float64)
            squares = np.einsum("ij,ij->i", wide, wide)
        norms = np.sqrt(squares)
        if not np.all(np.isfinite(norms)):
            row = rows.start + int(np.argmin(np.isfinite(norms)))
            raise ValueError(f"X contains NaN or infinity; the first such row is {row}")
        if not np.all(norms > 0):
            row = rows.start + int(np.argmin(norms > 0))
            raise ValueError(f"X contains rows of zeros, which have no direction; the first is row {row}")
        return (1.0 / norms).astype(self.dtype)

    def block(self, rows: slice) -> NDArray[Any]:
        """Return rows of X as they are, not made unit, in `dtype`."""
        return np.asarray(self._X[rows], dtype=self.dtype)

    def _chunk_values(self) -> int:
        return CHUNK_VALUES

    @property
    def row_bytes(self) -> int:
        """Bytes that a row takes in the type that X has."""
        return self.d * self._X.dtype.itemsize

    def slices(self, width: int = 1) -> Iterator[slice]:
        """Yield the row ranges of the chunks, in order; `width` is how many values a row stands for beside its own."""
        step = max(1, self._chunk_values() // max(self.d, width, _MIN_CHUNK_WIDTH))
        for start in range(0, self.n, step):
            yield slice(start, min(start + step, self.n))

    def subset(self, index: NDArray[np.intp]) -> "Rows":
        """Return the rows at `index`, ascending, as rows of their own, copied in the type that X has."""
        out = Rows.__new__(Rows)
        out.n, out.d, out.dtype = len(index), self.d, self.dtype
        out._X = np.empty((out.n, out.d), self._X.dtype)

        def copy(rows: slice) -> None:
            out._X[rows] = self._X[index[rows]]

        for _ in in_order(copy, out.slices()):
            pass
        out._near_passes, out._score_passes = NearPasses(), NearPasses(keep_scores=True)
        self._hand_over(index, out)
        return out

    def _hand_over(self, index: NDArray[np.intp], out: "Rows") -> None:
        out.inverse_norms = self.inverse_norms[index]
        out.weights = self.weights[index] / self.weights[index].sum()
        out.count = int(np.count_nonzero(out.weights))

    def agree(self, known: bool) -> bool:
        """Return `known`, having made sure that all processes say the same."""
        return known

    def sizes(self, labels: NDArray[np.int32], n_clusters: int) -> Floats:
        """Return the share of the weight that has each label, (K,)."""
        return np.bincount(labels, self.weights, n_clusters).astype(np.float64)

    def fingerprint(self) -> list[float]:
        """Return what tells these rows and weights from others, in any order."""
        from gemix.sphere.identity import fingerprint

        return fingerprint(self).tolist()

    def raw(self, index: NDArray[np.intp]) -> NDArray[Any]:
        """Return rows of X as they are, not made unit, on the host."""
        return self._X[index]

    @property
    def raw_dtype(self) -> np.dtype[Any]:
        """The type of `raw`."""
        return self._X.dtype

    def like(self, raw: NDArray[Any], sample_weight: NDArray[Any]) -> "Rows":
        """Return other rows, (m, d), to be computed in the same way."""
        return Rows(raw, sample_weight)

    def take(self, index: NDArray[np.intp]) -> NDArray[Any]:
        """Return the unit rows at `index` (sorted or not), (m, d) in `dtype`."""
        return np.asarray(self._X[index], dtype=self.dtype) * self.inverse_norms[index, None]

    def products(self, directions: NDArray[Any], rows: slice) -> NDArray[Any]:
        """Return x_i . directions_k for a chunk, (m, K) in `dtype`."""
        out = self.block(rows) @ directions.astype(self.dtype).T
        out *= self.inverse_norms[rows, None]
        return out

    def scores(self, directions: NDArray[Any], bias: Floats) -> NDArray[Any]:
        """Return x_i . directions_k + bias_k for all rows, (n, K) in `dtype`."""
        out = np.empty((self.n, len(directions)), dtype=self.dtype)
        shift = bias.astype(self.dtype)

        def fill(rows: slice) -> None:
            out[rows] = self.products(directions, rows)
            out[rows] += shift

        for _ in in_order(fill, self.slices()):
            pass
        return out

    def all_scores(self, directions: Floats, bias: Floats) -> Scores:
        """Return the same with the rows' weights."""
        return ArrayScores(self.scores(directions, bias), self.weights)

    def weighted_scores(self, directions: Floats, bias: Floats, potentials: Floats) -> Scores:
        """Return the same, for potentials that come to lie near those given, (K,)."""

        def listed(b: Floats) -> Listed | None:
            return self._score_passes.scores(self, directions, bias, b) if len(directions) >= MIN_K else None

        found = listed(potentials)
        if found is None:
            return self.all_scores(directions, bias)
        return ListedScores(found, self.weights, listed, lambda: self.all_scores(directions, bias))

    def streamed_scores(self, directions: Floats, bias: Floats) -> Scores:
        """Return the same, computed anew whenever they are asked for: more rows than memory holds scores of."""
        return StreamedScores(self, directions, bias)

    def assess(self, directions: Floats, shift: Floats, hessian: bool) -> Sums:
        """Return what the dual needs of the scores x_i . v + shift (see `gemix.sphere.scores.Scores.evaluate`)."""
        return assess(self, directions, shift, hessian)

    @property
    def max_concentration(self) -> float:
        """The kappa at which rounding moves a score by about a hundredth of a nat."""
        return min(
            MAX_CONCENTRATION, 0.01 / float(np.finfo(np.float64 if self.dtype == np.float64 else np.float32).eps)
        )

    def statistics(self, directions: Floats, bias: Floats, potentials: Floats) -> Statistics:
        """Assign every row by softmax(x_i . directions + bias - potentials), (K,), and sum up, reading X once.

        Where all components count, scores live as (K, m) blocks: reductions over K then run along whole vectors, and
        both products read the chunk of X while it is in the cache.
        """
        k = len(directions)
        if not self._near_passes.is_dense:
            log_sum, masses, sums = self._near_passes.statistics(self, directions, bias - potentials)
            return Statistics(masses / self.n, sums / self.n, log_sum / self.n)
        wanted = directions.astype(self.dtype)
        shift = (bias - potentials).astype(self.dtype)[:, None]

        def part(rows: slice) -> tuple[float, Floats, NDArray[Any]]:
            x, inverse = self.block(rows), self.inverse_norms[rows]
            weights = self.weights[rows]
            z = wanted @ x.T
            z *= inverse
            z += shift
            top = z.max(axis=0)
            z -= top
            exponentials(z)
            total = z.sum(axis=0)
            log_sum = float(weights @ (np.log(total) + top))
            # Relative weights, which are about 1: the products of tiny ones would be denormal.
            z *= (weights * self.n).astype(self.dtype) / total
            masses = z.sum(axis=1, dtype=np.float64)
            z *= inverse
            return log_sum, masses, z @ x

        return self._total(part, k)

    def nearest(self, directions: Floats) -> Statistics:
        """Assign every row to the nearest of unit directions, (K, d), and sum up; scores are cosines."""

        def part(rows: slice) -> tuple[float, Floats, NDArray[Any]]:
            cosines = self.products(directions, rows)
            own = cosines.argmax(axis=1)
            weights = self.weights[rows]
            one_hot = np.zeros_like(cosines)
            one_hot[np.arange(len(own)), own] = (weights * self.n).astype(self.dtype)
            masses = one_hot.sum(axis=0, dtype=np.float64)
            best = float(weights @ cosines[np.arange(len(own)), own])
            one_hot *= self.inverse_norms[rows, None]
            return best, masses, one_hot.T @ self.block(rows)

        return self._total(part, len(directions))

    def _total(self, part: Callable[[slice], tuple[float, Floats, NDArray[Any]]], k: int) -> Statistics:
        """Sum up what `part` says of the chunks: a mean, and masses (K,) and sums (K, d) times n."""
        log_sum, masses, sums = 0.0, np.zeros(k), np.zeros((k, self.d))
        for part_log_sum, part_masses, part_sums in in_order(part, self.slices(k)):
            log_sum += part_log_sum
            masses += part_masses
            sums += part_sums
        return Statistics(masses / self.n, sums / self.n, log_sum)

    def weighted_sums(self, responsibilities: Callable[[slice], NDArray[Any]]) -> Floats:
        """Return r_k = sum_i w_i g_ik x_i, (K, d) float64; `responsibilities(rows)` gives g for a chunk, (m, K)."""

        def part(rows: slice) -> NDArray[Any]:
            scale = (self.weights[rows] * self.inverse_norms[rows])[:, None]
            out: NDArray[Any] = (responsibilities(rows) * scale).astype(self.dtype).T @ self.block(rows)
            return out

        total: Floats | None = None
        for out in in_order(part, self.slices()):
            total = out.astype(np.float64) if total is None else total + out
        assert total is not None
        return total
