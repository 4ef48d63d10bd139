import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mix.mix_data import boxes
from scipy.stats import beta, ks_2samp, kstest

from gemix.mix.box import make_box, project
from gemix.mix.simplex import sample_dirichlet, sample_prior, sample_uniform, temper


def by_rejection(alpha, box, n, random):
    """The definition: draws of the whole Dirichlet distribution that happen to lie in the box."""
    kept = []
    while sum(map(len, kept)) < n:
        w = random.dirichlet(alpha, 200_000)
        kept.append(w[box.contains(w, 0.0) | (np.all((w >= box.floor) & (w <= box.cap), axis=1))])
    return np.concatenate(kept)[:n]


def same_distribution(a, b) -> float:
    """The least p-value of Kolmogorov-Smirnov tests on coordinates, the largest weight, and random projections."""
    random = np.random.default_rng(0)
    views = [np.eye(a.shape[1])[k] for k in range(a.shape[1])] + list(random.normal(size=(4, a.shape[1])))
    values = [ks_2samp(a @ view, b @ view).pvalue for view in views]
    values.append(ks_2samp(a.max(axis=1), b.max(axis=1)).pvalue)
    return min(values) * len(values)  # Bonferroni


@settings(deadline=None, max_examples=25)
@given(box=boxes(12), seed=st.integers(0, 10**6), strength=st.sampled_from([0.01, 1.0, 30.0]))
def test_mixtures_lie_in_the_box(box, seed, strength):
    random = np.random.default_rng(seed)
    prior = random.dirichlet(np.ones(len(box.floor)))
    for w in (sample_uniform(box, 20, random), sample_prior(prior, box, 20, random, (strength, 3 * strength))):
        assert w.shape == (20, len(box.floor))
        assert box.contains(w, 1e-12).all()


CASES = {
    "uniform, capped": (np.ones(3), make_box("abc", cap=[0.5, 0.5, 0.4])),
    "uniform, floors": (np.ones(4), make_box("abcd", [0.1, 0, 0.2, 0], [0.5, 0.3, 0.6, 1])),
    "uniform, one wide domain": (np.ones(4), make_box("abcd", [0.5, 0, 0, 0], [1, 0.05, 0.1, 0.2])),
    "sparse, capped": (np.array([0.05, 0.1, 0.02, 0.2]), make_box("abcd", cap=[0.6, 0.5, 0.7, 0.4])),
    "sparse, uncapped": (np.array([0.05, 0.1, 0.02]), make_box("abc")),
    "sparse, floors": (np.array([0.3, 0.1, 0.5]), make_box("abc", [0.2, 0.01, 0], [0.7, 0.5, 0.5])),
    "mixed": (np.array([3.0, 0.4, 1.5, 0.1]), make_box("abcd", [0, 0.05, 0, 0], [0.3, 0.6, 0.5, 0.3])),
    "concentrated, capped": (np.array([20.0, 30.0, 10.0]), make_box("abc", cap=[0.35, 0.45, 1])),
}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_rejection_from_the_whole_distribution(case):
    alpha, box = CASES[case]
    n = 6000
    exact = sample_dirichlet(alpha, box, n, np.random.default_rng(1))
    brute = by_rejection(alpha, box, n, np.random.default_rng(2))
    assert same_distribution(exact, brute) > 0.01


def test_the_comparison_sees_an_ad_hoc_projection():
    alpha, box = CASES["uniform, capped"]
    random = np.random.default_rng(1)
    clipped = np.array([project(w + 1e-12, box) for w in random.dirichlet(alpha, 6000)])
    assert same_distribution(clipped, by_rejection(alpha, box, 6000, np.random.default_rng(2))) < 1e-6


@pytest.mark.parametrize("alpha", [[1.0] * 6, [0.03, 0.06, 0.1, 0.3], [5.0, 0.2, 40.0]])
def test_without_bounds_it_is_the_dirichlet_distribution(alpha):
    w = sample_dirichlet(alpha, make_box("x" * len(alpha)), 8000, np.random.default_rng(0))
    for k, a in enumerate(alpha):
        marginal = beta(a, sum(alpha) - a)
        assert kstest(marginal.cdf(w[:, k]), "uniform").pvalue > 1e-3 / len(alpha)


def test_large_caps_leave_the_dirichlet_distribution_of_many_domains():
    # K = 40: brute force is out of reach, but a uniform spacing below its cap is known in closed form.
    k, cap = 40, 0.5
    w = sample_uniform(make_box(range(k), cap=np.full(k, cap)), 5000, np.random.default_rng(0))
    # P(w_1 > x) without caps is (1 - x)^(k-1); the caps cut a mass of k (1 - cap)^(k-1) = 7e-11.
    assert kstest(w[:, 0], lambda x: 1 - (1 - x) ** (k - 1)).pvalue > 1e-3


def test_tight_equal_caps_where_rejection_accepts_a_thousandth():
    box = make_box([str(i) for i in range(24)], cap=np.full(24, 4 / 24))
    raw = np.random.default_rng(0).dirichlet(np.ones(24), 20_000)
    prior = np.random.default_rng(0).dirichlet(np.full(24, 1 / 24), 20_000)
    assert box.contains(prior).mean() < 1e-3
    w = sample_uniform(box, 512, np.random.default_rng(1))
    accepted = raw[box.contains(raw)]  # the uniform case is the one that brute force can still reach
    assert len(accepted) > 2000
    assert same_distribution(w, accepted) > 0.01
    designs = sample_prior(np.ones(24), box, 512, np.random.default_rng(2))
    assert box.contains(designs, 1e-12).all()
    assert len(np.unique(designs.round(12), axis=0)) == 512


def test_the_acceptance_does_not_depend_on_tightness(monkeypatch):
    from gemix.mix import simplex

    rates = []
    propose = simplex._Tilted._propose

    def counted(self, size, random):
        rows = propose(self, size, random)
        rates.append(len(rows) / size)
        return rows

    monkeypatch.setattr(simplex._Tilted, "_propose", counted)
    for slack in (10.0, 1.5, 1.02, 1.0001):
        rates.clear()
        k = 24
        sample_uniform(make_box(range(k), cap=np.full(k, min(1, slack / k))), 500, np.random.default_rng(0))
        assert np.mean(rates) > 0.03


def test_the_same_seed_gives_the_same_mixtures():
    box = make_box("abcd", cap=[0.5] * 4)
    one, two, other = (sample_prior([4, 3, 2, 1], box, 50, np.random.default_rng(s)) for s in (7, 7, 8))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_strengths_spread_the_mixtures():
    box, prior = make_box("abcdef"), np.arange(1, 7) / 21
    spread = []
    for s in (0.1, 1.0, 10.0, 1000.0):
        w = sample_prior(prior, box, 2000, np.random.default_rng(0), (s, s), 1.0)
        assert w.mean(axis=0) == pytest.approx(prior, abs=0.03)
        # Var w_k = p (1 - p) / (s + 1), the Dirichlet variance.
        expected = prior * (1 - prior) / (s + 1)
        assert w.var(axis=0) == pytest.approx(expected, rel=0.15)
        spread.append(w.var())
    assert spread == sorted(spread, reverse=True)


def test_a_box_that_is_a_point_gives_that_point():
    cap = np.array([0.5, 0.3, 0.2])
    assert sample_uniform(make_box("abc", cap=cap), 5, np.random.default_rng(0)) == pytest.approx(np.tile(cap, (5, 1)))
    floor = np.array([0.2, 0.7, 0.1])
    assert sample_uniform(make_box("abc", floor), 5, np.random.default_rng(0)) == pytest.approx(np.tile(floor, (5, 1)))
    assert sample_uniform(make_box("a"), 3, np.random.default_rng(0)) == pytest.approx(np.ones((3, 1)))


def test_pinned_domains_stay_and_the_rest_is_sampled():
    box = make_box("abcd", [0.25, 0, 0, 0.1], [0.25, 1, 1, 0.1])
    w = sample_uniform(box, 4000, np.random.default_rng(0))
    assert np.all(w[:, 0] == 0.25)
    assert kstest(w[:, 1] / 0.65, "uniform").pvalue > 1e-3


def test_a_domain_without_prior_stays_at_its_floor():
    w = sample_prior([1, 1, 0], make_box("abc", [0, 0, 0.05]), 100, np.random.default_rng(0))
    assert np.all(w[:, 2] == 0.05)
    with pytest.raises(ValueError, match=r"reach 0\.7 < 1"):
        sample_prior([1, 1, 0], make_box("abc", cap=[0.3, 0.4, 1]), 10, np.random.default_rng(0))


@pytest.mark.parametrize("strength", [(0, 1), (2, 1), (1, np.inf)])
def test_bad_strengths_are_refused(strength):
    with pytest.raises(ValueError, match="strengths"):
        sample_prior([1, 1], make_box("ab"), 2, np.random.default_rng(0), strength)


def test_temperature_flattens_and_keeps_zeros():
    assert temper([16, 4, 0], 2.0) == pytest.approx([2 / 3, 1 / 3, 0])
    assert temper([16, 4, 0], np.inf) == pytest.approx([0.5, 0.5, 0])
    assert temper([1e-300, 1.0], 0.5) == pytest.approx([0, 1])
    for bad in ([-1, 2], [0, 0], [np.nan, 1]):
        with pytest.raises(ValueError, match="prior"):
            temper(bad, 1.0)
