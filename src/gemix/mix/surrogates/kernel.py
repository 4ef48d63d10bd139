"""The covariance of the Gaussian process, and its log marginal posterior with gradient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dpotri

Floats = NDArray[np.float64]

CONSTANT = 10.0  # prior variance of the level; results are standardised, so this says nothing about it
JITTER = 1e-8


@dataclass(frozen=True)
class Parameters:
    """Hyper-parameters, for inputs x = sqrt(w) and standardised results.

    Attributes:
        length_scales: (K,); a domain with a long one does not matter.
        signal: variance of the Matern part.
        slope: variance of the linear part, in units of the length scales.
        noise: variance of a run's result around the curve.

    """

    length_scales: Floats
    signal: float
    slope: float
    noise: float

    @classmethod
    def from_log(cls, theta: Floats) -> "Parameters":
        """Read (K + 3,) logarithms, in the order of the attributes."""
        signal, slope, noise = np.exp(theta[-3:])
        return cls(np.exp(theta[:-3]), float(signal), float(slope), float(noise))


# Gaussian priors on the logarithms: (mean, standard deviation). Two unit vectors are at most sqrt(2) apart: a length
# scale of exp(1.5) = 4.5 is nearly "does not matter", and the data pull in the domains that do.
PRIOR = {"length_scales": (1.5, 1.5), "signal": (-1.0, 1.0), "slope": (0.0, 1.0), "noise": (-5.0, 2.0)}


def prior(domains: int) -> tuple[Floats, Floats]:
    """Return the prior's mean and standard deviation, (K + 3,) each."""
    rows = [PRIOR["length_scales"]] * domains + [PRIOR["signal"], PRIOR["slope"], PRIOR["noise"]]
    mean, std = np.array(rows).T
    return mean, std


def parts(A: Floats, B: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the Matern-5/2 correlation, its radial factor and the linear product of scaled inputs.

    With r = |a - b|: m = (1 + sqrt5 r + 5/3 r^2) exp(-sqrt5 r) (Rasmussen and Williams 2006, equation 4.17) and
    g = 5/3 (1 + sqrt5 r) exp(-sqrt5 r), for which dm / d log l_k = g (a_k - b_k)^2.

    Args:
        A: inputs less their centre, divided by the length scales, (n, K).
        B: the same, (m, K).

    """
    product = A @ B.T
    squared = np.maximum((A * A).sum(axis=1)[:, None] + (B * B).sum(axis=1) - 2 * product, 0.0)
    r = np.sqrt(5.0 * squared)
    decay = np.exp(-r)
    return (1 + r + 5 / 3 * squared) * decay, 5 / 3 * (1 + r) * decay, product


def covariance(A: Floats, B: Floats, p: Parameters) -> Floats:
    """Return the covariance of the curve between scaled inputs, (n, m)."""
    matern, _, product = parts(A, B)
    return p.signal * matern + p.slope * product + CONSTANT


def factor(covariances: Floats, noise: float) -> Floats:
    """Return the lower Cholesky factor of covariances + noise, (n, n)."""
    noisy = covariances.copy()
    noisy[np.diag_indices(len(noisy))] += noise + JITTER
    lower: Floats = cholesky(noisy, lower=True, check_finite=False)
    return lower


def negative_log_posterior(theta: Floats, X: Floats, z: Floats) -> tuple[float, Floats]:
    """Return -log p(z | theta) - log p(theta) up to a constant, and its gradient (K + 3,).

    -log p(z | theta) = z' C^-1 z / 2 + log|C| / 2 (equation 5.8 of the same book); its derivative along dC is
    sum(Q * dC) with Q = (C^-1 - C^-1 z z' C^-1) / 2. The sum over pairs of Q g (a_k - b_k)^2 is expanded, so that all
    K length scales together cost one matrix product.

    Args:
        theta: logarithms of the hyper-parameters, (K + 3,).
        X: inputs less their centre, (n, K).
        z: standardised results, (n,).

    """
    p = Parameters.from_log(theta)
    mean, std = prior(X.shape[1])
    A = X / p.length_scales
    matern, radial, product = parts(A, A)
    try:
        lower = factor(p.signal * matern + p.slope * product + CONSTANT, p.noise)
    except np.linalg.LinAlgError:  # the line search stepped too far: turn it back
        return 1e12, np.zeros_like(theta)
    alpha = cho_solve((lower, True), z, check_finite=False)
    inverse = dpotri(lower, lower=1)[0]
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    Q = (inverse - np.outer(alpha, alpha)) / 2
    H = p.signal * Q * radial
    deviation = (theta - mean) / std
    gradient = deviation / std
    gradient[:-3] += 2 * ((A * A * H.sum(axis=1)[:, None]).sum(axis=0) - (A * (H @ A)).sum(axis=0))
    gradient[:-3] -= 2 * p.slope * (A * (Q @ A)).sum(axis=0)
    gradient[-3:] += p.signal * (Q * matern).sum(), p.slope * (Q * product).sum(), p.noise * np.trace(Q)
    value = z @ alpha / 2 + np.log(np.diag(lower)).sum() + deviation @ deviation / 2
    return float(value), gradient
