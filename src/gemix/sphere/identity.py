"""Which rows are the same: hashes of rows, copies that outweigh a domain, a fingerprint of the data."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.compiled import loop
from gemix.runtime.threads import in_order

if TYPE_CHECKING:
    from gemix.sphere.rows import Rows

Hashes = NDArray[np.uint64]

_LIMBS = (0, 22, 44)  # a hash in parts whose sums over 2^31 rows float64 holds exactly


@loop
def _hash(words: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:
    """Hash rows of 64-bit words, (m, c), one after the other: multiply and mix, as splitmix64 does."""
    for i in range(len(words)):
        h = np.uint64(0x9E3779B97F4A7C15)
        for c in range(words.shape[1]):
            h = (h ^ words[i, c]) * np.uint64(0xBF58476D1CE4E5B9)
            h ^= h >> np.uint64(29)
        h *= np.uint64(0x94D049BB133111EB)
        out[i] = h ^ (h >> np.uint64(31))


def hashes(rows: "Rows", dtype: Any = None) -> Hashes:
    """Return a hash of every row of X as it is, not made unit, (n,): rows that are equal in `dtype` have equal ones."""
    dtype = np.dtype(dtype or rows.dtype)
    out = np.empty(rows.n, np.uint64)

    def fill(chunk: slice) -> None:
        with np.errstate(over="ignore"):
            block = rows.block(chunk).astype(dtype) + dtype.type(0)  # -0 is 0
        block = np.pad(block, ((0, 0), (0, -block.shape[1] % (8 // dtype.itemsize))))
        _hash(np.ascontiguousarray(block).view(np.uint64), out[chunk])

    for _ in in_order(fill, rows.slices()):
        pass
    return out


def distinct(rows: "Rows") -> int:
    """Return how many different rows have a positive weight: a row of weight 2 and two copies count alike."""
    return len(np.unique(hashes(rows)[rows.weights > 0]))


def heavy_copies(sample: "Rows", rows: "Rows", n_clusters: int) -> list[tuple[float, int | None]]:
    """Find rows with copies that together weigh more than 1 / K: whole documents cannot be balanced around them.

    Args:
        sample: of the rows, or all of them; shares are shares of it.
        rows: where to look for the first row; None stands for it where other processes hold some.
        n_clusters: K.

    Returns:
        Share of the weight and first row of every such group, the heaviest first.

    """
    found, first, group = np.unique(hashes(sample), return_index=True, return_inverse=True)
    shares = np.bincount(group, sample.weights, len(found))
    copied = np.bincount(group) > 1
    heavy = [k for k in np.argsort(-shares, kind="stable")[:n_clusters] if copied[k] and shares[k] * n_clusters > 1]
    return [(float(shares[k]), _first(rows, sample.block(slice(first[k], first[k] + 1))[0])) for k in heavy]


def _first(rows: "Rows", row: NDArray[Any]) -> int | None:
    if rows.is_shared:
        return None
    for chunk in rows.slices():
        same = (rows.block(chunk) == row).all(axis=1)
        if same.any():
            return chunk.start + int(same.argmax())
    return None


def fingerprint(rows: "Rows") -> NDArray[np.float64]:
    """Return sums of the hashes of rows and weights, (6,): those of parts of the rows add up to those of all."""
    both = hashes(rows), np.ascontiguousarray(rows.weights * rows.total_weight).view(np.uint64)
    mixed = both[0] * (both[1] | np.uint64(1))
    return np.array(
        [[float(((h >> np.uint64(at)) & np.uint64(0x3FFFFF)).sum()) for at in _LIMBS] for h in (both[0], mixed)]
    ).ravel()
