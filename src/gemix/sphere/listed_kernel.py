"""The compiled loop of the dual over lists of scores (see `gemix.sphere.scores.ListedScores`)."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.compiled import loop


@loop
def sum_listed(
    scores: NDArray[Any], potentials: NDArray[np.float64], weights: NDArray[np.float64], starts: NDArray[np.int64],
    near: NDArray[np.unsignedinteger[Any]], reach: float, masses: NDArray[np.float64], gram: NDArray[np.float64],
) -> float:  # fmt: skip
    """Assign rows by softmax(scores - potentials) among the components listed for them, and add up.

    Args:
        scores: of the listed components.
        potentials: b, (K,).
        weights: (m,).
        starts: row i has the components near[starts[i] : starts[i + 1]] listed, (m + 1,).
        near: component numbers.
        reach: T.
        masses: gains sum_i w_i g_ik, (K,).
        gram: gains the lower triangle of sum_i w_i g_i g_i^T, (K, K); without entries it is not wanted. Lists are in
            no order, so an entry may come to lie in the upper triangle, where it belongs to the lower.

    Returns:
        sum_i w_i logsumexp_k (s_ik - b_k).

    """
    k = len(potentials)
    z = np.empty(k)
    chosen = np.empty(k, np.int64)
    log_sum = 0.0
    for i in range(len(weights)):
        start, n = starts[i], starts[i + 1] - starts[i]
        top = -np.inf
        for p in range(n):
            z[p] = scores[start + p] - potentials[near[start + p]]
            top = max(top, z[p])
        total = 0.0
        count = 0
        for p in range(n):
            below = z[p] - top
            if below >= -reach:
                e = math.exp(below)
                total += e
                z[count] = e  # count <= p: what is overwritten has been read
                chosen[count] = near[start + p]
                count += 1
        log_sum += weights[i] * (math.log(total) + top)
        for a in range(count):
            g = z[a] / total
            masses[chosen[a]] += weights[i] * g
            if gram.size:
                step = weights[i] * g / total
                for b in range(a + 1):
                    gram[chosen[a], chosen[b]] += step * z[b]
    return log_sum
