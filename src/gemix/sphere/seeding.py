"""k-means++ on the sphere: seeds drawn with probability proportional to 1 - cosine to the nearest seed so far."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.identity import hashes
from gemix.sphere.levels import sample
from gemix.sphere.rows import Rows


def plus_plus(rows: Rows, n_clusters: int, random: np.random.RandomState) -> NDArray[np.float64]:
    """Choose starting mean directions among the rows (greedy k-means++, Arthur and Vassilvitskii 2007).

    Distances are 1 - cosine = |x - y|^2 / 2. Works on a uniform subsample of max(10,000, 20 K) rows, which bounds the
    K passes that seeding takes.

    Rows are drawn in the order of their hashes: neither their order nor whether a row is there twice, or once with
    twice the weight, changes what is drawn.

    Args:
        rows: the data.
        n_clusters: K.
        random: the source of randomness.

    Returns:
        (K, d) float64 unit rows. They may repeat where the data has fewer than K distinct directions.

    """
    rows = sample(rows, max(10_000, 20 * n_clusters), random)
    order = np.argsort(hashes(rows, np.float16), kind="stable")  # the same for all types of X
    x, w = rows.take(order), rows.weights[order]
    trials = 2 + int(np.log(n_clusters))
    seeds = np.empty((n_clusters, rows.d))

    first = _draw(w, 1, random)[0]
    seeds[0] = x[first]
    distance = _distance(x, x[first : first + 1])[:, 0]
    for k in range(1, n_clusters):
        candidates = _draw(w * distance, trials, random)
        trial = np.minimum(_distance(x, x[candidates]), distance[:, None])
        best = int(np.argmin(w @ trial))
        seeds[k] = x[candidates[best]]
        distance = trial[:, best].astype(np.float64)
    return seeds


def _distance(x: NDArray[Any], seeds: NDArray[Any]) -> NDArray[np.float64]:
    distance = 1.0 - (x @ seeds.T).astype(np.float64)
    # A row's distance to itself is rounding, not zero: without this a duplicate could be drawn as a new seed.
    distance[distance < 1e-6] = 0.0
    return distance


def _draw(mass: NDArray[np.float64], size: int, random: np.random.RandomState) -> NDArray[np.intp]:
    total = np.cumsum(mass)
    if total[-1] <= 0:
        return random.randint(len(mass), size=size)
    return np.minimum(np.searchsorted(total, random.uniform(size=size) * total[-1], side="right"), len(mass) - 1)
