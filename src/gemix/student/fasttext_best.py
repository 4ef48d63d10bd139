"""The most probable labels, found as fastText finds them: by a heap, on logarithms of p + 1e-5."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.compiled import compiled
from gemix.student.fasttext_rows import Model


class Heap(NamedTuple):
    """Labels by their scores, smallest first; with room for one more than is kept."""

    scores: NDArray[np.float32]
    labels: NDArray[np.int32]


def label_tree(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the children of the inner nodes of fastText's Huffman tree over labels sorted by falling count."""
    k = len(counts)
    weights = np.full(2 * k - 1, 10**15, np.int64)
    weights[:k] = counts
    children = np.empty((k - 1, 2), np.int64)
    leaf, node = k - 1, k
    for i in range(k, 2 * k - 1):
        for j in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children[i - k, j] = leaf
                leaf -= 1
            else:
                children[i - k, j] = node
                node += 1
        weights[i] = weights[children[i - k]].sum()
    return children


@compiled
def best(values: Any, heap: Heap) -> int:
    """Collect the largest values in a heap; return how many."""
    size, top = 0, len(heap.scores) - 1
    bar = -1.0  # below it a value cannot enter: spares its logarithm
    for k in range(len(values)):
        if values[k] < bar:
            continue
        score = _log(values[k])
        if size == top and score < heap.scores[0]:
            continue
        size = _push(heap, size, score, k)
        if size == top:
            bar = math.exp(float(heap.scores[0])) * (1 - 1e-5) - 1e-5
    return size


@compiled
def descend(model: Model, hidden: Any, heap: Heap, nodes: Any, node_scores: Any) -> int:
    """Collect the most probable leaves of the tree of labels in a heap; return how many."""
    k, top = model.n_labels, len(heap.scores) - 1
    least = _log(np.float32(0))
    size, waiting = 0, 1
    nodes[0], node_scores[0] = 2 * k - 2, 0
    while waiting:
        waiting -= 1
        node, score = nodes[waiting], node_scores[waiting]
        if score < least or (size == top and score < heap.scores[0]):
            continue
        if node < k:
            size = _push(heap, size, score, node)
            continue
        f = np.float32(0)
        row = model.output[node - k]
        for j in range(len(hidden)):
            f += row[j] * hidden[j]
        f = np.float32(1 / (1 + math.exp(-f)))
        nodes[waiting], node_scores[waiting] = model.children[node - k, 1], score + _log(f)
        left = np.float32(1.0 - np.float64(f))
        nodes[waiting + 1], node_scores[waiting + 1] = model.children[node - k, 0], score + _log(left)
        waiting += 2
    return size


@compiled
def _push(heap: Heap, size: int, score: np.float32, label: int) -> int:
    """Put a label into a heap, smallest score first, and take the smallest out if it is full; return the new size.

    Among equal scores the order of operations decides which stays: it is that of libstdc++, which fastText uses.
    """
    _rise(heap, size, score, label)
    if size == len(heap.scores) - 1:
        pop(heap, size + 1)
        return size
    return size + 1


@compiled
def _rise(heap: Heap, hole: int, score: np.float32, label: int) -> None:
    while hole > 0 and heap.scores[(hole - 1) // 2] > score:
        parent = (hole - 1) // 2
        heap.scores[hole], heap.labels[hole] = heap.scores[parent], heap.labels[parent]
        hole = parent
    heap.scores[hole], heap.labels[hole] = score, label


@compiled
def pop(heap: Heap, size: int) -> None:
    """Move the first of `size` entries behind the others, which stay a heap."""
    size -= 1
    score, label = heap.scores[size], heap.labels[size]
    heap.scores[size], heap.labels[size] = heap.scores[0], heap.labels[0]
    hole = child = 0
    while child < (size - 1) // 2:
        child = 2 * (child + 1)
        if heap.scores[child] > heap.scores[child - 1]:
            child -= 1
        heap.scores[hole], heap.labels[hole] = heap.scores[child], heap.labels[child]
        hole = child
    if size % 2 == 0 and child == (size - 2) // 2:
        child = 2 * child + 1
        heap.scores[hole], heap.labels[hole] = heap.scores[child], heap.labels[child]
        hole = child
    _rise(heap, hole, score, label)


@compiled
def _log(value: np.float32) -> np.float32:
    """Return fastText's logarithm of a probability."""
    return np.float32(math.log(np.float64(value) + 1e-5))
