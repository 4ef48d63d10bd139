import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.taxonomy.model import Node, Tree
from gemix.taxonomy.tree import cut, leaves_under, merge, readable_nodes


def directions(k: int, d: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(k, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def merge_by_definition(mu: np.ndarray, masses: np.ndarray) -> tuple[list[tuple[int, int]], list[float]]:
    """All pairs at every step, from vectors."""
    mass = np.maximum(masses, 1)
    alive = dict(enumerate(mass[:, None] / mass.sum() * mu))
    pairs, losses = [], []
    for node in range(len(mu), 2 * len(mu) - 1):
        norm = np.linalg.norm
        loss = {
            (a, b): norm(alive[a]) + norm(alive[b]) - norm(alive[a] + alive[b]) for a in alive for b in alive if a < b
        }
        a, b = min(loss, key=loss.__getitem__)
        pairs.append((a, b))
        losses.append(loss[a, b])
        alive[node] = alive.pop(a) + alive.pop(b)
    return pairs, losses


@settings(max_examples=60, deadline=None)
@given(k=st.integers(1, 16), d=st.integers(2, 6), skew=st.floats(0, 4), seed=st.integers(0, 10_000))
def test_every_merge_is_the_cheapest(k: int, d: int, skew: float, seed: int) -> None:
    mu = directions(k, d, seed)
    masses = np.exp(skew * np.random.default_rng(seed).normal(size=k)) * 1_000
    found = merge(mu, masses)
    pairs, losses = merge_by_definition(mu, masses)
    assert [tuple(pair) for pair in found.children.tolist()] == pairs
    np.testing.assert_allclose(np.diff(found.heights, prepend=0), losses, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(k=st.integers(2, 40), d=st.integers(2, 5), seed=st.integers(0, 10_000))
def test_heights_are_the_loss_of_the_cut(k: int, d: int, seed: int) -> None:
    mu = directions(k, d, seed)
    masses = np.random.default_rng(seed).integers(1, 100, k)
    found = merge(mu, masses)
    assert np.all(np.diff(found.heights, prepend=0) >= 0)
    for m in {1, 2, k // 2 + 1, k}:
        of_leaf = cut(found, m).of_leaf
        resultants = np.array([(masses[of_leaf == node, None] * mu[of_leaf == node]).sum(0) for node in set(of_leaf)])
        # Documents at the leaves' directions, each described by the direction of its node.
        loss = 1 - np.linalg.norm(resultants, axis=1).sum() / masses.sum()
        assert loss == pytest.approx(found.heights[k - m - 1] if m < k else 0.0, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(k=st.integers(2, 30), seed=st.integers(0, 10_000))
def test_the_order_of_domains_and_the_axes_do_not_matter(k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    mu, masses, order = directions(k, 4, seed), random.integers(1, 1_000, k), random.permutation(k)
    turn = np.linalg.qr(random.normal(size=(4, 4)))[0]
    a, b = merge(mu, masses), merge((mu @ turn)[order], masses[order])
    np.testing.assert_allclose(a.heights, b.heights, atol=1e-12)
    for node in range(k, 2 * k - 1):
        assert sorted(order[leaves_under(b, node)]) == leaves_under(a, node)


def test_a_domain_without_documents_joins_the_nearest() -> None:
    mu = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.1, 0.99, 0.0], [0.0, 0.0, 1.0]])
    mu /= np.linalg.norm(mu, axis=1, keepdims=True)
    assert merge(mu, np.array([500, 500, 0, 500])).children[0].tolist() == [1, 2]


def test_equal_and_opposite_directions() -> None:
    same = merge(np.tile([[1.0, 0.0]], (5, 1)), np.full(5, 10))
    np.testing.assert_allclose(same.heights, 0, atol=1e-12)
    assert same.children[0].tolist() == [0, 1]  # of equal losses the lowest numbers
    opposite = merge(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([3, 3]))
    assert opposite.heights.tolist() == [1.0]


def test_many_domains_and_any_number_of_threads() -> None:
    from threadpoolctl import threadpool_limits

    mu, masses = directions(500, 32, 0), np.random.default_rng(0).integers(1, 500, 500)
    found = merge(mu, masses)
    assert np.bincount(found.children.ravel(), minlength=998).tolist() == [1] * 998
    assert leaves_under(found, 998) == list(range(500))
    with threadpool_limits(1):
        again = merge(mu, masses)
    assert np.array_equal(found.heights, again.heights)
    assert np.array_equal(found.children, again.children)


@settings(max_examples=40, deadline=None)
@given(k=st.integers(1, 40), seed=st.integers(0, 1_000), data=st.data())
def test_cuts_partition_the_leaves_and_nest(k: int, seed: int, data: st.DataObject) -> None:
    found = merge(directions(k, 3, seed), np.ones(k))
    m = data.draw(st.integers(1, k))
    at = cut(found, m)
    assert len(at.nodes) == m
    assert at.nodes == sorted(set(at.of_leaf.tolist()))
    for node in at.nodes:
        assert np.flatnonzero(at.of_leaf == node).tolist() == leaves_under(found, node)
    if m < k:  # one node more splits one node
        finer = cut(found, m + 1)
        (split,) = set(at.nodes) - set(finer.nodes)
        assert set(finer.nodes) - set(at.nodes) == set(found.children[split - k].tolist())


@pytest.mark.parametrize("m", [0, 6, -1])
def test_impossible_cuts(m: int) -> None:
    with pytest.raises(ValueError, match=f"5 domains can be cut into 1 to 5 nodes, not {m}"):
        cut(merge(directions(5, 3, 0), np.ones(5)), m)


@pytest.mark.parametrize("k", [1, 2, 3, 10, 60])
def test_readable_nodes_are_those_of_the_coarse_cuts(k: int) -> None:
    found = merge(directions(k, 4, 1), np.ones(k))
    shown = {node for m in range(2, 17) if m <= k for node in cut(found, m).nodes if node >= k}
    assert readable_nodes(found) == sorted(shown)
    assert len(shown) <= 30


def test_the_written_tree_is_cut_like_the_computed_one() -> None:
    found = merge(directions(12, 4, 2), np.ones(12))
    tree = Tree(
        nodes=[
            Node(id=12 + t, name=str(t), keywords=[], documents=1, tokens=1, children=tuple(pair), height=height)
            for t, (pair, height) in enumerate(zip(found.children.tolist(), found.heights.tolist(), strict=True))
        ]
    )
    for m in (1, 5, 12):
        assert cut(tree, m).of_leaf.tolist() == cut(found, m).of_leaf.tolist()
