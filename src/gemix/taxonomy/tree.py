"""A tree over domains: agglomerative clustering of mean directions weighted by mass, and its cuts.

A domain stands as the resultant r_k = m_k mu_k of m_k documents at its mean direction. Documents at unit vectors x that
one direction mu has to describe lose sum (1 - x.mu), which is least for mu = r / |r|, r = sum x, and is then
sum 1 - |r|. Joining a and b under one direction therefore adds

    loss(a, b) = |r_a| + |r_b| - |r_a + r_b| >= 0,

the counterpart on the sphere of Ward's criterion (Ward 1963): for directions an angle t apart it is
m_a m_b / (m_a + m_b) t^2 / 2 + O(t^4). Each step joins the two nodes that lose least.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.threads import one_blas_thread
from gemix.taxonomy.model import Tree

Floats = NDArray[np.float64]

# Nodes of the finest cut that is meant to be read as a whole: an overview, and what a mixture of coarse domains uses.
READABLE: Final = 16


@dataclass(frozen=True, slots=True)
class Merges:
    """The steps from K leaves to the root; leaves are nodes 0 .. K - 1, step t makes node K + t.

    Attributes:
        children: the nodes that each step joins, the smaller number first, (K - 1, 2).
        heights: mean loss of cosine a document, of the step's cut against the leaves, (K - 1,) float64; never falls.

    """

    children: NDArray[np.intp]
    heights: Floats

    @property
    def leaves(self) -> int:
        """K."""
        return len(self.children) + 1


def merge(directions: NDArray[Any], masses: NDArray[Any]) -> Merges:
    """Join nodes until one is left, those first whose union loses least.

    Exact: every step takes the least loss over all pairs, of equal losses the one with the lowest numbers. Memory: K^2
    numbers of 8 bytes. Time: K^2 d for the products; those of a union are sums of products, so a merge costs a few K.

    Args:
        directions: unit rows, (K, d).
        masses: documents of each, (K,) >= 0. A domain without documents counts as one document, and so joins the
            nearest direction.

    """
    mass = np.maximum(np.asarray(masses, dtype=np.float64), 1.0)
    resultants = (mass / mass.sum())[:, None] * np.asarray(directions, dtype=np.float64)
    with one_blas_thread():  # the same bytes whatever the number of cores
        products = resultants @ resultants.T
    forest = _Forest(products)
    steps = [forest.join() for _ in range(len(mass) - 1)]
    children = np.array([pair for pair, _ in steps], dtype=np.intp).reshape(-1, 2)
    return Merges(children, np.cumsum([loss for _, loss in steps], dtype=np.float64))


class _Forest:
    """The nodes that are not joined yet, each in the slot of its lowest leaf, with its best partner.

    When a partner is joined to another, the loss of the pair stays as a lower bound; the slot looks again only when it
    comes first (Müllner 2011, the generic algorithm). Nothing is assumed about losses of unions.
    """

    def __init__(self, products: Floats) -> None:
        count = len(products)
        self.products = products
        self.lengths = np.sqrt(np.maximum(products.diagonal(), 0.0))
        self.alive = np.ones(count, dtype=bool)
        self.node = np.arange(count)
        self.made = count
        self.best = np.full(count, np.inf)
        self.partner = np.zeros(count, dtype=np.intp)
        self.is_bound = np.zeros(count, dtype=bool)
        for slot in range(count):
            self._look(slot)

    def join(self) -> tuple[tuple[int, int], float]:
        """Join the best pair; return its nodes and its loss."""
        first = int(self.best.argmin())
        while self.is_bound[first]:
            self._look(first)
            first = int(self.best.argmin())
        loss = float(self.best[first])
        kept, gone = sorted((first, int(self.partner[first])))
        low, high = sorted((int(self.node[kept]), int(self.node[gone])))
        self.alive[gone], self.best[gone] = False, np.inf
        self.products[kept] += self.products[gone]
        self.products[:, kept] += self.products[:, gone]
        self.lengths[kept] = np.sqrt(max(self.products[kept, kept], 0.0))
        self.node[kept], self.made = self.made, self.made + 1
        self.is_bound |= (self.partner == kept) | (self.partner == gone)
        losses = self._look(kept)
        nearer = losses < self.best
        nearer[kept] = False
        self.best[nearer], self.partner[nearer], self.is_bound[nearer] = losses[nearer], kept, False
        return (low, high), loss

    def _look(self, slot: int) -> Floats:
        """Find the best partner of a slot; return the losses with all others, infinite for itself and the joined."""
        square = self.lengths**2
        joined = np.sqrt(np.maximum(square + square[slot] + 2 * self.products[slot], 0.0))
        # |a| + |b| - |a + b|, multiplied by |a| + |b| + |a + b| above and below: without cancellation of lengths.
        lost = 2 * (self.lengths * self.lengths[slot] - self.products[slot])
        total = self.lengths + self.lengths[slot] + joined
        losses = np.where(self.alive, np.maximum(lost, 0.0) / np.maximum(total, np.finfo(float).tiny), np.inf)
        losses[slot] = np.inf
        self.partner[slot] = losses.argmin()
        self.best[slot] = losses[self.partner[slot]]
        self.is_bound[slot] = False
        return losses


@dataclass(frozen=True, slots=True)
class Cut:
    """The tree after undoing its last merges.

    Attributes:
        nodes: m node ids, ascending.
        of_leaf: the node that each leaf is under, (K,).

    """

    nodes: list[int]
    of_leaf: NDArray[np.intp]


def cut(tree: Tree | Merges, m: int) -> Cut:
    """Return the m nodes that are left when the last m - 1 merges are undone.

    Raises:
        ValueError: m is not from 1 to K.

    """
    pairs = children_of(tree)
    leaves = len(pairs) + 1
    if not 1 <= m <= leaves:
        raise ValueError(f"a tree over {leaves} domains can be cut into 1 to {leaves} nodes, not {m}")
    owner = np.arange(2 * leaves - 1)
    for t in range(leaves - m - 1, -1, -1):  # from the top, so that each node hands down its final owner
        owner[pairs[t]] = owner[leaves + t]
    of_leaf = owner[:leaves]
    return Cut(np.unique(of_leaf).tolist(), of_leaf)


def readable_nodes(tree: Tree | Merges, m: int = READABLE) -> list[int]:
    """Return the inner nodes, without the root, that a cut into 2 to m nodes shows, ascending: at most 2 m - 2."""
    pairs = children_of(tree)
    leaves = len(pairs) + 1
    undone = range(max(0, leaves - m), leaves - 1)
    return sorted({int(node) for t in undone for node in pairs[t] if node >= leaves})


def leaves_under(tree: Tree | Merges, node: int) -> list[int]:
    """Return the leaves of a node, ascending."""
    pairs = children_of(tree)
    leaves = len(pairs) + 1
    found, waiting = [], [node]
    while waiting:
        one = waiting.pop()
        if one < leaves:
            found.append(one)
        else:
            waiting.extend(pairs[one - leaves].tolist())
    return sorted(found)


def children_of(tree: Tree | Merges) -> NDArray[np.intp]:
    """Return the children of every inner node, (K - 1, 2)."""
    if isinstance(tree, Merges):
        return tree.children
    return np.array([node.children for node in tree.nodes], dtype=np.intp).reshape(-1, 2)
