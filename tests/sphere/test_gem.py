import json
import re
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from support import clustered

from gemix.sphere import GEM, VonMisesFisherMixture, levels, metrics, mm, rows, steps
from gemix.sphere.dual import solve_dual
from gemix.sphere.mixture import Momentum, run_em, start_from
from gemix.sphere.scores import ArrayScores
from gemix.sphere.steps import ExactStep
from gemix.sphere.vmf import MAX_CONCENTRATION


@pytest.mark.parametrize("solver", ["exact", "mm"])
@pytest.mark.parametrize("concentration", ["free", "shared"])
@pytest.mark.parametrize("balance", ["auto", 0.0, 50.0, 5000.0])
def test_objective_never_falls(zipf, solver, concentration, balance):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GEM(8, balance=balance, solver=solver, concentration=concentration, max_iter=40, random_state=1)
        model.fit(zipf[0])
    assert len(model.objective_) == 2 * model.n_iter_ + 1
    assert not model.reseeded_
    assert np.diff(model.objective_).min() >= -1e-12 * abs(model.objective_[-1])
    if solver == "exact":
        assert model.duality_gap_ <= 1e-10 * abs(model.objective_[-1])
    if concentration == "shared":
        assert np.ptp(model.concentrations_) == 0


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(20, 300),
    d=st.integers(2, 40),
    k=st.integers(1, 8),
    balance=st.sampled_from([0.0, 5.0, 500.0]),
    strength=st.sampled_from([0.0, 1.0, 20.0]),
)
def test_objective_never_falls_on_random_problems_with_weights(seed, n, d, k, balance, strength):
    x, _ = clustered(n, d, k, 0.5, seed)
    weights = np.random.default_rng(seed).uniform(0.1, 5.0, n)
    model = GEM(k, balance=balance, prior_strength=strength, max_iter=300, tol=1e-9, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, sample_weight=weights)
    if not model.reseeded_:
        # Without a prior kappa may reach 1e8, and F is then a difference of terms that large.
        rounding = np.finfo(float).eps * model.concentrations_.max()
        slack = 1e-10 * max(1.0, np.abs(model.objective_).max()) + rounding
        assert np.diff(model.objective_).min(initial=0) >= -slack
    assert model.masses_.sum() == pytest.approx(1)
    np.testing.assert_allclose(np.linalg.norm(model.mean_directions_, axis=1), 1.0, atol=1e-9)


def test_balance_pulls_the_masses_to_the_target(zipf):
    x, _ = zipf
    spread = [
        np.linalg.norm(GEM(8, balance=balance, random_state=0).fit(x).masses_ - 1 / 8) for balance in (0, 100, 5000)
    ]
    assert spread[0] > 2 * spread[1] > 4 * spread[2]
    target = np.array([4.0, 3, 2, 2, 1, 1, 1, 2])
    model = GEM(8, balance=1e6, target=target, random_state=0).fit(x)
    np.testing.assert_allclose(model.masses_, target / target.sum(), atol=1e-3)
    hard = GEM(8, balance=np.inf, random_state=0).fit(x)
    np.testing.assert_allclose(hard.masses_, 1 / 8, atol=1e-9)


def test_what_is_balanced_in_fit_is_balanced_on_new_documents():
    x, _ = clustered(12000, 24, 8, 0.2, seed=3)
    model = GEM(8, balance=5000, random_state=0).fit(x[:6000])
    new = metrics.masses(model.predict(x[6000:]), 8)
    plain = metrics.masses(GEM(8, balance=0, random_state=0).fit(x[:6000]).predict(x[6000:]), 8)
    assert metrics.smallest_to_uniform(new) > 0.85
    assert metrics.smallest_to_uniform(plain) < 0.7


def test_weights_move_the_balance_to_tokens():
    x, truth = clustered(4000, 16, 4, 0.15, seed=5, skew=0.0)
    tokens = np.where(truth == 0, 10.0, 1.0)
    model = GEM(4, balance=5000, random_state=0).fit(x, sample_weight=tokens)
    assert metrics.smallest_to_uniform(metrics.masses(model.labels_, 4, tokens)) > 0.9
    assert metrics.smallest_to_uniform(metrics.masses(model.labels_, 4)) < 0.7


def test_weights_are_relative_and_zero_weight_means_absent(zipf):
    x, _ = zipf
    weights = np.ones(len(x))
    weights[1500:] = 0
    model = GEM(8, balance=100, random_state=0).fit(x, sample_weight=weights * 7)
    rows_only = GEM(8, balance=100, random_state=0).fit(x, sample_weight=weights)
    np.testing.assert_allclose(model.mean_directions_, rows_only.mean_directions_, atol=1e-9)
    # Seeding draws from the cumulated weights, so trailing rows of weight zero leave every draw where it was.
    without = GEM(8, balance=100, random_state=0).fit(x[:1500])
    np.testing.assert_allclose(model.mean_directions_, without.mean_directions_, atol=1e-9)


def test_recovers_separated_components():
    x, truth = clustered(3000, 32, 6, 0.1, seed=2, skew=0.0)
    model = GEM(6, random_state=0, n_init=3).fit(x)
    assert adjusted_rand_score(truth, model.labels_) > 0.95
    again = VonMisesFisherMixture(6, random_state=0, n_init=3).fit(x)
    assert adjusted_rand_score(truth, again.labels_) > 0.95


def test_copies_of_one_document_do_not_run_away():
    x, _ = clustered(10_000, 32, 8, 0.2, seed=7)
    x[:5] = x[0]
    for seed in range(2):
        model = GEM(24, balance=5000, random_state=seed).fit(x)
        assert model.concentrations_.max() < 20 * np.median(model.concentrations_)
        assert metrics.smallest_to_uniform(metrics.masses(model.labels_, 24)) > 0.8
    # Even a component that starts as the copies alone, and without balance, is held by the prior.
    copies = np.vstack([np.repeat(x[:1], 60, axis=0), x[5:2000]])
    loose = VonMisesFisherMixture(8, random_state=0, n_init=2).fit(copies)
    bare = VonMisesFisherMixture(8, prior_strength=0, random_state=0, n_init=2).fit(copies)
    assert loose.concentrations_.max() < MAX_CONCENTRATION / 1e4
    assert loose.concentrations_.max() < bare.concentrations_.max()


def test_fit_predict_equals_fit_then_predict(zipf):
    model = GEM(8, balance=500, random_state=0)
    labels = model.fit_predict(zipf[0])
    np.testing.assert_array_equal(labels, model.predict(zipf[0]))
    proba = model.predict_proba(zipf[0])
    np.testing.assert_array_equal(proba.argmax(axis=1), labels)
    np.testing.assert_allclose(proba.mean(axis=0), model.masses_, atol=1e-6)
    np.testing.assert_allclose(model.sizes_, np.bincount(labels, minlength=8) / len(labels))


def test_labels_of_mirror_ascent_are_those_of_its_assignments(zipf, monkeypatch):
    kept = []
    solve = mm.MirrorAscent.solve
    monkeypatch.setattr(mm.MirrorAscent, "solve", lambda self, *a: (kept.append(self), solve(self, *a))[1])
    model = GEM(8, balance=500, solver="mm", random_state=0).fit(zipf[0])
    np.testing.assert_array_equal(model.labels_, kept[-1].log_g.argmax(axis=1))
    # New documents fall by potentials that reproduce the masses: the same but for what the last sweeps left.
    proba = model.predict_proba(zipf[0])
    np.testing.assert_allclose(proba.mean(axis=0), model.masses_, atol=1e-6)
    assert np.mean(model.predict(zipf[0]) == model.labels_) > 0.98


def test_transform_gives_cosines_and_score_a_log_density(zipf):
    x, _ = zipf
    model = GEM(8, random_state=0).fit(x)
    np.testing.assert_allclose(model.transform(3.0 * x), x @ model.mean_directions_.T, atol=1e-12)
    # The density integrates to one: its mean inverse under itself is the area of the sphere; checked in two dimensions.
    angle = np.linspace(0, 2 * np.pi, 20_001)[:-1]
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    flat = GEM(3, balance=50, random_state=0).fit(np.add(circle[::40], (0.3, 0.1)))
    assert np.exp(flat.score_samples(circle)).mean() * 2 * np.pi == pytest.approx(1, rel=1e-6)
    assert model.score(x) == pytest.approx(model.score_samples(x).mean())


def test_chunks_and_precision_do_not_matter(zipf, tmp_path, monkeypatch):
    x, _ = zipf
    whole = GEM(8, balance=500, random_state=0).fit(x)
    np.save(tmp_path / "x.npy", x.astype(np.float16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    monkeypatch.setattr(rows, "CHUNK_VALUES", 24 * 97)
    np.testing.assert_allclose(
        GEM(8, balance=500, random_state=0).fit(x).mean_directions_, whole.mean_directions_, atol=1e-9
    )
    half = GEM(8, balance=500, random_state=0).fit(mapped)
    np.testing.assert_allclose(half.mean_directions_, whole.mean_directions_, atol=2e-3)
    assert np.mean(half.labels_ == whole.labels_) > 0.995


def test_the_same_seed_gives_the_same_model(zipf):
    a, b = (GEM(8, random_state=3).fit(zipf[0].astype(np.float32)) for _ in range(2))
    np.testing.assert_array_equal(a.mean_directions_, b.mean_directions_)
    np.testing.assert_array_equal(a.potentials_, b.potentials_)


def test_more_starts_are_never_worse(zipf):
    one = GEM(8, balance=500, random_state=0).fit(zipf[0])
    many = GEM(8, balance=500, random_state=0, n_init=4).fit(zipf[0])
    assert many.objective_[-1] >= one.objective_[-1]


def test_auto_balance_keeps_the_ratio(zipf):
    model = GEM(8, random_state=0).fit(zipf[0])
    assert 0.23 * 8 * 0.3 < model.balance_ / np.median(model.concentrations_) < 0.23 * 8 * 1.5


@pytest.mark.parametrize("balance", [500.0, np.inf, "auto"])
def test_save_and_load(zipf, tmp_path, balance):
    model = GEM(8, balance=balance, target=np.ones(8), random_state=0).fit(zipf[0])
    model.save(tmp_path / "teacher")
    again = GEM.load(tmp_path / "teacher")
    np.testing.assert_array_equal(again.predict_proba(zipf[0]), model.predict_proba(zipf[0]))
    np.testing.assert_array_equal(again.objective_, model.objective_)
    assert again.get_params()["balance"] == balance
    assert (again.balance_, again.duality_gap_, again.n_iter_) == (model.balance_, model.duality_gap_, model.n_iter_)
    json.loads((tmp_path / "teacher" / "config.json").read_text())
    with pytest.raises(ValueError, match="holds a GEM"):
        VonMisesFisherMixture.load(tmp_path / "teacher")
    tensors = tmp_path / "teacher" / "model.safetensors"
    damaged = bytearray(tensors.read_bytes())
    damaged[-3] ^= 1
    tensors.write_bytes(damaged)
    with pytest.raises(ValueError, match="checksum"):
        GEM.load(tmp_path / "teacher")
    with pytest.raises(ValueError, match="no usable model"):
        GEM.load(tmp_path / "nowhere")


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_bad_rows_are_named(dtype):
    x = np.random.default_rng(0).normal(size=(100, 5)).astype(dtype)
    zero, nan = x.copy(), x.copy()
    zero[41] = 0
    nan[17, 3] = np.nan
    with pytest.raises(ValueError, match=r"rows of zeros.*row 41"):
        GEM(3).fit(zero)
    with pytest.raises(ValueError, match=r"NaN or infinity.*17"):
        GEM(3).fit(nan)
    model = GEM(3, random_state=0).fit(x)
    with pytest.raises(ValueError, match=r"NaN or infinity.*17"):
        model.predict(nan)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"balance": -1}, "balance"),
        ({"balance": "strong"}, "balance"),
        ({"solver": "sinkhorn"}, "solver"),
        ({"solver": "mm", "balance": np.inf}, "exact"),
        ({"concentration": "tied"}, "concentration"),
        ({"target": [1, 2]}, "3 positive"),
        ({"target": [1, 0, 1]}, "3 positive"),
        ({"prior_strength": -1}, "prior_strength"),
        ({"n_init": 0}, "n_init"),
        ({"n_clusters": 0}, "n_clusters"),
        ({"n_clusters": 30}, "n_samples=20 should be >= n_clusters=30"),
    ],
)
def test_bad_parameters(parameters, message):
    x = np.random.default_rng(0).normal(size=(20, 4))
    with pytest.raises(ValueError, match=re.escape(message)):
        GEM(**{"n_clusters": 3} | parameters).fit(x)


def test_bad_weights():
    x = np.random.default_rng(0).normal(size=(20, 4))
    for weights in (np.zeros(20), -np.ones(20), np.ones(19), np.full(20, np.nan)):
        with pytest.raises(ValueError, match=r"(?i)weight"):
            GEM(3).fit(x, sample_weight=weights)


def test_empty_components_start_anew_and_are_reported(zipf):
    data = rows.Rows(zipf[0])
    log_alpha = np.full(8, -np.log(8))
    seeds = zipf[0][:8].copy()
    start, prior = start_from(data, seeds, log_alpha, 20.0 / 2000, None, shared=False)
    start.directions[5] = -zipf[0].mean(axis=0) / np.linalg.norm(zipf[0].mean(axis=0))
    start.concentrations[5] = 1e4
    fit = run_em(
        data, start, ExactStep(0.0, np.full(8, 1 / 8), 1e-6), prior, shared=False, max_iter=50, tol=1e-6,
        momentum=Momentum(1e8, False),
        reseed=lambda m: zipf[0][100 : 100 + m],
    )  # fmt: skip
    assert fit.reseeded == [(1, 5)]
    assert not fit.shortfall
    assert fit.assignment.masses.min() > 0.01
    # From the re-seeding on, F climbs again.
    assert np.diff(fit.objective[2:]).min() >= -1e-12 * abs(fit.objective[-1])


def test_more_components_than_distinct_rows():
    model = GEM(4, balance=50, random_state=0).fit(np.repeat(np.eye(2), 10, axis=0))
    assert np.all(np.isfinite(model.concentrations_))
    assert model.masses_.sum() == pytest.approx(1)


def test_a_tempered_target_lies_between_uniform_and_natural():
    x, truth = clustered(3000, 24, 6, 0.15, seed=3, skew=1.0)
    natural = np.sort(np.bincount(truth)) / 3000
    spread = {}
    for temper in (0.0, 0.5, 1.0):
        model = GEM(6, balance=5000, target="tempered", temper=temper, n_init=3, random_state=0).fit(x)
        np.testing.assert_allclose(model.masses_, model.target_, atol=0.01)
        assert model.target_.sum() == pytest.approx(1)
        spread[temper] = np.sort(model.target_)
    np.testing.assert_allclose(spread[0.0], 1 / 6)
    np.testing.assert_allclose(spread[1.0], natural, atol=0.03)
    assert spread[0.0][-1] < spread[0.5][-1] < spread[1.0][-1]
    root = np.sqrt(spread[1.0])
    np.testing.assert_allclose(spread[0.5], root / root.sum(), atol=0.02)


def test_subsamples_lead_to_a_maximum_of_all_rows(monkeypatch):
    x, _ = clustered(6000, 16, 6, 0.4, seed=4)
    whole = GEM(6, balance=500, random_state=0, tol=1e-8).fit(x)
    monkeypatch.setattr(levels, "_MIN_ROWS", 300)
    monkeypatch.setattr(levels, "_MIN_ROWS_A_COMPONENT", 10)
    monkeypatch.setattr(steps, "_REFERENCE_ROWS", 200)
    model = GEM(6, balance=500, random_state=0, tol=1e-8).fit(x)
    # The reference sees one row in thirty, yet the E-step of all rows is certified and F climbs at every step.
    assert model.duality_gap_ < 1e-7 * abs(model.objective_[-1])
    assert np.diff(model.objective_).min() >= -1e-12 * abs(model.objective_[-1])
    assert model.converged_
    assert model.objective_[-1] == pytest.approx(whole.objective_[-1], abs=0.02)
    again = GEM(6, balance=500, random_state=0, tol=1e-8).fit(x)
    np.testing.assert_array_equal(again.mean_directions_, model.mean_directions_)
    # The last E-step is the optimum that the dual finds on all scores.
    scores = x @ (model.concentrations_[:, None] * model.mean_directions_).T + model.bias_
    exact = solve_dual(ArrayScores(scores, np.full(6000, 1 / 6000)), np.full(6, 1 / 6), 500.0)
    np.testing.assert_allclose(exact.masses, model.masses_, atol=1e-5)
