import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from gemix.sphere import GEM, KMeans, SphericalKMeans, VonMisesFisherMixture

ZEROS = {
    "check_estimators_dtypes": "uniform noise cast to integers has a row of zeros: it has no direction and is refused",
}
# Scikit-learn's k-means itself: its start draws other seeds when rows are repeated instead of weighted.
OTHER_SEEDS = {
    "check_sample_weight_equivalence_on_dense_data": "the start is that of scikit-learn's KMeans, which fails"
}


@parametrize_with_checks(
    [GEM(3), GEM(3, solver="mm"), VonMisesFisherMixture(3), SphericalKMeans(3), KMeans(3)],
    expected_failed_checks=lambda estimator: ZEROS | (OTHER_SEEDS if isinstance(estimator, KMeans) else {}),
)
def test_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", [GEM(3), VonMisesFisherMixture(3), SphericalKMeans(3), KMeans(3)])
def test_the_refused_row_is_the_only_reason_for_the_dtype_exception(estimator):
    x = np.random.default_rng(0).integers(1, 20, size=(20, 5))
    for dtype in (np.float32, np.float64, np.int32, np.int64):
        estimator.fit(x.astype(dtype)).predict(x.astype(dtype))
