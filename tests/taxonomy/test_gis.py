import warnings

import numpy as np
import pytest
from neighbours_data import density_by_definition
from support import clustered

from gemix import GEM
from gemix.runtime.errors import GemixError
from gemix.sphere.vmf import log_normalizer
from gemix.taxonomy import cosines, gis
from gemix.taxonomy.gis import influence_scores


@pytest.fixture(scope="module")
def fitted() -> tuple[np.ndarray, GEM]:
    X, _ = clustered(n=600, d=16, k=4, noise=0.2, seed=3)
    return X, GEM(4, random_state=0).fit(X)


def test_scores_are_the_formula(fitted: tuple[np.ndarray, GEM]) -> None:
    X, model = fitted
    g, labels = model.predict_proba(X), model.predict(X)
    scores = influence_scores(X, model)
    for k in range(4):
        rows = np.flatnonzero(labels == k)
        density = density_by_definition(X[rows], 8)
        kappa = model.concentrations_[k]
        log_f = log_normalizer(16, kappa) + kappa * (X[rows] @ model.mean_directions_[k])
        expected = np.log(g[rows, k]) + log_f + 0.5 * np.log(density)
        np.testing.assert_allclose(scores[rows], expected, rtol=1e-5)


def test_modes_are_the_terms(fitted: tuple[np.ndarray, GEM]) -> None:
    X, model = fitted
    confidence = influence_scores(X, model, mode="confidence")
    centre = influence_scores(X, model, mode="centre")
    np.testing.assert_allclose(confidence, np.log(model.predict_proba(X).max(axis=1)), rtol=1e-6)
    np.testing.assert_allclose(influence_scores(X, model, beta=0.0), confidence + centre)
    first, again, other = (influence_scores(X, model, mode="random", seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_unknown_mode(fitted: tuple[np.ndarray, GEM]) -> None:
    with pytest.raises(GemixError, match=r"'central'.*gis, random, confidence, centre"):
        influence_scores(*fitted, mode="central")


def test_float16_memmap_in_blocks(fitted: tuple[np.ndarray, GEM], tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, model = fitted
    np.save(tmp_path / "x.npy", X.astype(np.float16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    whole = influence_scores(mapped, model)
    np.testing.assert_allclose(whole, influence_scores(X, model), atol=0.2)
    monkeypatch.setattr(cosines, "BLOCK_VALUES", 16 * 37)
    np.testing.assert_allclose(influence_scores(mapped, model), whole, atol=1e-3)


def test_scores_are_finite_when_documents_are_one_each(fitted: tuple[np.ndarray, GEM]) -> None:
    X, model = fitted
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.all(np.isfinite(influence_scores(X[:1], model)))
        assert np.all(np.isfinite(influence_scores(-X[:3], model)))


def test_long_work_shows_its_progress(
    fitted: tuple[np.ndarray, GEM], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    influence_scores(*fitted)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(gis, "_LONG", 1000)
    influence_scores(*fitted)
    assert capsys.readouterr().err.startswith("neighbours: 600 documents in")
