import numpy as np
import pytest
import sklearn.cluster

from gemix.sphere import KMeans, SphericalKMeans, VonMisesFisherMixture, metrics


@pytest.mark.parametrize("kind", [KMeans, SphericalKMeans, VonMisesFisherMixture])
def test_share_the_contract_and_survive_a_round_trip(zipf, tmp_path, kind):
    x, _ = zipf
    model = kind(8, random_state=0).fit(x)
    np.testing.assert_array_equal(model.labels_, model.predict(x))
    assert model.masses_.sum() == pytest.approx(1)
    proba = model.predict_proba(x)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_array_equal(proba.argmax(axis=1), model.labels_)
    np.testing.assert_allclose(model.transform(x), x @ model.mean_directions_.T, atol=1e-9)
    model.save(tmp_path)
    np.testing.assert_array_equal(kind.load(tmp_path).predict(x), model.labels_)


def test_kmeans_is_scikit_learns(zipf):
    x, _ = zipf
    ours = KMeans(8, random_state=0).fit(x)
    theirs = sklearn.cluster.KMeans(8, n_init=1, random_state=0).fit(x)
    np.testing.assert_array_equal(ours.labels_, theirs.predict(x))


def test_spherical_kmeans_climbs_to_a_fixed_point(zipf):
    x, _ = zipf
    model = SphericalKMeans(8, random_state=0, tol=0).fit(x)
    assert np.diff(model.objective_).min() >= -1e-12
    for k in range(8):
        mean = x[model.labels_ == k].sum(axis=0)
        np.testing.assert_allclose(mean / np.linalg.norm(mean), model.mean_directions_[k], atol=1e-9)


def test_mixture_learns_its_weights_and_never_falls(zipf):
    model = VonMisesFisherMixture(8, random_state=0).fit(zipf[0])
    assert np.diff(model.objective_).min() >= -1e-12 * abs(model.objective_[-1])
    np.testing.assert_allclose(model.weights_, model.masses_, atol=0.01)
    assert metrics.smallest_to_uniform(model.weights_) < 0.6


def test_empty_clusters_are_reseeded():
    x = np.repeat(np.eye(3), [40, 1, 1], axis=0)
    model = SphericalKMeans(3, random_state=0).fit(x)
    assert sorted(np.bincount(model.labels_, minlength=3)) == [1, 1, 40]
