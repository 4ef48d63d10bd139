import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemix.sphere import vmf

mpmath.mp.dps = 40
DIMENSIONS = [3, 4, 16, 40, 41, 42, 43, 128, 384, 768, 8192]
KAPPAS = [1e-3, 0.1, 3.0, 50.0, 900.0, 2e4]


def bessel(order: float, kappa: float) -> mpmath.mpf:
    return mpmath.besseli(mpmath.mpf(order), mpmath.mpf(kappa), maxterms=10**6)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_log_bessel_and_resultant_agree_with_arbitrary_precision(d):
    nu = d / 2 - 1
    for kappa in KAPPAS:
        exact, next_one = bessel(nu, kappa), bessel(nu + 1, kappa)
        log = float(mpmath.log(exact))
        assert abs(vmf.log_bessel(nu, kappa) - log) <= 1e-12 * max(1.0, abs(log))
        assert vmf.mean_resultant_length(d, kappa) == pytest.approx(float(next_one / exact), rel=1e-11)


def test_log_bessel_at_the_far_end():
    # I_nu(kappa) = e^kappa / sqrt(2 pi kappa) (1 - (4 nu^2 - 1) / (8 kappa) + ...): Hankel.
    kappa, nu = mpmath.mpf(10) ** 6, mpmath.mpf(191)
    term, total = mpmath.mpf(1), mpmath.mpf(1)
    for j in range(1, 60):
        term *= -(4 * nu**2 - (2 * j - 1) ** 2) / (j * 8 * kappa)
        total += term
    exact = kappa - mpmath.log(2 * mpmath.pi * kappa) / 2 + mpmath.log(total)
    assert vmf.log_bessel(191.0, 1e6) == pytest.approx(float(exact), rel=1e-14)


def test_normalizer_in_three_dimensions_is_elementary():
    kappa = np.array([0.01, 1.0, 30.0, 700.0])
    # C_3 = kappa / (4 pi sinh kappa)
    log_sinh = kappa + np.log1p(-np.exp(-2 * kappa)) - np.log(2)
    np.testing.assert_allclose(vmf.log_normalizer(3, kappa), np.log(kappa / (4 * np.pi)) - log_sinh, rtol=1e-12)


@given(d=st.sampled_from([2, 3, 24, 384, 768, 4096]), log_kappa=st.floats(-3, 6))
def test_concentration_inverts_the_mean_resultant_length(d, log_kappa):
    kappa = 10.0**log_kappa
    resultant = vmf.mean_resultant_length(d, kappa)
    # A_d is flat near 1: one rounding of R moves kappa by about eps kappa / (1 - R).
    tolerance = 1e-9 + 4e-16 / (1 - float(resultant))
    assert vmf.concentration(d, resultant) == pytest.approx(kappa, rel=tolerance)


@given(d=st.sampled_from([2, 3, 50, 384]), resultant=st.floats(0, 1))
def test_concentration_is_finite_and_the_likelihood_is_highest_there(d, resultant):
    kappa = vmf.concentration(d, resultant)
    assert vmf.MIN_CONCENTRATION <= kappa <= vmf.MAX_CONCENTRATION

    def likelihood(value):
        return float(vmf.log_normalizer(d, value) + value * resultant)

    for other in (kappa * 0.98, kappa * 1.02):
        clipped = np.clip(other, vmf.MIN_CONCENTRATION, vmf.MAX_CONCENTRATION)
        assert likelihood(kappa) >= likelihood(clipped) - 1e-9 * max(1.0, abs(likelihood(kappa)))
