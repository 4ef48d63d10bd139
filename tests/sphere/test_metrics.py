import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score

from gemix.sphere import metrics

partitions = st.lists(st.floats(0.01, 100), min_size=1, max_size=30).map(lambda p: np.array(p) / np.sum(p))


@given(partitions)
def test_ranges(p):
    k = len(p)
    assert 0 <= metrics.normalized_entropy(p) <= 1 + 1e-12
    assert 1 - 1e-9 <= metrics.effective_domains(p) <= k + 1e-9
    assert metrics.smallest_to_uniform(p) <= 1 + 1e-9 <= metrics.largest_to_uniform(p) + 2e-9
    if k > 1:
        assert metrics.effective_domains(p) == pytest.approx(k ** metrics.normalized_entropy(p))


def test_known_values():
    assert metrics.normalized_entropy([0.25] * 4) == pytest.approx(1)
    assert metrics.normalized_entropy([1, 0, 0]) == 0
    assert metrics.effective_domains([0.5, 0.5, 0, 0]) == pytest.approx(2)
    assert metrics.smallest_to_uniform([0.5, 0.3, 0.2]) == pytest.approx(0.6)
    assert metrics.largest_to_uniform([0.5, 0.3, 0.2]) == pytest.approx(1.5)
    np.testing.assert_allclose(metrics.masses([0, 0, 2], 4), [2 / 3, 0, 1 / 3, 0])
    np.testing.assert_allclose(metrics.masses([0, 0, 1], sample_weight=[1, 1, 6]), [0.25, 0.75])
    assert metrics.nmi([0, 0, 1, 1], ["b", "b", "a", "a"]) == pytest.approx(1)
    with pytest.raises(ValueError, match="no documents"):
        metrics.masses([], 3)


def test_silhouette_is_scikit_learns_on_a_sample(zipf):
    x, truth = zipf
    whole = silhouette_score(x, truth, metric="cosine")
    assert metrics.cosine_silhouette(5 * x, truth) == pytest.approx(whole, abs=1e-6)
    assert metrics.cosine_silhouette(x, truth, sample=800) == pytest.approx(whole, abs=0.03)
    assert np.isnan(metrics.cosine_silhouette(x, np.zeros(len(x), dtype=int)))
