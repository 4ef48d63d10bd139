"""The same passes over rows on a torch device: CUDA or CPU."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.rows import Rows, Statistics
from gemix.sphere.scores import Scores

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float64]

_CHUNK_VALUES: Final = {"cpu": 1 << 21, "cuda": 1 << 27}


def is_tensor(X: Any) -> bool:
    """Return whether X is a torch tensor, without importing torch."""
    return type(X).__module__.partition(".")[0] == "torch"


def _bfloat16() -> Any:
    import torch

    return torch.bfloat16


class TorchRows(Rows):
    """`Rows` whose passes run on a torch device; sums over rows are float64 there too.

    Args:
        X: (n, d), a tensor, or an array that is sliced on the host and moved a chunk at a time.
        sample_weight: (n,) >= 0.
        device: where to compute; by default where X is.

    """

    def __init__(self, X: Any, sample_weight: NDArray[Any] | None = None, device: str | None = None) -> None:
        import torch

        self.device = torch.device(device) if device else X.device
        double = X.dtype in (torch.float64, np.float64)
        self.real = torch.float64 if double else torch.float32
        self._X = X
        self.n, self.d = X.shape
        self.dtype = np.dtype(np.float64 if double else np.float32)
        self.inverse_norms = np.concatenate([self._inverse_norm(rows) for rows in self.slices()])
        self._weigh(sample_weight)

    def _chunk_values(self) -> int:
        return _CHUNK_VALUES.get(self.device.type, _CHUNK_VALUES["cuda"])

    def block(self, rows: slice) -> NDArray[Any]:
        """Return rows of X on the host, not made unit, in `dtype`."""
        block: NDArray[Any] = self._tensor(rows).cpu().numpy()
        return block

    def _tensor(self, rows: slice | NDArray[np.intp]) -> "torch.Tensor":
        import torch

        block: Any = self._X[rows]
        if not is_tensor(block):
            block = torch.tensor(block)  # copies: a tensor on a read-only memory map would be no safe one
        return block.to(self.device, self.real)

    def _on_device(self, values: NDArray[Any]) -> "torch.Tensor":
        import torch

        return torch.as_tensor(values, device=self.device).to(self.real)

    @cached_property
    def _scale(self) -> "torch.Tensor":
        """Inverse norms on the device, (n,)."""
        return self._on_device(self.inverse_norms)

    @cached_property
    def _relative_weights(self) -> "torch.Tensor":
        """Weights times n, about 1, on the device, (n,)."""
        return self._on_device(self.weights * self.n)

    @property
    def row_bytes(self) -> int:
        """Bytes that a row takes in the type that X has."""
        return int(self.d * self._X[:1].itemsize)

    def subset(self, index: NDArray[np.intp]) -> "TorchRows":
        """Return the rows at `index`, ascending, as rows of their own on the same device."""
        out = TorchRows.__new__(TorchRows)
        out.device, out.real, out.dtype, out.n, out.d = self.device, self.real, self.dtype, len(index), self.d
        out._X = self._X[index]
        self._hand_over(index, out)
        return out

    def raw(self, index: NDArray[np.intp]) -> NDArray[Any]:
        """Return rows of X on the host, in a type that NumPy has."""
        block: Any = self._X[index]
        if not is_tensor(block):
            return np.asarray(block)
        return (block.float() if block.dtype == _bfloat16() else block).cpu().numpy()

    @property
    def raw_dtype(self) -> np.dtype[Any]:
        """The type of `raw`."""
        return self.raw(np.arange(0)).dtype

    def like(self, raw: NDArray[Any], sample_weight: NDArray[Any]) -> "TorchRows":
        """Return other rows, (m, d), to be computed in the same way."""
        return TorchRows(raw, sample_weight, str(self.device))

    def take(self, index: NDArray[np.intp]) -> NDArray[Any]:
        """Return the unit rows at `index` on the host, (m, d) in `dtype`."""
        rows: NDArray[Any] = self._tensor(index).cpu().numpy()
        return rows * self.inverse_norms[index, None]

    def products(self, directions: NDArray[Any], rows: slice) -> NDArray[Any]:
        """Return x_i . directions_k for a chunk on the host, (m, K) in `dtype`."""
        out: NDArray[Any] = self._products(self._on_device(directions), rows).T.cpu().numpy()
        return out

    def _products(self, directions: "torch.Tensor", rows: slice) -> "torch.Tensor":
        """Return them as (K, m) on the device."""
        return (directions @ self._tensor(rows).T) * self._scale[rows]

    def weighted_scores(self, directions: Floats, bias: Floats, potentials: Floats) -> Scores:
        """Return x_i . directions_k + bias_k for all rows with their weights, on the device."""
        import torch

        wanted, shift = self._on_device(directions), self._on_device(bias)[:, None]
        parts = [self._products(wanted, rows) + shift for rows in self.slices(len(bias))]
        return _TensorScores(torch.cat(parts, dim=1), self._relative_weights, self._chunk_values() // len(bias))

    def statistics(self, directions: Floats, bias: Floats, potentials: Floats) -> Statistics:
        """Assign every row by softmax(x_i . directions + bias - potentials), (K,), and sum up, reading X once."""
        import torch

        wanted, shift = self._on_device(directions), self._on_device(bias - potentials)[:, None]

        def part(rows: slice) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
            x, scale = self._tensor(rows), self._scale[rows]
            z = (wanted @ x.T) * scale + shift
            weights = self._relative_weights[rows]
            log_sum = (torch.logsumexp(z, dim=0).double() * weights.double()).sum()
            g = torch.softmax(z, dim=0) * weights
            return log_sum, g.sum(dim=1, dtype=torch.float64), (g * scale) @ x

        return self._total_on_device(part, len(directions))

    def nearest(self, directions: Floats) -> Statistics:
        """Assign every row to the nearest of unit directions, (K, d), and sum up; scores are cosines."""
        import torch

        wanted = self._on_device(directions)

        def part(rows: slice) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
            best, own = self._products(wanted, rows).max(dim=0)
            weights = self._relative_weights[rows]
            g = torch.zeros((len(wanted), len(own)), dtype=self.real, device=self.device)
            g[own, torch.arange(len(own), device=self.device)] = weights
            log_sum = (best.double() * weights.double()).sum()
            return log_sum, g.sum(dim=1, dtype=torch.float64), (g * self._scale[rows]) @ self._tensor(rows)

        return self._total_on_device(part, len(directions))

    def _total_on_device(self, part: Callable[[slice], Any], k: int) -> Statistics:
        import torch

        log_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        masses = torch.zeros(k, dtype=torch.float64, device=self.device)
        sums = torch.zeros((k, self.d), dtype=torch.float64, device=self.device)
        for rows in self.slices(k):
            part_log_sum, part_masses, part_sums = part(rows)
            log_sum += part_log_sum
            masses += part_masses
            sums += part_sums
        return Statistics(masses.cpu().numpy() / self.n, sums.cpu().numpy() / self.n, float(log_sum) / self.n)


class _TensorScores:
    """Scores as (K, n) on a device."""

    def __init__(self, scores: "torch.Tensor", relative_weights: "torch.Tensor", chunk: int) -> None:
        self.scores, self.weights, self.chunk = scores, relative_weights, max(1, chunk)

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n, K)."""
        return self.scores.shape[1], self.scores.shape[0]

    @property
    def double(self) -> bool:
        """Whether they are float64."""
        return self.scores.element_size() == 8

    def evaluate(self, b: Floats, hessian: bool) -> tuple[float, Floats, Floats]:
        """Return sum_i w_i logsumexp(s_i - b), masses (K,) and sum_i w_i g_i g_i^T (K, K; zeros when not wanted)."""
        import torch

        n, k = self.shape
        double = {"dtype": torch.float64, "device": self.scores.device}
        shift = torch.as_tensor(b, device=self.scores.device).to(self.scores.dtype)[:, None]
        value, masses, gram = torch.zeros((), **double), torch.zeros(k, **double), torch.zeros((k, k), **double)
        for start in range(0, n, self.chunk):
            z = self.scores[:, start : start + self.chunk] - shift
            weights = self.weights[start : start + self.chunk]
            value += (torch.logsumexp(z, dim=0).double() * weights.double()).sum()
            g = torch.softmax(z, dim=0)
            masses += (g * weights).sum(dim=1, dtype=torch.float64)
            if hessian:
                half = g * weights.sqrt()
                gram += half @ half.T
        return float(value) / n, masses.cpu().numpy() / n, gram.cpu().numpy() / n
