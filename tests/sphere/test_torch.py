import numpy as np
import pytest
from support import clustered

from gemix.sphere import GEM, SphericalKMeans, VonMisesFisherMixture, levels, steps
from gemix.sphere.rows import Rows
from gemix.sphere.torch_rows import TorchRows

torch = pytest.importorskip("torch")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return clustered(5000, 32, 6, 0.2, seed=1)[0]


@pytest.fixture
def small_samples(monkeypatch):
    """Subsamples and a reference that is not everything, on few rows."""
    monkeypatch.setattr(levels, "_MIN_ROWS", 300)
    monkeypatch.setattr(levels, "_MIN_ROWS_A_COMPONENT", 10)
    monkeypatch.setattr(steps, "_REFERENCE_ROWS", 200)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("balance", [0.0, 5000.0, np.inf])
@pytest.mark.usefixtures("small_samples")
def test_the_same_model_on_tensors_and_arrays(data, device, balance):
    arguments = {"balance": balance, "random_state": 0}
    ours = GEM(6, **arguments).fit(data)
    for theirs in (
        GEM(6, **arguments).fit(torch.tensor(data, device=device)),
        GEM(6, device=device, **arguments).fit(data),
    ):
        np.testing.assert_allclose(theirs.mean_directions_, ours.mean_directions_, atol=1e-5)
        np.testing.assert_allclose(theirs.concentrations_, ours.concentrations_, rtol=1e-5)
        np.testing.assert_allclose(theirs.masses_, ours.masses_, atol=1e-6)
        assert (theirs.labels_ == ours.labels_).mean() > 0.999
        assert theirs.n_iter_ == ours.n_iter_


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_prediction_agrees_and_small_types_are_computed_in_float32(data, device, dtype):
    x = torch.tensor(data, device=device).to(getattr(torch, dtype))
    model = GEM(6, balance=500, random_state=0).fit(x)
    assert model.duality_gap_ <= 1e-6 * abs(model.objective_[-1])
    host = x.float().cpu().numpy()
    assert (model.predict(x) == model.predict(host)).all()
    np.testing.assert_allclose(model.predict_proba(x), model.predict_proba(host), atol=1e-4)
    np.testing.assert_allclose(model.transform(x), model.transform(host), atol=1e-5)
    np.testing.assert_allclose(model.score_samples(x), model.score_samples(host), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("estimator", [SphericalKMeans, VonMisesFisherMixture])
def test_baselines_take_tensors(data, estimator):
    ours, theirs = estimator(6, random_state=0).fit(data), estimator(6, random_state=0).fit(torch.tensor(data))
    np.testing.assert_allclose(theirs.mean_directions_, ours.mean_directions_, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_statistics_are_those_of_numpy(data, device):
    random = np.random.default_rng(0)
    weights = random.uniform(0.1, 5.0, len(data))
    directions, bias, potentials = 20 * data[:7], random.normal(size=7), random.normal(size=7)
    ours, theirs = Rows(data, weights), TorchRows(torch.tensor(data), weights, device)
    for a, b in (
        (ours.statistics(directions, bias, potentials), theirs.statistics(directions, bias, potentials)),
        (ours.nearest(data[:7]), theirs.nearest(data[:7])),
    ):
        np.testing.assert_allclose(b.masses, a.masses, atol=1e-12)
        np.testing.assert_allclose(b.sums, a.sums, atol=1e-12)
        assert b.log_sum == pytest.approx(a.log_sum, abs=1e-10)
    a, b = (rows.weighted_scores(directions, bias, potentials).evaluate(potentials, True) for rows in (ours, theirs))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(y, x, atol=1e-10)


def test_bad_tensors_are_refused(data):
    x = torch.tensor(data[:50])
    x[7, 3] = torch.nan
    with pytest.raises(ValueError, match="row is 7"):
        GEM(3).fit(x)
    x[7] = 0
    with pytest.raises(ValueError, match="row 7"):
        GEM(3).fit(x)
    for wrong in (x.long(), x[0], x[:0], x[:, :1]):
        with pytest.raises(ValueError, match="two-dimensional tensor"):
            GEM(3).fit(wrong)
    model = GEM(3, random_state=0).fit(torch.tensor(data[:50]))
    with pytest.raises(ValueError, match="features"):
        model.predict(torch.tensor(data[:50, :20]))
