"""Passes that skip components must find what passes over all of them find."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.sphere.near import NearPasses
from gemix.sphere.rows import Rows, Statistics
from gemix.sphere.scores import ArrayScores


def clustered(random: np.random.Generator, n: int, k: int, d: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rows around k directions, and the directions."""
    directions = random.normal(size=(k, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rows = directions[random.integers(k, size=n)] + random.normal(size=(n, d)) * random.uniform(0.2, 2.0) / np.sqrt(d)
    return rows.astype(dtype), directions


def dense(rows: Rows, directions: np.ndarray, shift: np.ndarray) -> Statistics:
    every = Rows(rows._X, rows.weights)
    every._near_passes.is_dense = True
    return every.statistics(directions, shift, np.zeros(len(shift)))


def assert_same(ours: Statistics, theirs: Statistics, tolerance: float) -> None:
    assert ours.log_sum == pytest.approx(theirs.log_sum, rel=tolerance, abs=tolerance)
    np.testing.assert_allclose(ours.masses, theirs.masses, atol=tolerance)
    np.testing.assert_allclose(ours.sums, theirs.sums, atol=tolerance)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    k=st.sampled_from([1, 5, 64, 100]),
    scale=st.sampled_from([5.0, 80.0, 900.0]),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    steps=st.lists(st.sampled_from([0.0, 0.01, 0.1, 1.0]), min_size=1, max_size=10),
)
def test_any_sequence_of_passes_finds_what_dense_passes_find(seed, k, scale, dtype, steps):
    random = np.random.default_rng(seed)
    x, directions = clustered(random, 400, k, 16, dtype)
    rows = Rows(x, random.uniform(0.0, 1.0, len(x)))
    v, shift = scale * directions, random.normal(size=k)
    tolerance = 1e-12 if dtype == "float64" else 2e-6
    for step in steps:
        # Some components move, and all of them by a common constant, which changes no assignment.
        moving = random.random((k, 1)) < 0.3
        v = v + moving * step * scale * random.normal(size=v.shape) / 4
        shift = shift + 10 * step * random.normal(size=k) + random.normal()
        assert_same(rows.statistics(v, shift, np.zeros(k)), dense(rows, v, shift), tolerance * max(1.0, scale / 80))


def test_small_moves_are_followed_without_asking_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    x, directions = clustered(random, 3000, 128, 32, "float32")
    rows = Rows(x)
    v, shift = 300 * directions, np.zeros(128)
    near = 0
    original = NearPasses._near_pass

    def counted(self, *arguments):
        nonlocal near
        near += 1
        return original(self, *arguments)

    monkeypatch.setattr(NearPasses, "_near_pass", counted)
    rows.statistics(v, shift, np.zeros(128))
    listed = np.concatenate([np.diff(starts) for starts, _, _, _ in rows._near_passes._lists.chunks.values()])
    assert 1 <= listed.mean() < 40
    for _ in range(4):
        v = v + 0.5 * random.normal(size=v.shape)
        v[7] += 50 * random.normal(size=32)  # one component that leaps: restless, yet followed
        assert_same(rows.statistics(v, shift, np.zeros(128)), dense(rows, v, shift), 1e-6)
    assert near == 4


def test_where_every_component_counts_passes_are_dense() -> None:
    random = np.random.default_rng(1)
    x, directions = clustered(random, 500, 70, 16, "float32")
    rows = Rows(x)
    rows.statistics(2.0 * directions, np.zeros(70), np.zeros(70))
    assert rows._near_passes.is_dense


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    scale=st.sampled_from([0.5, 300.0]),
    dtype=st.sampled_from(["float32", "float64"]),
    moves=st.lists(st.sampled_from([0.0, 0.3, 20.0, 200.0]), min_size=1, max_size=4),
)
def test_listed_scores_give_what_dense_ones_give(seed, scale, dtype, moves):
    random = np.random.default_rng(seed)
    n, k = 300, 80
    values = (scale * random.normal(size=(n, k))).astype(dtype)
    weights = random.uniform(0.0, 1.0, n)
    scores = ArrayScores(values, weights / weights.sum())
    b = np.zeros(k)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    for move in moves:
        b = b + move * random.normal(size=k)
        ours, theirs = scores.evaluate(b, True), scores._evaluate_dense(b, True)
        for a, c in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, c, rtol=tolerance, atol=tolerance)
    if scale == 300.0:
        assert scores._lists is not None
