"""Rows spread over the processes of a torch.distributed group: each keeps its own, statistics are summed over all.

An iteration sends K x d sums and K masses. Subsamples, on which most iterations run, are small and are gathered: every
process computes them alike, and then takes its part of the passes over all rows.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from gemix.sphere.rows import Rows, Statistics
from gemix.sphere.scores import Sums

Floats = NDArray[np.float64]
Result = TypeVar("Result")

_MESSAGE_BYTES = 1000


class SharedRows(Rows):
    """All rows of the default process group, in the order of the ranks; every process holds some.

    `n`, `count` and statistics are those of all rows. Every process must make the same calls in the same order.

    Raises:
        ValueError: no group is initialised, or the rows of a rank are unusable (on every rank, naming it).
        RuntimeError: a process of the group was lost.

    """

    is_shared = True

    def __init__(self, make: Callable[[], Rows]) -> None:
        """Take this process's part from `make`; what that raises is told to all processes."""
        if not dist.is_initialized():
            raise ValueError(
                "distributed=True needs torch.distributed.init_process_group(); start the script with torchrun"
            )
        # nccl moves tensors of the GPU only.
        self.device = torch.device("cuda") if dist.get_backend() == "nccl" else torch.device("cpu")
        self.own = self._together(make)
        own = self.own
        self.d, self.dtype, self.is_first = own.d, own.dtype, dist.get_rank() == 0
        facts = np.zeros((dist.get_world_size(), 3))
        facts[dist.get_rank()] = own.n, own.count, own.total_weight
        facts = self._sum(facts)
        counts = facts[:, 0].astype(np.int64)
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        self.n, self.count = int(counts.sum()), int(facts[:, 1].sum())
        self.share = float(facts[dist.get_rank(), 2] / facts[:, 2].sum())

    def _together(self, make: Callable[[], Result]) -> Result:
        """Call `make`; raise its ValueError on every process if it fails on one."""
        message, result = b"", None
        try:
            result = make()
        except ValueError as error:
            message = f"rank {dist.get_rank()}: {error}".encode()[:_MESSAGE_BYTES] or b"?"
        padded = torch.zeros(_MESSAGE_BYTES, dtype=torch.uint8)
        padded[: len(message)] = torch.tensor(list(message), dtype=torch.uint8)
        for other in self._gather(padded):
            text = bytes(other.tolist()).rstrip(b"\0").decode(errors="replace")
            if text:
                raise ValueError(text)
        assert result is not None
        return result

    def _gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        tensor = tensor.to(self.device)
        out = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        self._collective(lambda: dist.all_gather(out, tensor))
        return [other.cpu() for other in out]

    def _sum(self, values: Floats) -> Floats:
        tensor = torch.tensor(values, device=self.device)
        self._collective(lambda: dist.all_reduce(tensor))
        total: Floats = tensor.cpu().numpy()
        return total

    @staticmethod
    def _collective(call: Callable[[], Any]) -> None:
        try:
            call()
        except RuntimeError as error:
            raise RuntimeError(
                f"rank {dist.get_rank()} of {dist.get_world_size()} lost another process of the fit: {error}. Start all"
                " of them again; with checkpoint=FOLDER the fit goes on where it was"
            ) from error

    def agree(self, known: bool) -> bool:
        """Return `known`; ValueError where processes differ."""
        votes = int(self._sum(np.array([float(known)]))[0])
        if votes not in (0, dist.get_world_size()):
            raise ValueError(
                f"{votes} of {dist.get_world_size()} processes see the checkpoint; it must lie where all do"
            )
        return known

    @property
    def row_bytes(self) -> int:
        """Bytes that a row takes in the type that X has."""
        return self.own.row_bytes

    def statistics(self, directions: Floats, bias: Floats, potentials: Floats) -> Statistics:
        """Return the statistics of all rows, see `Rows`."""
        return self._add_up(self.own.statistics(directions, bias, potentials))

    def assess(self, directions: Floats, shift: Floats, hessian: bool) -> Sums:
        """Return what the dual needs of the scores of all rows, see `Rows`."""
        value, masses, gram = self.own.assess(directions, shift, hessian)
        k = len(masses)
        total = self._sum(self.share * np.concatenate([[value], masses, gram.ravel()]))
        return float(total[0]), total[1 : k + 1], total[k + 1 :].reshape(k, k)

    def sizes(self, labels: NDArray[np.int32], n_clusters: int) -> Floats:
        """Return the share of the weight of all rows that has each label, for this process's labels."""
        return self._sum(self.share * self.own.sizes(labels, n_clusters))

    def fingerprint(self) -> list[float]:
        """Return that of all rows."""
        return self._sum(np.array(self.own.fingerprint())).tolist()

    def nearest(self, directions: Floats) -> Statistics:
        """Return the statistics of all rows, see `Rows`."""
        return self._add_up(self.own.nearest(directions))

    def _add_up(self, own: Statistics) -> Statistics:
        k = len(own.masses)
        total = self._sum(self.share * np.concatenate([[own.log_sum], own.masses, own.sums.ravel()]))
        return Statistics(total[1 : k + 1], total[k + 1 :].reshape(k, self.d), float(total[0]))

    def subset(self, index: NDArray[np.intp]) -> Rows:
        """Return the rows at `index` of all rows, ascending, on every process."""
        rank = dist.get_rank()
        bounds = np.searchsorted(index, self._starts)
        mine = index[bounds[rank] : bounds[rank + 1]] - self._starts[rank]
        size = int(np.diff(bounds).max())
        raw = self._padded(self.own.raw(mine), size)
        weights = self._padded((self.own.weights[mine] * self.share)[:, None], size)
        kept = [slice(0, int(m)) for m in np.diff(bounds)]
        rows = [part[m].numpy().view(self.own.raw_dtype) for part, m in zip(self._gather(raw), kept, strict=True)]
        shares = [part[m].numpy().view(np.float64) for part, m in zip(self._gather(weights), kept, strict=True)]
        return self.own.like(np.concatenate(rows), np.concatenate(shares)[:, 0])

    @staticmethod
    def _padded(rows: NDArray[Any], size: int) -> torch.Tensor:
        """Return the bytes of rows, (size, bytes a row)."""
        out = torch.zeros((size, rows.shape[1] * rows.itemsize), dtype=torch.uint8)
        out[: len(rows)] = torch.from_numpy(np.ascontiguousarray(rows).view(np.uint8))
        return out
