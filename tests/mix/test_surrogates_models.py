"""What each surrogate claims about itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.mix.surrogates import surrogate
from gemix.mix.surrogates.boosting import Boosted
from gemix.mix.surrogates.folds import mixtures_of, split
from gemix.mix.surrogates.gp import GaussianProcess
from gemix.mix.surrogates.kernel import Parameters, covariance, negative_log_posterior, parts, prior
from gemix.mix.surrogates.validate import spearman


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 15), domains=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_the_gradient_of_the_posterior_is_its_derivative(n, domains, seed):
    random = np.random.default_rng(seed)
    X = np.sqrt(random.dirichlet(np.ones(domains), n))
    X -= X.mean(axis=0)
    z = random.standard_normal(n)
    mean, std = prior(domains)
    theta = mean + 0.5 * std * random.standard_normal(len(mean))
    value, gradient = negative_log_posterior(theta, X, z)
    step = 1e-5
    for i, direction in enumerate(np.eye(len(theta))):
        up, down = (negative_log_posterior(theta + s * step * direction, X, z)[0] for s in (1, -1))
        assert (up - down) / (2 * step) == pytest.approx(gradient[i], rel=2e-4, abs=2e-4)
    assert np.isfinite(value)


def test_the_matern_part_is_scikit_learns():
    from sklearn.gaussian_process.kernels import Matern

    random = np.random.default_rng(0)
    X, V = random.random((9, 4)), random.random((7, 4))
    scales = np.array([0.3, 1.0, 2.0, 9.0])
    ours = parts(X / scales, V / scales)[0]
    np.testing.assert_allclose(ours, Matern(scales, nu=2.5)(X, V), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), signal=st.floats(0.01, 10), slope=st.floats(0.001, 10))
def test_the_covariance_is_positive(seed, signal, slope):
    random = np.random.default_rng(seed)
    A = random.standard_normal((12, 5))
    C = covariance(A, A, Parameters(np.ones(5), signal, slope, 0.1))
    np.testing.assert_allclose(C, C.T)
    assert np.linalg.eigvalsh(C).min() > -1e-9 * np.abs(C).max()


def test_the_posterior_is_the_textbook_one():
    random = np.random.default_rng(0)
    W = random.dirichlet(np.ones(4), 25)
    y = np.sqrt(W[:, 0]) + 0.05 * random.standard_normal(25)
    V = random.dirichlet(np.ones(4), 6)
    model = GaussianProcess().fit(W, y)
    p = model.parameters_
    A, B = ((np.sqrt(M) - model.center_) / p.length_scales for M in (W, V))
    C = covariance(A, A, p) + (p.noise + 1e-8) * np.eye(25)
    across = covariance(B, A, p)
    z = (y - y.mean()) / y.std()
    mean, std = model.predict(V)
    np.testing.assert_allclose(mean, y.mean() + y.std() * across @ np.linalg.solve(C, z), rtol=1e-7)
    variance = np.diag(covariance(B, B, p) - across @ np.linalg.solve(C, across.T)) + p.noise
    np.testing.assert_allclose(std, y.std() * np.sqrt(variance), rtol=1e-5)


def test_length_scales_find_the_domains_that_matter():
    random = np.random.default_rng(0)
    W = random.dirichlet(np.ones(6), 80)
    y = np.exp(-3 * np.sqrt(W[:, 2])) + 0.005 * random.standard_normal(80)
    scales = GaussianProcess().fit(W, y).parameters_.length_scales
    assert scales.argmin() == 2
    assert np.delete(scales, 2).min() > 2 * scales[2]


def test_noise_is_learned():
    random = np.random.default_rng(0)
    W = random.dirichlet(np.ones(3), 200)
    for noise in (0.02, 0.2):
        y = np.sqrt(W[:, 0]) + noise * random.standard_normal(200)
        model = GaussianProcess().fit(W, y)
        assert np.sqrt(model.parameters_.noise) * model.scale_ == pytest.approx(noise, rel=0.2)


@pytest.mark.parametrize("kind", ["gp", "auto"])
def test_the_trend_goes_on_beyond_the_runs(kind):
    # A falling loss, of which only the upper part was run. A process without its linear part turns the order of the
    # unseen part around, and its best mixture is the edge of what it knows.
    random = np.random.default_rng(0)
    W = random.dirichlet(np.full(6, 0.7), 400)
    y = 2 * np.exp(-1.5 * np.sqrt(W[:, 0])) + 0.01 * random.standard_normal(400)
    seen = W[:, 0] < 0.15
    model = surrogate(kind).fit(W[seen][:100], y[seen][:100])
    assert spearman(model.predict(W[~seen])[0], y[~seen]) > 0.9
    corner = np.eye(6)[:1]
    assert model.predict(corner)[0] < model.predict(W[seen])[0].min()
    assert model.predict(corner)[1] > model.predict(W[seen])[1].max() or kind == "auto"


def test_linear_with_enough_runs_is_least_squares():
    random = np.random.default_rng(0)
    W = random.dirichlet(np.ones(5), 300)
    y = W @ [1.0, 2, 3, 4, 5] + 0.01 * random.standard_normal(300)
    V = random.dirichlet(np.ones(5), 20)
    expected = V @ np.linalg.lstsq(W, y, rcond=None)[0]
    np.testing.assert_allclose(surrogate("linear").fit(W, y).predict(V)[0], expected, atol=2e-4)


def test_loglinear_finds_its_own_law():
    random = np.random.default_rng(0)
    W = random.dirichlet(np.ones(4), 200)
    y = 2.5 + np.exp(W @ [-1.5, 0.5, 0.0, 1.0]) + 0.001 * random.standard_normal(200)
    model = surrogate("loglinear").fit(W, y)
    V = random.dirichlet(np.full(4, 0.3), 50)
    np.testing.assert_allclose(model.predict(V)[0], 2.5 + np.exp(V @ [-1.5, 0.5, 0.0, 1.0]), atol=0.02)
    assert model.mean_ + model.scale_ * model.floor_ == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize("n", [12, 30, 64])
def test_trees_do_not_predict_a_constant(n):
    random = np.random.default_rng(0)
    W = random.dirichlet(np.ones(4), n)
    mean, _ = Boosted().fit(W, W[:, 0]).predict(W)
    assert len(np.unique(mean)) > 3
    assert spearman(mean, W[:, 0]) > 0.7


def test_trees_report_left_out_error_not_training_error():
    random = np.random.default_rng(0)
    W = random.dirichlet(np.ones(4), 80)
    y = random.standard_normal(80)
    mean, std = Boosted().fit(W, y).predict(W)
    assert np.sqrt(np.mean((mean - y) ** 2)) < 0.8 * y.std()
    assert std[0] > 0.95 * y.std()


def test_the_average_favours_what_predicts_left_out_runs():
    random = np.random.default_rng(0)
    W = random.dirichlet(np.full(6, 0.5), 100)
    curved = surrogate("auto").fit(W, np.exp(-4 * np.sqrt(W[:, 0])) + 0.01 * random.standard_normal(100))
    kinds = [member.kind for member in curved.members_]
    assert curved.weights_.sum() == pytest.approx(1)
    assert np.all(curved.weights_ > 0)
    assert kinds[int(curved.weights_.argmax())] == "gp"
    assert curved.weights_[kinds.index("gp")] > 3 * curved.weights_[kinds.index("linear")]


def test_the_average_doubts_where_its_members_disagree():
    random = np.random.default_rng(0)
    W = random.dirichlet(np.full(6, 0.5), 60)
    model = surrogate("auto").fit(W, np.exp(-4 * np.sqrt(W[:, 0])))
    V = random.dirichlet(np.full(6, 0.5), 50)
    means = np.array([member.predict(V)[0] for member in model.members_]) * model.scale_
    _, std = model.predict(V)
    between = np.sqrt(model.weights_ @ (means - model.weights_ @ means) ** 2)
    assert np.all(std >= between)


@given(n=st.integers(3, 60), copies=st.integers(0, 40), folds=st.integers(2, 8), seed=st.integers(0, 100))
def test_every_mixture_is_left_out_once_with_its_copies(n, copies, folds, seed):
    random = np.random.default_rng(seed)
    W = random.dirichlet(np.ones(3), n)
    W = np.concatenate([W, W[random.integers(n, size=copies)] + 1e-12])[random.permutation(n + copies)]
    groups = mixtures_of(W)
    assert np.array_equal(np.unique(groups, return_index=True)[1], np.sort(np.unique(groups, return_index=True)[1]))
    pairs = list(split(groups, folds, seed))
    assert len(pairs) == min(folds, n)
    assert sorted(np.concatenate([left for _, left in pairs])) == list(range(n + copies))
    for kept, left in pairs:
        assert sorted(np.concatenate([kept, left])) == list(range(n + copies))
        assert not set(groups[kept]) & set(groups[left])
