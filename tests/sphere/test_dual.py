import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from gemix.sphere import dual
from gemix.sphere.dual import solve_dual
from gemix.sphere.mm import MirrorAscent, potentials_for_masses
from gemix.sphere.scores import ArrayScores, softmax


def problem(seed: int, n: int, k: int, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = scale * random.normal(size=(n, k)) + scale * random.normal(size=k)
    weights = random.uniform(0.1, 1.0, n)
    target = random.uniform(0.2, 1.0, k)
    return scores, weights / weights.sum(), target / target.sum()


def primal(g: np.ndarray, scores: np.ndarray, weights: np.ndarray, target: np.ndarray, balance: float) -> float:
    entropy = -np.sum(np.where(g > 0, g * np.log(np.maximum(g, 1e-300)), 0.0), axis=1)
    masses = weights @ g
    return float(weights @ (np.sum(g * scores, axis=1) + entropy) - 0.5 * balance * np.sum((masses - target) ** 2))


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 60),
    k=st.integers(1, 9),
    scale=st.sampled_from([0.1, 3.0, 60.0]),
    balance=st.sampled_from([0.0, 1e-3, 1.0, 50.0, 5000.0, 1e6]),
)
def test_value_gap_masses_and_optimality(seed, n, k, scale, balance):
    scores, weights, target = problem(seed, n, k, scale)
    result = solve_dual(ArrayScores(scores, weights), target, balance)
    g, _ = softmax(scores, result.potentials)
    assert result.masses == pytest.approx(weights @ g, abs=1e-12)
    value = primal(g, scores, weights, target, balance)
    assert result.objective == pytest.approx(value, rel=1e-9, abs=1e-9)
    assert 0 <= result.gap <= 1e-9 * max(1.0, abs(value))
    if balance > 0:
        # At the optimum pi = u + b / lambda, to what the gap allows: |pi - u - b / lambda| = sqrt(2 gap / lambda).
        slack = np.sqrt(2 * result.gap / balance) + 1e-12
        assert np.linalg.norm(result.masses - target - result.potentials / balance) <= slack * (1 + 1e-6)
    # The certificate is real: no assignment whatever does better.
    random = np.random.default_rng(seed)
    for other in (random.dirichlet(np.ones(k), n), np.tile(target, (n, 1))):
        assert primal(other, scores, weights, target, balance) <= value + result.gap + 1e-9 * max(1.0, abs(value))
        mixed = 0.99 * g + 0.01 * other
        assert primal(mixed, scores, weights, target, balance) <= value + result.gap + 1e-9 * max(1.0, abs(value))


def test_agrees_with_a_general_solver_on_the_primal():
    scores, weights, target = problem(seed=3, n=6, k=3, scale=2.0)

    def negative(logits: np.ndarray) -> float:
        g, _ = softmax(logits.reshape(6, 3), np.zeros(3))
        return -primal(g, scores, weights, target, 20.0)

    best = minimize(negative, scores.ravel(), method="BFGS", options={"gtol": 1e-9, "maxiter": 5000})
    assert solve_dual(ArrayScores(scores, weights), target, 20.0).objective == pytest.approx(-best.fun, abs=1e-7)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), balance=st.sampled_from([10.0, 5000.0]))
def test_both_metrics_find_the_same_optimum(seed, balance):
    scores, weights, target = problem(seed, 100, 12, 20.0)
    start = np.zeros(12)
    newton = dual._newton(dual._Dual(ArrayScores(scores, weights), target, 1 / balance), start, 1e-12, 500)
    lbfgs = dual._lbfgs(dual._Dual(ArrayScores(scores, weights), target, 1 / balance), start, 1e-10, 2000)
    assert newton[1] == pytest.approx(lbfgs[1], rel=1e-8)


def test_many_components_take_the_other_metric_and_still_certify():
    scores, weights, target = problem(seed=1, n=3000, k=600, scale=5.0)
    result = solve_dual(ArrayScores(scores, weights), target, 2000.0, tolerance=1e-8)
    assert result.gap <= 1e-8 * abs(result.objective)


def test_infinite_balance_meets_the_target_exactly():
    scores, weights, target = problem(seed=2, n=400, k=7, scale=30.0)
    result = solve_dual(ArrayScores(scores, weights), target, np.inf)
    np.testing.assert_allclose(result.masses, target, atol=1e-11)


def test_a_warm_start_needs_fewer_evaluations():
    scores, weights, target = problem(seed=4, n=2000, k=24, scale=40.0)
    cold = solve_dual(ArrayScores(scores, weights), target, 5000.0)
    nudged = scores + 0.01 * np.random.default_rng(0).normal(size=scores.shape)
    warm = solve_dual(ArrayScores(nudged, weights), target, 5000.0, start=cold.potentials)
    assert warm.evaluations < cold.evaluations <= 60


@given(seed=st.integers(0, 10**6), k=st.integers(2, 6), balance=st.sampled_from([0.5, 30.0, 500.0]))
@settings(deadline=None, max_examples=30)
def test_mirror_ascent_never_falls_and_ends_below_the_certificate(seed, k, balance):
    scores, weights, target = problem(seed, 40, k, 5.0)
    exact = solve_dual(ArrayScores(scores, weights), target, balance)
    ascent = MirrorAscent(scores)
    last = -np.inf
    for _ in range(12):
        result = ascent.solve(scores, weights, target, balance, sweeps=5, tolerance=0.0)
        g = ascent.responsibilities(slice(0, 40))
        assert result.objective == pytest.approx(primal(g, scores, weights, target, balance), rel=1e-9, abs=1e-9)
        assert result.objective >= last - 1e-12 * abs(last)
        assert result.objective <= exact.objective + exact.gap + 1e-9 * abs(exact.objective)
        last = result.objective


def test_mirror_ascent_reaches_the_exact_optimum_in_the_end():
    scores, weights, target = problem(seed=5, n=50, k=4, scale=3.0)
    exact = solve_dual(ArrayScores(scores, weights), target, 20.0)
    result = MirrorAscent(scores).solve(scores, weights, target, 20.0, sweeps=5000, tolerance=0.0)
    assert result.objective == pytest.approx(exact.objective, rel=1e-9)


def test_potentials_reproduce_given_masses():
    scores, weights, _ = problem(seed=6, n=300, k=5, scale=10.0)
    masses = np.array([0.1, 0.3, 0.2, 0.15, 0.25])
    potentials = potentials_for_masses(scores, weights, masses).potentials
    np.testing.assert_allclose(weights @ softmax(scores, potentials)[0], masses, atol=1e-11)
