"""The decision to leave natural: what each part claims, and the tables that led others astray."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.mix.box import make_box
from gemix.mix.evidence import Evidence
from gemix.mix.gate import gate
from gemix.mix.process import Geometry, Process
from gemix.mix.region import Region
from gemix.mix.verdict import caution, decide
from gemix.mix.weight_ranges import weight_ranges

NATURAL = np.array([0.4, 0.3, 0.15, 0.1, 0.05])


def box(k: int = 5, cap=None, floor=None):
    return make_box([f"d{i}" for i in range(k)], floor, cap)


def table(n: int, seed: int = 0, strength: float = 12.0, natural=NATURAL) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(natural * strength, n)


def law(W: np.ndarray) -> np.ndarray:
    """A loss that wants much more of the scarcest domain."""
    return 2 + 0.2 * (W[:, -1] + 0.02) ** -0.4


def test_noise_stays_natural():
    left = 0
    for seed in range(50):
        y = 3 + 0.01 * np.random.default_rng(100 + seed).standard_normal(40)
        decision = decide(table(40, seed), y, NATURAL, box())
        left += decision.verdict == "better"
        if decision.verdict == "unproven":
            np.testing.assert_allclose(decision.weights, NATURAL, atol=1e-12)
            assert decision.chosen is None
    assert left <= 1  # 2 %
    assert decision.wish is not None  # what the search would take is known all the same


def test_a_clear_gain_is_taken_and_is_true():
    W = table(60)
    y = law(W) + 0.002 * np.random.default_rng(1).standard_normal(60)
    decision = decide(W, y, NATURAL, box())
    assert decision.verdict == "better"
    true = law(NATURAL[None])[0] - law(decision.weights[None])[0]
    assert 0 < decision.chosen.low <= true <= decision.chosen.high
    assert decision.region.contains(decision.weights[None])[0]
    assert decision.weights[-1] > 2 * NATURAL[-1]
    assert decision.evidence.level == pytest.approx(law(NATURAL[None])[0], abs=0.005)
    assert decision.best_run.outcome == y.min()
    assert decision.best_run.row == y.argmin()


def test_the_direction_is_the_callers():
    W = table(60)
    y = law(W) + 0.002 * np.random.default_rng(1).standard_normal(60)
    up = decide(W, 1 - y / 10, NATURAL, box(), maximise=True)
    assert up.verdict == "better"
    assert law(up.weights[None])[0] < law(NATURAL[None])[0]
    down = decide(W, 1 - y / 10, NATURAL, box())
    assert down.verdict == "unproven" or law(down.weights[None])[0] > law(NATURAL[None])[0]
    assert up.chosen.gain > 0
    assert up.best_run.row == y.argmin()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_runs_prove_nothing(n):
    decision = decide(table(n), np.arange(n) / 10, NATURAL, box())
    assert decision.verdict == "unproven"
    assert f"{n} distinct mixture" in decision.reason
    np.testing.assert_allclose(decision.weights, NATURAL, atol=1e-12)


def test_one_mixture_run_often_and_constant_outcomes_prove_nothing():
    same = decide(np.tile(table(1), (30, 1)), np.random.default_rng(0).standard_normal(30), NATURAL, box())
    constant = decide(table(30), np.full(30, 2.5), NATURAL, box())
    assert (same.verdict, constant.verdict) == ("unproven", "unproven")
    assert "same outcome" in constant.reason
    assert constant.wish is None
    assert weight_ranges(constant) is None


@pytest.mark.parametrize("seed", range(4))
def test_copies_of_a_mixture_are_one(seed):
    # Three seeds of twenty mixtures, where the outcome belongs to the mixture but not to its weights: folds that split
    # copies find skill here.
    random = np.random.default_rng(seed)
    W = np.repeat(table(20, seed), 3, axis=0)
    y = np.repeat(random.standard_normal(20), 3) + 0.05 * random.standard_normal(60)
    assert len(Evidence(W, y, NATURAL).means) == 20
    assert decide(W, y, NATURAL, box()).verdict == "unproven"


def test_repeats_tell_the_noise():
    random = np.random.default_rng(0)
    W = np.repeat(table(30), 4, axis=0)
    noise = 0.03
    evidence = Evidence(W, law(W) + noise * random.standard_normal(120), NATURAL)
    assert evidence.noise == pytest.approx(noise, rel=0.25)


def test_natural_outside_the_runs_is_unproven_and_says_what_to_do():
    tight = np.array(
        [row for row in np.random.default_rng(0).dirichlet(np.full(5, 40.0), 300) if row.max() < 0.27][:80]
    )
    natural = np.array([0.6, 0.1, 0.1, 0.1, 0.1])
    decision = decide(tight, law(tight), natural, box())
    assert decision.verdict == "unproven"
    assert "d0 has 60.0%" in decision.reason
    assert "add natural as a run" in decision.reason
    np.testing.assert_allclose(decision.weights, natural)
    with_natural = np.vstack([natural, tight])
    inside = decide(with_natural, law(with_natural), natural, box())
    assert "outside" not in inside.reason
    assert inside.region.contains(inside.weights[None])[0]


def test_caps_and_floors_hold_for_natural_and_for_the_choice():
    W = table(60)
    y = law(W) + 0.002 * np.random.default_rng(1).standard_normal(60)
    bounds = box(cap=[0.35, 1, 1, 1, 0.08], floor=[0, 0.25, 0, 0, 0])
    for outcomes in (y, np.random.default_rng(0).permutation(y)):
        decision = decide(W, outcomes, NATURAL, bounds)
        assert bounds.contains(decision.weights, 1e-7)
        assert bounds.contains(decision.natural, 1e-7)


def test_a_box_that_no_run_has_seen_is_unproven():
    W = table(60, strength=60)
    decision = decide(W, law(W), NATURAL, box(floor=[0, 0, 0, 0.6, 0]))
    assert decision.verdict == "unproven"
    assert "outside the region" in decision.reason


def test_judge_tells_better_from_worse():
    W = table(80)
    y = law(W) + 0.002 * np.random.default_rng(1).standard_normal(80)
    evidence = decide(W, y, NATURAL, box()).evidence
    more, less = NATURAL.copy(), NATURAL.copy()
    more[[0, -1]] += [-0.1, 0.1]
    less[[0, -1]] += [0.04, -0.04]
    assert evidence.judge([more, less, NATURAL]) == ["better", "worse", "unproven"]
    shuffled = Evidence(W, np.random.default_rng(0).permutation(y), NATURAL)
    assert shuffled.judge([more, less]) == ["unproven", "unproven"]


def test_the_same_input_gives_the_same_decision():
    W = table(40)
    y = law(W) + 0.01 * np.random.default_rng(1).standard_normal(40)
    one, two = (decide(W, y, NATURAL, box(), seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.weights, two.weights)
    assert one.evidence.p_value == two.evidence.p_value


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 14), k=st.integers(2, 20), unit=st.sampled_from([1e-6, 1.0, 1e6]))
def test_any_table_gives_a_mixture_of_the_box(seed, n, k, unit):
    random = np.random.default_rng(seed)
    W = random.dirichlet(np.full(k, 0.5), n)
    natural = random.dirichlet(np.ones(k))
    decision = decide(W, unit * (5 + random.standard_normal(n)), natural, box(k))
    assert box(k).contains(decision.weights, 1e-6)
    assert decision.verdict in ("better", "unproven")
    assert decision.reason


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), shift=st.floats(-100, 100), scale=st.sampled_from([1e-3, 7.0]))
def test_the_unit_of_the_outcome_does_not_matter(seed, shift, scale):
    W = table(25, seed)
    y = law(W) + 0.02 * np.random.default_rng(seed).standard_normal(25)
    one, two = Evidence(W, y, NATURAL), Evidence(W, shift + scale * y, NATURAL)
    assert one.p_value == two.p_value
    np.testing.assert_allclose(scale * one.gain(W).mean, two.gain(W).mean, rtol=1e-4, atol=1e-5 * scale)


def test_the_gate_is_exact():
    # Under the null P is uniform: at most 5 % of tables at 0.05, within what 300 tables allow.
    random = np.random.default_rng(0)
    values = [gate(table(12, i), random.standard_t(2, 12), np.ones(12), i, permutations=199) for i in range(300)]
    assert 0.015 < np.mean(np.array(values) <= 0.05) < 0.09
    assert gate(table(30), law(table(30)), np.ones(30)) < 0.01


def test_the_gate_exchanges_only_equal_repeats():
    # One mixture has ten runs, the rest one: a mean of ten is nearer to the middle, and that is no order.
    W, repeats = table(4), np.array([10.0, 10.0, 1.0, 1.0])
    assert gate(W, np.array([0.0, 0.1, 5.0, -5.0]), repeats) >= 0.2  # four arrangements in all


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), k=st.integers(2, 7))
def test_slopes_of_gain_and_of_the_region_are_derivatives(seed, k):
    random = np.random.default_rng(seed)
    W = random.dirichlet(np.ones(k), 9)
    p = random.dirichlet(np.full(k, 3.0))
    process = Process.fit(Geometry(W, np.ones(9)), random.standard_normal(9), p)
    x = np.sqrt(random.dirichlet(np.full(k, 3.0)))
    g, s, by_g, by_s = process.slopes(x)
    np.testing.assert_allclose([g, s], np.ravel(process.gain(x[None] ** 2)), rtol=1e-6)
    region = Region.of(W)
    for step in 1e-5 * np.eye(k):
        up, down = process.slopes(x + step), process.slopes(x - step)
        rooms = [region.room(x + sign * step)[0] for sign in (1, -1)]
        i = int(step.argmax())
        np.testing.assert_allclose((up[0] - down[0]) / 2e-5, by_g[i], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose((up[1] - down[1]) / 2e-5, by_s[i], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose((rooms[0] - rooms[1]) / 2e-5, region.room(x)[1][i], rtol=1e-4, atol=1e-6)


def test_the_gain_over_itself_is_nothing_and_draws_agree_with_it():
    W = table(20)
    process = Process.fit(Geometry(W, np.ones(20)), law(W) - law(W).mean(), NATURAL)
    np.testing.assert_allclose(process.gain(NATURAL[None]), 0, atol=1e-6)
    V = table(6, seed=1)
    draws = process.draws(V, 20_000, np.random.default_rng(0))
    mean, sd = process.gain(V)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=5 * sd.max() / np.sqrt(20_000))
    np.testing.assert_allclose(draws.std(axis=0), sd, rtol=0.1)


@given(seed=st.integers(0, 1000), k=st.integers(2, 8), n=st.integers(2, 30), reach=st.floats(1, 3))
@settings(max_examples=25, deadline=None)
def test_the_region_holds_its_runs_and_grows_with_reach(seed, k, n, reach):
    random = np.random.default_rng(seed)
    runs = random.dirichlet(np.ones(k), n)
    region, wide = Region.of(runs), Region.of(runs, reach)
    assert region.contains(runs).all()
    assert wide.contains(runs).all() or reach > 1  # drawn to the mean, a run may be far from all others
    low, high = region.bounds()
    np.testing.assert_allclose(low, runs.min(axis=0))
    assert np.all(wide.bounds()[0] <= low + 1e-12)
    assert np.all(wide.bounds()[1] >= high - 1e-12)
    beyond = np.eye(k)[[runs.max(axis=0).argmin()]]
    assert not region.contains(beyond)[0]
    assert region.outside(beyond[0]) is not None


def test_a_corner_of_the_box_far_from_all_runs_is_outside():
    # Domains 0 and 1 are each run up to a half, never both: the box of the runs has a corner where both are.
    random = np.random.default_rng(0)
    one = np.column_stack([random.uniform(0, 0.5, (40, 1)), np.full((40, 1), 0.02), random.uniform(0.2, 0.5, (40, 1))])
    runs = np.vstack([one, one[:, [1, 0, 2]]])
    runs = np.column_stack([runs, 1 - runs.sum(axis=1)])
    corner = np.array([[0.49, 0.49, 0.01, 0.01]])
    region = Region.of(runs)
    assert np.all(corner[0, :2] <= region.high[:2])
    assert not region.contains(corner)[0]
    assert region.spread(corner)[0] > region.limit


def test_ranges_of_weights_narrow_with_evidence():
    W = table(80)
    random = np.random.default_rng(1)
    sure = decide(W, law(W) + 0.001 * random.standard_normal(80), NATURAL, box())
    unsure = decide(W, law(W) + 0.2 * random.standard_normal(80), NATURAL, box())
    (low, high), (low_, high_) = weight_ranges(sure), weight_ranges(unsure)
    assert np.all(low <= high)
    assert low[-1] > NATURAL[-1]  # the domain that matters is wanted for certain
    assert np.mean(high_ - low_) > np.mean(high - low)


@given(k=st.integers(2, 200))
def test_more_domains_more_caution(k):
    assert 1.6 <= caution(k) <= caution(k + 1)


def test_broken_tables_are_refused():
    with pytest.raises(ValueError, match="outcomes"):
        decide(table(5), np.zeros(4), NATURAL, box())
    with pytest.raises(ValueError, match="finite"):
        decide(table(5), [1, 2, np.nan, 4, 5], NATURAL, box())
    with pytest.raises(ValueError, match="reach"):
        decide(table(5), np.arange(5), NATURAL, box(), reach=0)
