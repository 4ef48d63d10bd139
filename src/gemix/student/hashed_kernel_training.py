"""The compiled part of training a hashed student: AdaGrad on soft targets, in one thread.

One order of documents, one order of additions: a seed gives the same weights, byte for byte.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.compiled import compiled
from gemix.student.hashed_kernel import Bags, damping


class State(NamedTuple):
    """What training changes in place.

    Attributes:
        weights: (buckets, K) float32.
        bias: (K,) float32.
        curvature: (buckets,) float32, AdaGrad's sum of squared gradients, one for all K weights of a word.
        bias_curvature: (1,) float32.

    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    curvature: NDArray[np.float32]
    bias_curvature: NDArray[np.float32]

    @classmethod
    def zero(cls, buckets: int, k: int, curvature: float) -> "State":
        """Return the state before the first document."""
        return cls(
            np.zeros((buckets, k), np.float32),
            np.zeros(k, np.float32),
            np.full(buckets, curvature, np.float32),
            np.full(1, curvature, np.float32),
        )


@compiled
def one_epoch(
    state: State,
    ends: Any,
    buckets: Any,
    offsets: Any,
    targets: Any,
    order: Any,
    rate: np.float32,
    decay: np.float32,
) -> None:
    """Visit the documents of `order` once.

    The gradient of the cross-entropy -sum_k y_k log p_k at the logits is p - y; each of a document's n words gets
    n^(-3/4) of it, and is pulled towards zero by `decay` times its row. AdaGrad (Duchi et al. 2011) divides the step by
    the root of the sum of squares so far.

    Args:
        state: changed.
        ends: see `Bags`.
        buckets: see `Bags`.
        offsets: added to the logits of each document, (n, K) float32.
        targets: y, (n, K) float32.
        order: rows to visit, int64.
        rate: step size.
        decay: L2 penalty per visit.

    """
    k = targets.shape[1]
    gradient = np.empty(k, np.float32)
    one = np.float32(1.0)
    for d in order:
        words = buckets[ends[d] : ends[d + 1]]
        factor = np.float32(damping(len(words)))
        logits_of(state.weights, state.bias, words, factor, gradient)
        for c in range(k):
            gradient[c] += offsets[d, c]
        highest = gradient.max()
        total = np.float32(0.0)
        for c in range(k):
            gradient[c] = np.exp(gradient[c] - highest)
            total += gradient[c]
        square = np.float32(0.0)
        for c in range(k):
            gradient[c] = gradient[c] / total - targets[d, c]
            square += gradient[c] * gradient[c]
        state.bias_curvature[0] += square
        step = np.float32(0.1) * rate / np.sqrt(state.bias_curvature[0])
        for c in range(k):
            state.bias[c] -= step * gradient[c]
            gradient[c] *= factor
        square *= factor * factor
        for word in words:
            state.curvature[word] += square
            step = rate / np.sqrt(state.curvature[word])
            kept = one - min(step * decay, one)
            row = state.weights[word]
            for c in range(k):
                row[c] = kept * row[c] - step * gradient[c]


def document_logits(
    weights: NDArray[np.float32], bias: NDArray[np.float32], bags: Bags, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the logits of the documents `rows`, (rows, K) float32."""
    out = np.empty((len(rows), len(bias)), np.float32)
    _all_logits(weights, bias, *bags, rows, out)
    return out


@compiled
def _all_logits(weights: Any, bias: Any, ends: Any, buckets: Any, order: Any, out: Any) -> None:
    """Fill in the logits of the documents of `order`, (len(order), K) float32."""
    for i in range(len(order)):
        words = buckets[ends[order[i]] : ends[order[i] + 1]]
        logits_of(weights, bias, words, np.float32(damping(len(words))), out[i])


@compiled
def logits_of(weights: Any, bias: Any, words: Any, factor: Any, out: Any) -> None:
    """Fill in the logits of one document, (K,)."""
    out[:] = 0
    for word in words:
        row = weights[word]
        for c in range(len(out)):
            out[c] += row[c]
    for c in range(len(out)):
        out[c] = out[c] * factor + bias[c]
