import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mix.mix_data import Linear, boxes
from scipy.optimize import minimize

from gemix.mix.box import make_box, project
from gemix.mix.objective import Objective
from gemix.mix.strategies import natural, optimise, perf, perf_top, simulate, temperature, uniform
from gemix.mix.strategies.perf import gains, probe_of
from gemix.mix.strategies.regmix import divergence

SHARES = np.array([0.6, 0.3, 0.1])


def test_strategies_of_shares_by_hand():
    box = make_box("abc")
    assert uniform(box) == pytest.approx([1 / 3] * 3)
    assert natural(SHARES, box) == pytest.approx(SHARES)
    assert temperature(SHARES, 2, box) == pytest.approx(np.sqrt(SHARES) / np.sqrt(SHARES).sum())
    capped = make_box("abc", cap=[0.4, 1, 1])
    assert natural(SHARES, capped) == pytest.approx([0.4, 0.45, 0.15])
    assert uniform(make_box("abc", cap=[0.1, 1, 1])) == pytest.approx([0.1, 0.45, 0.45])


@settings(deadline=None, max_examples=60)
@given(boxes(10), st.integers(0, 10**6), st.floats(0.2, 50))
def test_strategies_of_shares_respect_every_box(box, seed, value):
    shares = np.random.default_rng(seed).dirichlet(np.ones(len(box.floor)))
    for w in (uniform(box), natural(shares, box), temperature(shares, value, box)):
        assert box.contains(w, 1e-12).all()


# RegMix ---------------------------------------------------------------------------------------------------------------


def bowl(centre):
    """A smooth convex loss with its minimum at `centre`."""
    return lambda w: ((w - centre) ** 2 * np.arange(1, len(centre) + 1)).sum(axis=1) + (w**3).sum(axis=1)


@settings(deadline=None, max_examples=25)
@given(box=boxes(7), seed=st.integers(0, 10**6), kl=st.sampled_from([0.0, 0.3]))
def test_the_descent_agrees_with_a_solver_that_knows_the_gradient(box, seed, kl):
    random = np.random.default_rng(seed)
    k = len(box.floor)
    centre, prior = random.dirichlet(np.ones(k)), random.dirichlet(np.full(k, 5.0))
    loss = bowl(centre)

    def penalised(w):
        w = np.maximum(w, 1e-15)[None]
        return float(loss(w)[0] + kl * divergence(w, prior)[0])

    found = optimise(loss, box, prior, kl, starts=2)
    assert box.contains(found.weights, 1e-9).all()
    assert found.objective == pytest.approx(loss(found.weights[None])[0])
    best = minimize(
        penalised,
        found.weights,
        bounds=list(zip(box.floor, box.cap, strict=True)),
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 300},
    )
    assert penalised(found.weights) <= best.fun + 1e-5


def test_the_descent_needs_no_gradient():
    # A staircase, as trees predict: flat nearly everywhere.
    target = np.array([0.62, 0.21, 0.17])
    found = optimise(lambda w: np.ceil(np.abs(w - target).sum(axis=1) * 20), make_box("abc"), SHARES)
    assert found.objective <= 1


def test_the_penalty_pulls_to_the_prior():
    goal = Objective([Linear([0.0, 1.0, 2.0])], np.ones(1))
    box = make_box("abc")
    assert optimise(goal, box, SHARES).weights == pytest.approx([1, 0, 0], abs=1e-4)
    # With it the minimiser is known: w proportional to prior exp(-loss / kl).
    expected = SHARES * np.exp(-np.array([0, 1, 2]) / 0.5)
    assert optimise(goal, box, SHARES, kl=0.5).weights == pytest.approx(expected / expected.sum(), abs=1e-4)
    assert optimise(goal, box, SHARES, kl=1e6).weights == pytest.approx(SHARES, abs=1e-4)


def test_the_penalty_forbids_what_the_prior_does_not_have():
    goal = Objective([Linear([1.0, 1.0, 0.0])], np.ones(1))
    assert optimise(goal, make_box("abc"), [0.5, 0.5, 0], kl=0.01).weights[2] == 0
    with pytest.raises(ValueError, match="'c' has a floor and no prior"):
        optimise(goal, make_box("abc", [0, 0, 0.1]), [0.5, 0.5, 0], kl=0.01)
    with pytest.raises(ValueError, match="penalty"):
        optimise(goal, make_box("abc"), SHARES, kl=-1)


def test_simulation_averages_the_best():
    goal = Objective([Linear([0.0, 1.0, 2.0])], np.ones(1))
    box = make_box("abc", cap=[0.7, 1, 1])
    found = simulate(goal, box, SHARES, n=4000, top=32, seed=0)
    assert box.contains(found.weights, 1e-12).all()
    assert found.weights[0] > 0.68
    everything = simulate(goal, box, SHARES, n=4000, top=4000, seed=0)
    assert found.objective < everything.objective
    assert np.array_equal(found.weights, simulate(goal, box, SHARES, n=4000, top=32, seed=0).weights)
    with pytest.raises(ValueError, match="between 1 and the 10 simulated"):
        simulate(goal, box, SHARES, n=10, top=11)


def test_divergence_is_kullback_and_leibler():
    w = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.6, 0.3, 0.1]])
    expected = [0.5 * np.log(0.5 / 0.6) + 0.5 * np.log(0.5 / 0.3), np.log(10), 0]
    assert divergence(w, SHARES) == pytest.approx(expected)
    assert np.isinf(divergence(w, np.array([1.0, 0, 0]))[0])


# Perf -----------------------------------------------------------------------------------------------------------------


def test_perf_by_hand():
    box = make_box("abc")
    gain = gains(3.0, [2.0, 3.0, 4.0])
    assert gain.tolist() == [1, 0, -1]
    z = gain / gain.std()
    expected = SHARES * np.exp(0.7 * z)
    assert perf(SHARES, gain, box, 0.7) == pytest.approx(expected / expected.sum())
    assert gains(0.5, [0.6, 0.4, 0.5], higher_is_better=True) == pytest.approx([0.1, -0.1, 0])


def test_perf_clips_outliers_and_leaves_equal_gains():
    box = make_box(range(20))
    gain = np.zeros(20)
    gain[3] = 1000
    w = perf(np.ones(20), gain, box)
    assert w[3] / w[0] == pytest.approx(np.exp(2 + 1 / np.sqrt(19)))
    assert perf(SHARES, [0.1, 0.1, 0.1], make_box("abc")) == pytest.approx(SHARES)


def test_perf_takes_the_caps():
    w = perf(np.ones(3), [2.0, 1.0, 0.0], make_box("abc", cap=[0.4, 1, 1]))
    free = perf(np.ones(3), [2.0, 1.0, 0.0], make_box("abc"))
    assert w[0] == 0.4
    assert w[1] / w[2] == pytest.approx(free[1] / free[2])


def test_perf_top_multiplies_the_best():
    w = perf_top(SHARES, [0.0, 2.0, 1.0], make_box("abc"), r=2, m=3)
    assert w == pytest.approx(np.array([0.6, 0.9, 0.3]) / 1.8)
    for r, m in ((0, 2), (4, 2), (1, 0)):
        with pytest.raises(ValueError, match="top needs"):
            perf_top(SHARES, [0.0, 2.0, 1.0], make_box("abc"), r, m)
    with pytest.raises(ValueError, match="finite"):
        perf(SHARES, [np.nan, 0, 0], make_box("abc"))


def test_probes_are_found_by_what_they_raise():
    base = np.array([0.5, 0.3, 0.2])
    runs = np.array([[0.45, 0.27, 0.28], [0.6, 0.24, 0.16], [0.45, 0.37, 0.18]])
    assert probe_of(base, runs, "abc").tolist() == [1, 2, 0]
    with pytest.raises(ValueError, match="2 probe runs raise the weight of 'a' most"):
        probe_of(base, runs[[1, 1, 0]], "abc")
    with pytest.raises(ValueError, match="0 probe runs raise the weight of 'b'"):
        probe_of(base, runs[:2], "abc")


@pytest.mark.parametrize("capped", [False, True])
def test_many_domains_reach_the_optimum_that_is_known(capped):
    # min c.w + KL(w || prior) over a box is the projection of prior exp(-c).
    random = np.random.default_rng(0)
    prior, c = random.dirichlet(np.ones(60)), random.standard_normal(60)
    cap = np.full(60, 0.04) if capped else None
    box = make_box([str(k) for k in range(60)], floor=np.full(60, 1e-3), cap=cap)
    found = optimise(lambda w: w @ c, box, prior, kl=1.0, starts=2)
    best = project(prior * np.exp(-c), box)
    assert box.contains(found.weights)
    assert np.abs(found.weights - best).max() < 1e-3
    value, least = (w @ c + divergence(w[None], prior)[0] for w in (found.weights, best))
    assert value - least < 1e-6


def test_many_domains_reach_a_corner():
    c = np.random.default_rng(0).standard_normal(50)
    cap = np.full(50, 0.3)
    box = make_box([str(k) for k in range(50)], cap=cap)
    found = optimise(lambda w: np.where(w @ c < 0, w @ c, 0.0).round(6), box, np.ones(50), starts=2)
    assert found.objective == pytest.approx(np.sort(c)[:4] @ [0.3, 0.3, 0.3, 0.1], abs=1e-4)
