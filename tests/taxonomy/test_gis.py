import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import clustered

from gemix import GEM
from gemix.errors import GemixError
from gemix.sphere.vmf import log_normalizer
from gemix.taxonomy import gis
from gemix.taxonomy.gis import MIN_DENSITY, influence_scores, local_density


@pytest.fixture(scope="module")
def fitted() -> tuple[np.ndarray, GEM]:
    X, _ = clustered(n=600, d=16, k=4, noise=0.2, seed=3)
    return X, GEM(4, random_state=0).fit(X)


def density_by_definition(X: np.ndarray, neighbours: int) -> np.ndarray:
    cosines = X @ X.T
    out = []
    for i in range(len(X)):
        others = np.sort(np.delete(cosines[i], i))[::-1]
        out.append(others[:neighbours].mean() if len(others) else 0.0)
    return np.maximum(out, MIN_DENSITY)


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
    monkeypatch.setattr(gis, "_BLOCK_VALUES", 16 * 37)
    np.testing.assert_allclose(influence_scores(mapped, model), whole, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 30), neighbours=st.integers(1, 12), block=st.integers(1, 200), seed=st.integers(0, 99))
def test_density_is_exact_whatever_the_blocks(n: int, neighbours: int, block: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 5))
    X[n // 2 :] = X[: n - n // 2]  # copies: a document's copy is its neighbour, the document itself is not
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gis, "_BLOCK_VALUES", block)
        density = local_density(X, np.arange(n), neighbours)
    np.testing.assert_allclose(density, density_by_definition(unit, neighbours), rtol=1e-5, atol=1e-6)


def test_density_of_few_and_opposite_documents() -> None:
    X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert local_density(X, np.array([2]), 8).tolist() == [MIN_DENSITY]
    assert local_density(X, np.array([0, 1]), 8).tolist() == [MIN_DENSITY, MIN_DENSITY]
    assert local_density(X, np.array([], dtype=int), 8).shape == (0,)


def test_large_domains_look_for_neighbours_in_a_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    X, _ = clustered(n=500, d=8, k=1, noise=0.3, seed=1)
    exact = local_density(X, np.arange(500), 8)
    monkeypatch.setattr(gis, "MAX_REFERENCES", 125)
    subset = local_density(X, np.arange(500), 8)
    assert np.all(subset <= exact + 1e-6)
    assert np.corrcoef(exact, subset)[0, 1] > 0.8


def test_scores_are_finite_when_documents_are_one_each(fitted: tuple[np.ndarray, GEM]) -> None:
    X, model = fitted
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.all(np.isfinite(influence_scores(X[:1], model)))
        assert np.all(np.isfinite(influence_scores(-X[:3], model)))
