import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from gemix.sphere import GEM, KMeans, SphericalKMeans, VonMisesFisherMixture

EXCEPTIONS = {
    "check_estimators_dtypes": "normal noise cast to integers has a row of zeros: no direction, refused",
    "check_sample_weight_equivalence_on_dense_data": (
        "the random start draws other seeds when rows are repeated instead of weighted (as in scikit-learn's KMeans); "
        "zero weights equal absent rows, see test_gem"
    ),
}


@parametrize_with_checks(
    [GEM(3), GEM(3, solver="mm"), VonMisesFisherMixture(3), SphericalKMeans(3), KMeans(3)],
    expected_failed_checks=lambda estimator: EXCEPTIONS,
)
def test_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", [GEM(3), VonMisesFisherMixture(3), SphericalKMeans(3), KMeans(3)])
def test_the_refused_row_is_the_only_reason_for_the_dtype_exception(estimator):
    x = np.random.default_rng(0).integers(1, 20, size=(20, 5))
    for dtype in (np.float32, np.float64, np.int32, np.int64):
        estimator.fit(x.astype(dtype)).predict(x.astype(dtype))
