"""Whether outcomes depend on mixtures at all: an exact permutation test, before any model is believed."""

from typing import Final

import numpy as np

from gemix.mix.box import Floats
from gemix.mix.process import squared_distances

PERMUTATIONS: Final = 2999
WIDTHS: Final = (0.5, 0.2)  # of the Gaussian kernels, in sqrt(w)


def gate(W: Floats, y: Floats, repeats: Floats, seed: int = 0, permutations: int = PERMUTATIONS) -> float:
    """Return P: how often shuffled outcomes look as ordered as these.

    Statistics: centred kernel scores y'Cy of a linear and two Gaussian kernels in sqrt(w) (the Hilbert-Schmidt
    independence criterion, Gretton et al. 2005), and |corr(sqrt(w_k), y)| of every domain. The smallest of their ranks
    is compared with the smallest rank of every permutation (minP; Westfall and Young 1993), so that looking at many
    statistics costs what it must. Only mixtures with equal numbers of repeats are exchanged.

    Args:
        W: distinct mixtures, (n, K).
        y: (n,) mean outcome of each.
        repeats: (n,) runs behind each.
        seed: of the permutations.
        permutations: how many; P is at least 1 / (permutations + 1).

    """
    n = len(y)
    if n < 3 or np.ptp(y) == 0:
        return 1.0
    random = np.random.default_rng(seed)
    order = np.tile(np.arange(n), (permutations + 1, 1))
    for count in np.unique(repeats):
        rows = np.flatnonzero(repeats == count)
        order[1:, rows] = random.permuted(order[1:, rows], axis=1)
    weighed = repeats / repeats.sum()
    centred = y - weighed @ y
    Y = centred[order] * np.sqrt(weighed)
    x = np.sqrt(W)
    X = np.sqrt(weighed)[:, None] * (x - weighed @ x)
    squared = squared_distances(x, x)
    level = np.sqrt(weighed)
    columns = [np.abs(Y @ (X / np.maximum(np.linalg.norm(X, axis=0), 1e-9))), ((Y @ X) ** 2).sum(axis=1)[:, None]]
    # The level is taken out of the outcomes, not of the kernel: Y is orthogonal to it in every permutation, because
    # only equal weights are exchanged.
    for width in WIDTHS:
        kernel = level[:, None] * np.exp(-squared / (2 * width**2)) * level
        columns.append(((Y @ kernel) * Y).sum(axis=1)[:, None])
    statistics = np.round(np.concatenate(columns, axis=1), 12)
    # Rank from the top, ties against: the share of permutations at least as large.
    ordered = np.sort(statistics, axis=0)
    least = np.full(permutations + 1, np.inf)
    for column in range(statistics.shape[1]):
        above = permutations + 1 - np.searchsorted(ordered[:, column], statistics[:, column], side="left")
        least = np.minimum(least, above)
    return float((least <= least[0]).mean())
