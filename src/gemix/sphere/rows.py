"""Rows of X as unit vectors, a chunk at a time: X is never copied whole, so it may be a memory-mapped float16 array."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK_VALUES = 1 << 22  # values a chunk: 16 MB of float32


class Rows:
    """Unit rows x_i = X_i / |X_i| of an (n, d) array, with sample weights that sum to 1.

    Attributes:
        n: number of rows.
        d: dimension.
        dtype: float64 where X is float64, else float32; scores and products use it, sums over rows are float64.
        weights: (n,) float64, sums to 1.
        count: number of rows with positive weight.

    """

    def __init__(self, X: NDArray[Any], sample_weight: NDArray[Any] | None = None) -> None:
        self.n, self.d = X.shape
        self.dtype = np.dtype(np.float64 if X.dtype == np.float64 else np.float32)
        self._X = X
        self._chunk = max(1, CHUNK_VALUES // self.d)
        self._inverse_norms = np.empty(self.n, dtype=self.dtype)
        for rows in self.slices():
            self._inverse_norms[rows] = self._inverse_norm(rows)
        self.weights, self.count = np.full(self.n, 1.0 / self.n), self.n
        if sample_weight is not None:
            self.weights = np.asarray(sample_weight, dtype=np.float64) / np.sum(sample_weight, dtype=np.float64)
            self.count = int(np.count_nonzero(self.weights))

    def _inverse_norm(self, rows: slice) -> NDArray[Any]:
        # float64: the square of a large finite float32 must not overflow to infinity.
        chunk = np.asarray(self._X[rows], dtype=np.float64)
        norms = np.sqrt(np.einsum("ij,ij->i", chunk, chunk))
        if not np.all(np.isfinite(norms)):
            row = rows.start + int(np.argmin(np.isfinite(norms)))
            raise ValueError(f"X contains NaN or infinity; the first such row is {row}")
        if not np.all(norms > 0):
            row = rows.start + int(np.argmin(norms > 0))
            raise ValueError(f"X contains rows of zeros, which have no direction; the first is row {row}")
        return (1.0 / norms).astype(self.dtype)

    def slices(self) -> Iterator[slice]:
        """Yield the row ranges of the chunks, in order."""
        for start in range(0, self.n, self._chunk):
            yield slice(start, min(start + self._chunk, self.n))

    def take(self, index: NDArray[np.intp]) -> NDArray[Any]:
        """Return the unit rows at `index` (sorted or not), (m, d) in `dtype`."""
        return np.asarray(self._X[index], dtype=self.dtype) * self._inverse_norms[index, None]

    def products(self, directions: NDArray[Any], rows: slice) -> NDArray[Any]:
        """Return x_i . directions_k for a chunk, (m, K) in `dtype`."""
        out = np.asarray(self._X[rows], dtype=self.dtype) @ directions.astype(self.dtype).T
        out *= self._inverse_norms[rows, None]
        return out

    def scores(self, directions: NDArray[Any], bias: NDArray[np.float64]) -> NDArray[Any]:
        """Return x_i . directions_k + bias_k for all rows, (n, K) in `dtype`."""
        out = np.empty((self.n, len(directions)), dtype=self.dtype)
        for rows in self.slices():
            out[rows] = self.products(directions, rows)
            out[rows] += bias.astype(self.dtype)
        return out

    def weighted_sums(self, responsibilities: Callable[[slice], NDArray[Any]]) -> NDArray[np.float64]:
        """Return r_k = sum_i w_i g_ik x_i, (K, d) float64; `responsibilities(rows)` gives g for a chunk, (m, K)."""
        total: NDArray[np.float64] | None = None
        for rows in self.slices():
            scale = (self.weights[rows] * self._inverse_norms[rows])[:, None]
            part = (responsibilities(rows) * scale).astype(self.dtype).T @ np.asarray(self._X[rows], dtype=self.dtype)
            total = part.astype(np.float64) if total is None else total + part
        assert total is not None
        return total
