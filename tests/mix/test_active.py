"""What is suggested next."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from gemix.mix.active import expected_improvement, suggest
from gemix.mix.surrogates.gp import GaussianProcess


def loss(W: np.ndarray) -> np.ndarray:
    """Smallest where the first two domains have 0.5 and 0.3."""
    return 3 + 4 * (np.sqrt(W[:, 0]) - np.sqrt(0.5)) ** 2 + 4 * (np.sqrt(W[:, 1]) - np.sqrt(0.3)) ** 2


def runs(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    W = random.dirichlet(np.full(5, 0.6), n)
    return W, loss(W) + 0.01 * random.standard_normal(n)


def test_it_finds_the_optimum_with_fewer_runs_than_chance():
    pool, true = runs(400, seed=99)
    found = {True: [], False: []}
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(400)
        done = order[:12]
        for _ in range(4):
            left = np.setdiff1d(np.arange(400), done)
            done = np.append(done, left[suggest(pool[done], true[done], 6, pool[left]).rows])
        found[True].append(true[done].min() - true.min())
        found[False].append(true[order[: len(done)]].min() - true.min())
    assert np.mean(found[True]) < 0.5 * np.mean(found[False])


def test_only_candidates_are_suggested_each_once():
    W, y = runs(20)
    pool = np.random.default_rng(3).dirichlet(np.ones(5), 60)
    pool = pool[pool.max(axis=1) < 0.5]  # the caller's caps
    chosen = suggest(W, y, len(pool), pool)
    assert sorted(chosen.rows) == list(range(len(pool)))
    np.testing.assert_allclose(chosen.mixtures, pool[chosen.rows])
    assert chosen.mean.shape == chosen.improvement.shape == (len(pool),)
    assert np.all(chosen.improvement >= 0)


def test_a_batch_spreads_out():
    W, y = runs(25)
    pool = np.random.default_rng(4).dirichlet(np.full(5, 0.6), 300)
    chosen = suggest(W, y, 8, np.repeat(pool, 8, axis=0))
    # Every candidate is there eight times and the copies promise just as much: unless choices count as run, the best
    # is taken with all its copies.
    assert len(np.unique(chosen.rows // 8)) >= 6


def test_a_batch_counts_its_own_choices_as_run():
    # The covariance after believed runs, updated one by one, is that of a process conditioned on all of them at once.
    W, y = runs(15)
    model = GaussianProcess().fit(W, y)
    pool = np.random.default_rng(5).dirichlet(np.ones(5), 30)
    _, variance, half = model.curve(pool)
    for row in (3, 17):
        column = model.prior_covariance(pool, pool[row : row + 1])[:, 0] - half.T @ half[:, row]
        step = column / np.sqrt(variance[row] + model.parameters_.noise)
        half = np.vstack([half, step])
        variance = variance - step**2
    both = np.vstack([W, pool[[3, 17]]])
    C = model.prior_covariance(both, both) + (model.parameters_.noise + 1e-8) * np.eye(17)
    across = model.prior_covariance(pool, both)
    expected = np.diag(model.prior_covariance(pool, pool) - across @ np.linalg.solve(C, across.T))
    np.testing.assert_allclose(variance, expected, atol=1e-6)


def test_a_sampler_is_asked_with_the_seed():
    W, y = runs(20)
    asked = []

    def sampler(count: int, seed: int) -> np.ndarray:
        asked.append((count, seed))
        return np.random.default_rng(seed).dirichlet(np.ones(5), count)

    first, second = (suggest(W, y, 4, sampler, seed=7) for _ in range(2))
    assert asked == [(4096, 7)] * 2
    np.testing.assert_array_equal(first.mixtures, second.mixtures)
    assert not np.array_equal(first.mixtures, suggest(W, y, 4, sampler, seed=8).mixtures)


def test_a_shift_of_the_losses_changes_nothing_else():
    W, y = runs(20)
    pool = np.random.default_rng(6).dirichlet(np.ones(5), 50)
    one, two = suggest(W, y, 5, pool), suggest(W, 100 * y - 3, 5, pool)
    np.testing.assert_array_equal(one.rows, two.rows)
    np.testing.assert_allclose(two.mean, 100 * one.mean - 3, rtol=1e-3)
    np.testing.assert_allclose(two.improvement, 100 * one.improvement, rtol=1e-2, atol=1e-3)


def test_constant_losses_still_give_a_batch():
    W, _ = runs(10)
    chosen = suggest(W, np.ones(10), 3, W)
    assert len(set(chosen.rows)) == 3
    assert np.all(chosen.improvement == 0)


@pytest.mark.parametrize(
    ("batch", "pool", "message"),
    [
        (0, np.eye(5), "a batch of 0"),
        (6, np.eye(5), "a batch of 6 cannot be chosen from 5"),
        (1, np.eye(4), "over 5 domains, the candidates over 4"),
        (1, np.full((3, 5), 0.3), "do not sum to 1"),
        (1, np.array([[1, 0, 0, 0, np.nan]]), "finite number: row 0"),
    ],
)
def test_bad_candidates_are_refused(batch, pool, message):
    W, y = runs(10)
    with pytest.raises(ValueError, match=message):
        suggest(W, y, batch, pool)


@given(mean=st.floats(-3, 3), std=st.floats(0.01, 3), best=st.floats(-3, 3))
def test_expected_improvement_is_the_integral(mean, std, best):
    f = mean + std * norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    integral = np.maximum(best - f, 0).mean()
    value = expected_improvement(np.array([mean]), np.array([std]), best)[0]
    assert value == pytest.approx(integral, abs=2e-4 * max(1, std))


def test_expected_improvement_without_doubt_is_the_difference():
    np.testing.assert_array_equal(expected_improvement(np.array([1.0, 3.0]), np.zeros(2), 2.0), [1.0, 0.0])
