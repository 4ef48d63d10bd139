"""The interface that every surrogate keeps, and its edges."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.mix.surrogates import KINDS, cross_validate, from_dict, surrogate
from gemix.mix.surrogates.validate import spearman

EVERY = pytest.mark.parametrize("kind", KINDS)


def law(W: np.ndarray) -> np.ndarray:
    """A loss with the shape that mixing laws have: two domains matter."""
    return 3 + np.exp(0.5 - 2 * np.sqrt(W[:, 0]) - W[:, 1])


def runs(n: int, domains: int, seed: int = 0, noise: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    W = random.dirichlet(np.full(domains, 0.5), n)
    return W, law(W) + noise * random.standard_normal(n)


@EVERY
def test_it_ranks_mixtures_that_it_has_not_seen(kind):
    W, y = runs(80, 5)
    V, z = runs(200, 5, seed=1, noise=0)
    mean, std = surrogate(kind).fit(W, y).predict(V)
    assert mean.shape == std.shape == (200,)
    assert spearman(mean, z) > 0.85
    assert np.all(std > 0)


@EVERY
def test_the_mean_alone_is_the_same_to_the_last_digit(kind):
    W, y = runs(40, 5)
    V, _ = runs(50, 5, seed=1)
    model = surrogate(kind).fit(W, y)
    assert np.array_equal(model.predict_mean(V), model.predict(V)[0])
    assert np.array_equal(surrogate(kind).fit(W, np.ones(40)).predict_mean(V), np.ones(50))


@EVERY
def test_its_intervals_cover_new_runs(kind):
    W, y = runs(100, 4, noise=0.05)
    V, z = runs(400, 4, seed=1, noise=0.05)
    mean, std = surrogate(kind).fit(W, y).predict(V)
    assert 0.85 < np.mean(np.abs(z - mean) < 2 * std) <= 1
    assert std.mean() < 0.6 * z.std()  # not by being useless


@EVERY
def test_the_unit_of_the_result_does_not_matter(kind):
    W, y = runs(50, 4)
    V, _ = runs(20, 4, seed=1)
    mean, std = surrogate(kind).fit(W, y).predict(V)
    scaled_mean, scaled_std = surrogate(kind).fit(W, 1000 * y + 7).predict(V)
    np.testing.assert_allclose(scaled_mean, 1000 * mean + 7, rtol=1e-4)
    np.testing.assert_allclose(scaled_std, 1000 * std, rtol=1e-2)


@EVERY
def test_the_same_input_gives_the_same_answer(kind):
    W, y = runs(60, 4)
    first, second = (surrogate(kind).fit(W, y).predict(W) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@EVERY
def test_json_keeps_every_prediction(kind):
    W, y = runs(45, 6)
    V, _ = runs(30, 6, seed=1)
    model = surrogate(kind).fit(W, y)
    again = from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert again.kind == kind
    for before, after in zip(model.predict(V), again.predict(V), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-12)


@EVERY
@pytest.mark.parametrize("n", [2, 3, 5])
def test_fewer_runs_than_domains(kind, n):
    W, y = runs(n, 17)
    mean, std = surrogate(kind).fit(W, y).predict(W)
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()
    assert np.all(np.abs(mean - y.mean()) < 10 * np.ptp(y))


@EVERY
def test_a_constant_result_is_predicted_as_it_is(kind):
    W, _ = runs(30, 4)
    model = surrogate(kind).fit(W, np.full(30, 0.1))
    for mean, std in (model.predict(W), from_dict(model.to_dict()).predict(W)):
        np.testing.assert_allclose(mean, 0.1, rtol=1e-15)
        assert np.all(std == 0)


@EVERY
def test_duplicated_rows_are_noise_not_an_error(kind):
    W, y = runs(20, 4)
    W, y = np.vstack([W, W, W]), np.concatenate([y, y + 0.1, y - 0.1])
    mean, std = surrogate(kind).fit(W, y).predict(W[:20])
    assert np.isfinite(mean).all()
    assert np.all(std > 0.02)


@EVERY
def test_one_domain_predicts_the_mean(kind):
    y = np.array([3.0, 3.2, 3.1, 3.3, 3.0, 3.15])
    mean, _ = surrogate(kind).fit(np.ones((6, 1)), y).predict(np.ones((2, 1)))
    np.testing.assert_allclose(mean, y.mean(), atol=0.02)


@EVERY
def test_corners_and_domains_that_no_run_has(kind):
    W, y = runs(30, 4)
    W = np.column_stack([W, np.zeros(30)])
    mean, std = surrogate(kind).fit(W, y).predict(np.eye(5))
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()


BROKEN = {
    "one run": (np.full((1, 2), 0.5), [1.0], "at least two runs"),
    "negative": ([[0.5, 0.5], [1.2, -0.2], [0.1, 0.9]], [1, 2, 3], r"negative: row 1 "),
    "NaN weight": ([[0.5, 0.5], [np.nan, 1], [0.1, np.inf]], [1, 2, 3], r"finite number: rows 1, 2 "),
    "NaN result": ([[0.5, 0.5], [0, 1], [1, 0]], [1, np.nan, 3], r"result is not a finite number: row 1 "),
    "off the simplex": ([[0.5, 0.5], [0.2, 0.2], [1, 0]], [1, 2, 3], r"do not sum to 1 within 0.01: row 1 "),
    "shapes": ([[0.5, 0.5], [0, 1]], [1, 2, 3], r"2 mixtures need results of shape \(2,\), not \(3,\)"),
    "a vector": ([0.5, 0.5], [1, 2], "table of shape"),
    "no domains": (np.zeros((3, 0)), [1, 2, 3], "table of shape"),
    "no runs": (np.zeros((0, 3)), [], "table of shape"),
}


@EVERY
@pytest.mark.parametrize("case", BROKEN)
def test_bad_tables_are_refused_by_row(kind, case):
    W, y, message = BROKEN[case]
    with pytest.raises(ValueError, match=message):
        surrogate(kind).fit(W, y)


@EVERY
def test_prediction_needs_a_fit_over_the_same_domains(kind):
    with pytest.raises(ValueError, match="not fitted"):
        surrogate(kind).predict([[0.5, 0.5]])
    with pytest.raises(ValueError, match="not fitted"):
        surrogate(kind).to_dict()
    W, y = runs(10, 3)
    with pytest.raises(ValueError, match="fitted over 3 domains, the mixtures have 2"):
        surrogate(kind).fit(W, y).predict([[0.5, 0.5]])


def test_weights_rounded_as_published_are_scaled():
    W, y = runs(40, 3)
    rounded = W * np.linspace(0.995, 1.005, 40)[:, None]
    np.testing.assert_allclose(surrogate("gp").fit(rounded, y).predict(W)[0], surrogate("gp").fit(W, y).predict(W)[0])


@pytest.mark.parametrize("state", [{}, {"kind": "oracle"}, {"kind": "gp"}, {"kind": "gp", "domains": None}, []])
def test_other_descriptions_are_refused(state):
    with pytest.raises(ValueError, match="surrogate"):
        from_dict(state)


def test_broken_trees_are_refused():
    state = surrogate("lightgbm").fit(*runs(20, 3)).to_dict()
    with pytest.raises(ValueError, match="not the trees"):
        from_dict(state | {"trees": "tree\nversion=v4\nnothing"})


@EVERY
@settings(max_examples=5, deadline=None)
@given(n=st.integers(2, 25), domains=st.integers(1, 6), seed=st.integers(0, 1000), zeros=st.booleans())
def test_any_table_on_the_simplex_is_fitted(kind, n, domains, seed, zeros):
    random = np.random.default_rng(seed)
    W = random.dirichlet(np.full(domains, 0.3), n)
    if zeros:
        W[W < 0.1] = 0
        W /= W.sum(axis=1, keepdims=True)
    y = random.standard_normal(n) * 10 ** random.uniform(-3, 3)
    mean, std = surrogate(kind).fit(W, y).predict(random.dirichlet(np.ones(domains), 10))
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()
    assert np.all(std >= 0)


def test_an_unknown_kind_names_the_kinds():
    with pytest.raises(ValueError, match="'oracle'; the kinds are auto, gp"):
        surrogate("oracle")


def test_cross_validation_sees_no_run_that_it_predicts():
    # Random results: a fit that saw them would rank its training rows nearly perfectly.
    W, _ = runs(60, 5)
    y = np.random.default_rng(1).standard_normal(60)
    model = surrogate("lightgbm").fit(W, y)
    assert spearman(model.predict(W)[0], y) > 0.8
    report = cross_validate("lightgbm", W, y, repeats=2)
    assert abs(report.spearman) < 0.35
    assert report.low < 0.1
    assert report.low < report.spearman < report.high


@EVERY
def test_cross_validation_agrees_with_new_runs(kind):
    W, y = runs(60, 4, noise=0.05)
    V, z = runs(2000, 4, seed=1, noise=0.05)
    report = cross_validate(kind, W, y, repeats=1)
    mean, _ = surrogate(kind).fit(W, y).predict(V)
    assert report.low - 0.05 < spearman(mean, z) < report.high + 0.05
    # Fits to four fifths of few runs are worse than the fit to all of them, not better.
    assert 0.8 < report.rmse / np.sqrt(np.mean((mean - z) ** 2)) < 1.6
    assert json.loads(json.dumps(report.to_dict()))["runs"] == 60


def test_cross_validation_is_repeatable():
    W, y = runs(30, 4, noise=0.05)
    assert cross_validate("gp", W, y) == cross_validate("gp", W, y)
    assert cross_validate("gp", W, y) != cross_validate("gp", W, y, seed=1)


def test_more_runs_narrow_the_interval():
    narrow, wide = (cross_validate("linear", *runs(n, 4, noise=0.1)) for n in (200, 25))
    assert narrow.high - narrow.low < 0.7 * (wide.high - wide.low)


def test_copies_of_a_mixture_stand_on_one_side():
    # Noise that all runs of a mixture share: a fit that saw one of them knows the others.
    random = np.random.default_rng(0)
    W = np.repeat(random.dirichlet(np.ones(5), 20), 5, axis=0)
    y = np.repeat(random.standard_normal(20), 5) + 0.01 * random.standard_normal(100)
    report = cross_validate("gp", W, y)
    assert (report.runs, report.mixtures) == (100, 20)
    assert report.low < 0.2
    assert abs(report.spearman) < 0.5
    assert spearman(surrogate("gp").fit(W, y).predict(W)[0], y) > 0.9


def test_a_constant_scores_nothing_and_a_leak_everything():
    W, _ = runs(30, 3)
    report = cross_validate("linear", W, np.full(30, 0.1))
    assert (report.spearman, report.low, report.high) == (0, 0, 0)
    assert report.rmse < 1e-12
    assert cross_validate("linear", W, W @ [1.0, 2.0, 4.0]).low > 0.99


@pytest.mark.parametrize("n", range(6))
def test_of_fewer_than_three_mixtures_nothing_is_known(n):
    W, y = runs(6, 3)
    W[2:] = W[:1]
    report = cross_validate("auto", W[:n], y[:n])
    assert (report.spearman, report.low, report.high, report.folds, report.repeats) == (0, -1, 1, 0, 0)
    assert report.rmse == (pytest.approx(y[:n].std()) if n else 0)
    json.dumps(report.to_dict(), allow_nan=False)


def test_cross_validation_refuses_what_is_no_procedure():
    W, y = runs(10, 3)
    with pytest.raises(ValueError, match="at least 2 folds"):
        cross_validate("linear", W, y, folds=1)
    with pytest.raises(ValueError, match="kinds are auto"):
        cross_validate("oracle", W[:1], y[:1])


def test_spearman_is_scipys():
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    a, b = random.integers(0, 8, (2, 50)).astype(float)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    assert spearman(np.ones(50), b) == 0
