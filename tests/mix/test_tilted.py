import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from gemix.mix.tilted import TiltedPowers

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(20)


def reference(a: float, theta: float, low: float, high: float):
    """Edges in t = log w, masses of the cells between them, and the log of their sum, by brute force."""
    left = np.log(low) if low > 0 else np.log(high) - 80 / a - 20
    top = np.clip(a / theta, low, high) if theta > 0 else high
    near = np.geomspace(1e-12, 30, 1500)
    width = 1 / np.sqrt(abs(theta) * top + 1e-9)
    points = [
        np.linspace(left, np.log(high), 3000),
        np.log(top) + np.linspace(-60 * width, 60 * width, 3000),
        np.log(high) - near,
        left + near,
    ]
    edges = np.unique(np.clip(np.concatenate(points), left, np.log(high)))
    half = np.diff(edges) / 2
    t = (edges[:-1] + half)[:, None] + half[:, None] * NODES
    masses = half * (np.exp(a * (t - np.log(top)) - theta * (np.exp(t) - top)) @ NODE_WEIGHTS)
    return edges, masses, np.log(masses.sum()) + a * np.log(top) - theta * top


parameters = st.tuples(
    st.floats(-5, 4).map(lambda x: 10**x),
    st.tuples(st.sampled_from([-1, 0, 1]), st.floats(-2, 6)).map(lambda x: x[0] * 10 ** x[1]),
    st.one_of(st.just(0.0), st.floats(-12, -0.5).map(lambda x: 10**x)),
    st.floats(-6, 0).map(lambda x: 10**x),
).map(lambda p: (p[0], p[1], p[2], min(1.0, p[2] + p[3])))


@settings(deadline=None, max_examples=60)
@given(parameters)
def test_masses_are_those_of_brute_force_quadrature(p):
    a, theta, low, high = p
    density = TiltedPowers(np.array([a]), theta, np.array([low]), np.array([high]))
    expected = reference(a, theta, low, high)[2]
    assert density.log_mass()[0] == pytest.approx(expected, abs=1e-9 + 1e-15 * abs(theta))


@settings(deadline=None, max_examples=40)
@given(parameters, st.integers(0, 10**6))
def test_hardly_any_proposal_is_rejected(p, seed):
    a, theta, low, high = p
    density = TiltedPowers(np.array([a]), theta, np.array([low]), np.array([high]))
    _, log_accept = density._propose(0, 2000, np.random.default_rng(seed))
    assert np.exp(log_accept).mean() > 0.8


@settings(deadline=None, max_examples=60)
@given(parameters)
def test_the_lines_bound_the_density_everywhere(p):
    a, theta, low, high = p
    density = TiltedPowers(np.array([a]), theta, np.array([low]), np.array([high]))
    left, right = density._t[0, :-1, None], density._t[0, 1:, None]
    cells = np.flatnonzero(right[:, 0] > left[:, 0])
    left, right = np.maximum(left[cells], right[cells] - 50), right[cells]
    slope, level = density._slope[0, cells, None], density._level[0, cells, None]
    t = left + (right - left) * np.linspace(0, 1, 50)
    # The level stands at the higher end; the leftmost cell may reach to -inf, always rising.
    line = level + np.where(slope >= 0, slope * (t - right), slope * (t - left))
    phi = density._phi(np.exp(t), t, 0)
    assert np.all(phi <= line + 1e-9 * (1 + abs(theta)))


@pytest.mark.parametrize(
    "p",
    [
        (1.0, 0.0, 0.0, 0.3),
        (1.0, 24.0, 0.0, 1.0),
        (1.0, -300.0, 0.01, 0.2),
        (0.01, -45.0, 0.0, 0.17),
        (0.3, 5.0, 0.0, 0.9),
        (2e-3, 3.0, 1e-6, 0.5),
        (40.0, 90.0, 0.0, 1.0),
        (500.0, -20.0, 0.2, 0.6),
    ],
)
def test_draws_follow_the_distribution_function(p):
    a, theta, low, high = p
    density = TiltedPowers(np.array([a]), theta, np.array([low]), np.array([high]))
    draws = density.sample(20_000, np.random.default_rng(0))[:, 0]
    edges, masses, _ = reference(a, theta, low, high)
    cdf = np.concatenate([[0], np.cumsum(masses)]) / masses.sum()
    t = np.maximum(np.log(np.maximum(draws, 1e-300)), edges[0])
    assert kstest(np.interp(t, edges, cdf), "uniform").pvalue > 1e-3
    # The same test sees parameters that are wrong by a fifth.
    wrong = TiltedPowers(np.array([a * 1.2]), theta * 1.2 + 0.3, np.array([low]), np.array([high]))
    t = np.maximum(np.log(np.maximum(wrong.sample(20_000, np.random.default_rng(0))[:, 0], 1e-300)), edges[0])
    assert kstest(np.interp(t, edges, cdf), "uniform").pvalue < 1e-3


@settings(deadline=None, max_examples=100)
@given(parameters)
def test_the_peak_is_an_upper_bound_and_is_reached(p):
    a, theta, low, high = p
    density = TiltedPowers(np.array([a]), theta, np.array([low]), np.array([high]))

    def values_at(v):
        with np.errstate(divide="ignore"):
            return np.log(v) + density.log_density(low + v, 0)

    v = (high - low) * np.sort(np.concatenate([np.geomspace(1e-12, 1, 4000), np.linspace(0.001, 1, 4000)]))
    i = int(values_at(v).argmax())
    # A grid over everything is too coarse for the narrowest peaks: a second one between the neighbours of the best.
    values = values_at(np.concatenate([v, np.linspace(v[max(i - 1, 0)], v[min(i + 1, len(v) - 1)], 4000)]))
    peak = density.log_peak()[0]
    assert values.max() <= peak + 1e-6
    assert values.max() >= peak - 0.01
