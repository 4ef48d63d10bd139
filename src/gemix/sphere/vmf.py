"""The von Mises-Fisher distribution on the unit sphere of R^d: f(x | mu, kappa) = C_d(kappa) exp(kappa mu.x).

Sources: Banerjee et al. 2005 (mixtures), Sra 2012 (concentration), Olver 1974 ch. 10 / DLMF 10.41 (uniform expansion).
"""

from typing import Final

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import ArrayLike, NDArray
from scipy.special import ive

Floats = NDArray[np.float64]

MIN_CONCENTRATION: Final = 1e-3
MAX_CONCENTRATION: Final = 1e8
# From this order on ten terms of Olver's expansion are right to the last digits; below it scipy's ive is, and does
# not underflow.
_OLVER_ORDER: Final = 20.0
_OLVER_TERMS: Final = 10


def _olver_polynomials(terms: int) -> list[Polynomial]:
    """Return U_0 .. U_terms: U_{k+1} = p^2 (1 - p^2) U_k' / 2 + 1/8 integral_0^p (1 - 5 t^2) U_k dt (DLMF 10.41.9)."""
    p = Polynomial([0.0, 1.0])
    out = [Polynomial([1.0])]
    for _ in range(terms):
        last = out[-1]
        out.append(0.5 * p**2 * (1 - p**2) * last.deriv() + 0.125 * ((1 - 5 * p**2) * last).integ())
    return out


_U: Final = _olver_polynomials(_OLVER_TERMS)


def _log_olver_series(order: float, kappa: Floats) -> Floats:
    """Logarithm of sum_k U_k(p) / order^k at p = order / sqrt(order^2 + kappa^2)."""
    p = order / np.hypot(order, kappa)
    return np.log1p(sum(u(p) / order**k for k, u in enumerate(_U) if k > 0))


def log_bessel(order: float, kappa: ArrayLike) -> Floats:
    """Logarithm of the modified Bessel function I_order(kappa).

    Args:
        order: order, >= 0.
        kappa: argument, > 0, any shape.

    Returns:
        log I_order(kappa), float64, the shape of `kappa`; error below 1e-10 (relative or absolute, the larger)
        for orders of 0.5 to 4095 and kappa of 1e-3 to 1e6.

    """
    kappa = np.asarray(kappa, dtype=np.float64)
    if order < _OLVER_ORDER:
        return np.log(ive(order, kappa)) + kappa
    root = np.hypot(order, kappa)
    return root - order * np.arcsinh(order / kappa) - 0.5 * np.log(2 * np.pi * root) + _log_olver_series(order, kappa)


def log_normalizer(d: int, kappa: ArrayLike) -> Floats:
    """Return log C_d(kappa) = nu log kappa - (nu + 1) log 2 pi - log I_nu(kappa) with nu = d / 2 - 1.

    Args:
        d: dimension of the space, >= 2.
        kappa: concentrations, > 0, any shape.

    Returns:
        float64, the shape of `kappa`.

    """
    kappa = np.asarray(kappa, dtype=np.float64)
    nu = d / 2 - 1
    return nu * np.log(kappa) - (nu + 1) * np.log(2 * np.pi) - log_bessel(nu, kappa)


def mean_resultant_length(d: int, kappa: ArrayLike) -> Floats:
    """A_d(kappa) = I_{d/2}(kappa) / I_{d/2-1}(kappa), the expected cosine to the mean direction.

    Args:
        d: dimension of the space, >= 2.
        kappa: concentrations, > 0, any shape.

    Returns:
        float64 in (0, 1), the shape of `kappa`.

    """
    kappa = np.asarray(kappa, dtype=np.float64)
    nu = d / 2 - 1
    if nu < _OLVER_ORDER:
        return np.asarray(ive(nu + 1, kappa) / ive(nu, kappa))
    # The difference of two logarithms near kappa, taken term by term so that nothing large cancels:
    # asinh(a) - asinh(b) = asinh((a^2 - b^2) / (a sqrt(1 + b^2) + b sqrt(1 + a^2))).
    low, high = np.hypot(nu, kappa), np.hypot(nu + 1, kappa)
    step = (2 * nu + 1) / (high + low)
    bend = np.arcsinh((2 * nu + 1) / ((nu + 1) * low + nu * high))
    log_ratio = (
        step
        - np.arcsinh((nu + 1) / kappa)
        - nu * bend
        - 0.5 * np.log(high / low)
        + _log_olver_series(nu + 1, kappa)
        - _log_olver_series(nu, kappa)
    )
    return np.exp(log_ratio)


def concentration(d: int, resultant: ArrayLike, highest: float = MAX_CONCENTRATION) -> Floats:
    """Maximum-likelihood concentration: the kappa with A_d(kappa) = resultant.

    Starts from (R d - R^3) / (1 - R^2) (Banerjee et al. 2005) and takes Newton steps with
    A' = 1 - A^2 - (d - 1) A / kappa (Sra 2012), held inside R (d - 2) / (1 - R^2) <= kappa <= R d / (1 - R^2)
    (Tanabe et al. 2007). The likelihood is concave in kappa, so clipping to [MIN_CONCENTRATION, highest] is its
    constrained maximum.

    Args:
        d: dimension of the space, >= 2.
        resultant: mean resultant lengths, in [0, 1], any shape.
        highest: bound on the concentration, at most MAX_CONCENTRATION.

    Returns:
        float64, the shape of `resultant`.

    """
    target = np.asarray(resultant, dtype=np.float64)
    target = np.clip(target, 1e-12, 1 - 1e-12)
    spread = 1 - target**2
    low = np.maximum(target * (d - 2) / spread, MIN_CONCENTRATION)
    high = np.maximum(target * d / spread, MIN_CONCENTRATION)
    kappa = np.clip((target * d - target**3) / spread, low, high)
    for _ in range(50):
        ratio = mean_resultant_length(d, np.minimum(kappa, MAX_CONCENTRATION))
        slope = np.maximum(1 - ratio**2 - (d - 1) * ratio / kappa, 1e-300)
        step = np.clip(kappa - (ratio - target) / slope, low, high)
        done = np.all((np.abs(step - kappa) <= 1e-12 * kappa) | (kappa >= MAX_CONCENTRATION))
        kappa = step
        if done:
            break
    return np.clip(kappa, MIN_CONCENTRATION, highest)
