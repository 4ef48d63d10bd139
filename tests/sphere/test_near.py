"""Passes that skip components must find what passes over all of them find."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.sphere.near import NearPasses
from gemix.sphere.rows import Rows, Statistics
from gemix.sphere.scores import ArrayScores, ListedScores


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
    leap=st.sampled_from([10.0, 300.0]),
)
def test_any_sequence_of_passes_finds_what_dense_passes_find(seed, k, scale, dtype, steps, leap):
    random = np.random.default_rng(seed)
    x, directions = clustered(random, 403, k, 16, dtype)
    rows = Rows(x, random.uniform(0.0, 1.0, len(x)))
    v, shift = scale * directions, random.normal(size=k)
    tolerance = 1e-12 if dtype == "float64" else 2e-6
    for step in steps:
        # Some components move, and all of them by a common constant, which changes no assignment.
        moving = random.random((k, 1)) < 0.3
        v = v + moving * step * scale * random.normal(size=v.shape) / 4
        shift = shift + leap * step * random.normal(size=k) + random.normal()
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
    kappa=st.sampled_from([2.0, 400.0]),
    dtype=st.sampled_from(["float32", "float64"]),
    moves=st.lists(st.sampled_from([0.0, 0.01, 0.1, 1.0]), min_size=1, max_size=4),
    changes=st.lists(st.sampled_from([0.0, 0.3, 3.0, 200.0]), min_size=1, max_size=3),
)
def test_listed_scores_give_what_dense_ones_give(seed, kappa, dtype, moves, changes):
    random = np.random.default_rng(seed)
    k = 80
    x, directions = clustered(random, 300, k, 12, dtype)
    rows = Rows(x, random.uniform(0.1, 1.0, len(x)))
    b = random.normal(size=k)
    tolerance = 1e-11 if dtype == "float64" else 2e-4
    for move in moves:
        directions = directions + move * random.normal(size=directions.shape) / np.sqrt(12)
        bias = 5.0 * random.normal(size=k)
        scores, dense = (
            rows.weighted_scores(kappa * directions, bias, b), rows.all_scores(kappa * directions, bias),
        )  # fmt: skip
        assert scores.shape == dense.shape
        assert scores.double == dense.double
        for change in changes:
            b = b + change * random.normal(size=k)
            for ours, theirs in zip(scores.evaluate(b, True), dense.evaluate(b, True), strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(scores.evaluate(b, False)[1], scores.evaluate(b, True)[1], rtol=1e-12)
    assert isinstance(scores, ListedScores) or kappa == 2.0


def test_scores_that_hardly_differ_are_not_listed():
    random = np.random.default_rng(1)
    x, directions = clustered(random, 500, 70, 16, "float32")
    assert isinstance(Rows(x).weighted_scores(2.0 * directions, np.zeros(70), np.zeros(70)), ArrayScores)
