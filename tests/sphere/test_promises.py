"""F never falls, E-steps are certified and masses meet an infinite balance, for every n, lambda and type of X."""

import threading
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from support import clustered
from threadpoolctl import threadpool_info

from gemix.runtime.threads import one_blas_thread
from gemix.sphere import GEM, KMeans, SphericalKMeans, VonMisesFisherMixture, levels, steps


@pytest.fixture
def small_samples(monkeypatch):
    """Let fits of a few thousand rows go through samples, as those of many more do."""
    monkeypatch.setattr(levels, "_MIN_ROWS", 500)
    monkeypatch.setattr(levels, "_MIN_ROWS_A_COMPONENT", 8)
    monkeypatch.setattr(steps, "_REFERENCE_ROWS", 500)


def check(model: GEM) -> None:
    assert model.converged_
    check_ascent(model)
    assert model.duality_gap_ <= model.tol / 10
    if model.balance == np.inf:
        assert np.abs(model.masses_ / model.target_ - 1).max() <= 1e-3


def check_ascent(model: GEM) -> None:
    assert not model.reseeded_ or model.reseeded_[-1][0] <= 5
    first = 2 * model.reseeded_[-1][0] if model.reseeded_ else 0
    assert np.diff(model.objective_[first:]).min(initial=0) >= -1e-12 * np.abs(model.objective_).max()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("balance", [1e5, 1e6, np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_strong_balance_on_samples(small_samples, dtype, balance, seed):
    x, _ = clustered(4000, 24, 24, 0.3, seed)
    check(GEM(24, balance=balance, random_state=seed).fit(x.astype(dtype)))


@pytest.mark.parametrize(("n", "d", "k", "balance"), [(20_000, 24, 48, 1e6), (35_000, 24, 48, np.inf)])
def test_strong_balance_on_more_rows(n, d, k, balance):
    x, _ = clustered(n, d, k, 0.3, 0)
    check(GEM(k, balance=balance, random_state=0).fit(x.astype(np.float32)))


@pytest.mark.parametrize("share", [0.3, 0.5])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("balance", ["auto", np.inf])
def test_copies_are_named_and_do_not_break_the_ascent(dtype, balance, share):
    x, _ = clustered(3000, 24, 12, 0.3, 1)
    x[100 : 100 + int(share * 3000)] = x[100]
    with pytest.warns(
        UserWarning, match=rf"{share:.1%} of the weight are copies of one row \(the first is row 100\)"
    ) as seen:
        model = GEM(12, balance=balance, random_state=0).fit(x.astype(dtype))
    if balance == np.inf and dtype != "float64" and not model.converged_:
        # The copies' ties are broken by less than float32 tells apart: what is not kept is said.
        check_ascent(model)
        assert any("below its optimum" in str(warning.message) for warning in seen)
    else:
        check(model)
    assert model.copies_ == [(pytest.approx(share), 100)]
    assert model.sizes_.max() >= share > 2 / 12
    assert model.masses_.sum() == pytest.approx(1)


def test_without_a_prior_kappa_is_bounded_and_that_is_said():
    x, _ = clustered(2000, 16, 6, 0.3, 2)
    x[:600] = x[0]
    with pytest.warns(UserWarning, match="concentrations are at their bound") as seen:
        model = GEM(6, prior_strength=0, random_state=0).fit(x.astype(np.float32))
    assert any("copies of one row" in str(warning.message) for warning in seen)
    assert model.concentrations_.max() == pytest.approx(0.01 / np.finfo(np.float32).eps)
    check_ascent(model)
    assert model.converged_ or any(isinstance(warning.message, ConvergenceWarning) for warning in seen)


def test_what_is_not_reached_is_said(zipf):
    with pytest.warns(ConvergenceWarning, match=r"3 iterations ended before F settled to tol=0.0001"):
        assert not GEM(8, max_iter=3, random_state=0).fit(zipf[0]).converged_


def test_an_e_step_that_stays_below_its_optimum_is_no_convergence(small_samples, monkeypatch):
    monkeypatch.setattr(steps, "_TRIES", 1)
    monkeypatch.setattr(steps, "_EVALUATIONS", 1)
    x, _ = clustered(4000, 24, 24, 0.3, 0)
    with pytest.warns(ConvergenceWarning, match="below its optimum"):
        assert not GEM(24, balance=np.inf, random_state=0).fit(x).converged_


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tol": None}, "tol must be a finite number >= 0"),
        ({"tol": float("nan")}, "tol must be a finite number >= 0"),
        ({"tol": -1e-4}, "tol must be a finite number >= 0"),
        ({"n_init": "auto"}, "n_init must be a positive integer"),
        ({"n_init": 1.5}, "n_init must be a positive integer"),
        ({"max_iter": None}, "max_iter must be a positive integer"),
        ({"prior_strength": float("nan")}, "prior_strength must be a finite number >= 0"),
        ({"balance": float("nan")}, "balance"),
        ({"target": [1, 0, 1]}, "3 positive numbers"),
        ({"target": [1, 1, 1, 1]}, "3 positive numbers"),
        ({"target": [1, 1, "x"]}, "3 positive numbers"),
    ],
)
def test_bad_parameters_are_refused_with_the_rule(zipf, parameters, message):
    with pytest.raises(ValueError, match=message):
        GEM(3, **parameters).fit(zipf[0])


@pytest.mark.parametrize("kind", [GEM, KMeans, SphericalKMeans, VonMisesFisherMixture])
def test_a_saved_model_gives_back_all_that_was_fitted(zipf, tmp_path, kind):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(zipf[0], columns=[f"x{i}" for i in range(24)])
    model = kind(8, random_state=0).fit(frame)
    model.save(tmp_path)
    again = kind.load(tmp_path)
    fitted = [name for name in vars(model) if name.endswith("_") and not name.startswith("_")]
    assert {"labels_", "sizes_", "masses_", "feature_names_in_", "n_iter_"} <= set(fitted)
    for name in fitted:
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name), err_msg=name)


def test_a_newer_or_incomplete_model_is_refused(zipf, tmp_path):
    GEM(8, random_state=0).fit(zipf[0]).save(tmp_path)
    config = tmp_path / "config.json"
    whole = config.read_text()
    for wrong, message in (
        (whole.replace('"schema": 1', '"schema": 99'), "schema is 99 and this gemix reads up to 1"),
        (whole.replace('"schema": 1,', ""), "no schema number"),
        (whole.replace('"n_iter"', '"n"'), "not saved whole"),
        ("[]", "no usable model"),
    ):
        config.write_text(wrong)
        with pytest.raises(ValueError, match=message):
            GEM.load(tmp_path)


def test_blas_threads_are_what_they_were_after_overlapping_fits():
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    inside, left = threading.Event(), threading.Event()

    def other() -> None:
        with one_blas_thread():
            inside.set()
            left.wait(10)

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        assert inside.wait(10)
    left.set()
    thread.join()
    assert threads() == before


def test_weights_equal_repetition_whatever_the_order(zipf):
    x = zipf[0][:300]
    weights = np.random.default_rng(0).integers(0, 4, 300)
    repeated = np.random.default_rng(1).permutation(np.repeat(x, weights, axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a = GEM(5, random_state=0).fit(x, sample_weight=weights)
        b = GEM(5, random_state=0).fit(repeated)
    np.testing.assert_allclose(a.mean_directions_, b.mean_directions_, atol=1e-6)
    np.testing.assert_array_equal(a.predict(x), b.predict(x))
