"""What a table of runs says about the gain of a mixture over another: a Gaussian process, averaged instead of fitted.

Fitted hyper-parameters are taken for true: a length scale that came out long declares a domain irrelevant with
certainty, and the error of a difference far from the runs comes out too small. Here every point of a grid has a weight,
evidence x prior, and the error of a gain counts how much the points disagree. With x = sqrt(w):

    cov(w, w') = e^b Matern5/2(|x - x'| / e^a) + e^(b + r) phi(w).phi(w'),   noise e^h / (repeats of the mixture)
    phi = [sqrt(w), 0.17 log(w + 0.003), 0.28 log(w + 0.03)]

phi carries trends, the steep ones of scarce domains included, beyond the runs. The level of the outcomes is integrated
out by contrasts (a flat prior), so only differences are ever asked for.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, qr

from gemix.mix.box import Floats

# Grids of the logarithms, and their Gaussian priors (mean, standard deviation); outcomes are standardised.
SCALES: Final = np.linspace(-1.5, 2.5, 6)
TRENDS: Final = np.linspace(-4.0, 5.0, 6)
SIGNALS: Final = np.linspace(-5.0, 2.0, 6)
NOISES: Final = np.linspace(-9.0, 1.0, 11)
PRIOR: Final = {"scale": (0.5, 1.0), "signal": (-1.0, 1.5), "trend": (-1.0, 2.0), "noise": (-1.5, 2.0)}
KEPT: Final = 5e-3  # members of the average with less than this share of the largest weight are dropped

OFFSETS: Final = ((0.17, 0.003), (0.28, 0.03))  # of the logarithms in phi
TINY: Final = 1e-12


def features(x: Floats) -> Floats:
    """Return phi, (..., 3 K), of roots of weights, (..., K)."""
    return np.concatenate([x] + [c * np.log(x * x + e) for c, e in OFFSETS], axis=-1)


def pull_back(x: Floats, by_features: Floats) -> Floats:
    """Return the derivative by x, (K,), of what has the derivative `by_features`, (3 K,), by phi."""
    head, *logs = np.split(by_features, 1 + len(OFFSETS))
    return head + sum(part * 2 * c * x / (x * x + e) for part, (c, e) in zip(logs, OFFSETS, strict=True))


def squared_distances(A: Floats, B: Floats) -> Floats:
    """Return |a - b|^2 of every pair of rows, (n, m)."""
    return np.maximum((A * A).sum(axis=1)[:, None] + (B * B).sum(axis=1) - 2 * A @ B.T, 0.0)


def matern(squared: Floats, scale: float | Floats) -> Floats:
    """Return (1 + u + u^2 / 3) exp(-u), u = sqrt(5 squared) / scale (Rasmussen and Williams 2006, equation 4.17)."""
    u = np.sqrt(5.0 * squared) / scale
    return (1 + u + u * u / 3) * np.exp(-u)


def matern_slope(squared: Floats, scale: float | Floats) -> Floats:
    """Return the derivative of `matern` by the squared distance."""
    u = np.sqrt(5.0 * squared) / scale
    return -5 / (6 * scale**2) * (1 + u) * np.exp(-u)


@dataclass(frozen=True)
class Basis:
    """The covariance of contrasts of the runs for one length scale and one strength of trend, diagonal.

    Attributes:
        scale: e^a.
        trend: e^r.
        vectors: (n, n - 1); covariances with the runs times these are covariances with independent contrasts.
        variances: (n - 1,) of those, for e^b = 1, without noise.

    """

    scale: float
    trend: float
    vectors: Floats
    variances: Floats


class Geometry:
    """All that does not depend on outcomes: shared by every metric of a table.

    Args:
        W: distinct mixtures, (n, K) on the simplex, n >= 2.
        repeats: (n,) runs behind each.

    """

    def __init__(self, W: Floats, repeats: Floats) -> None:
        self.x = np.sqrt(W)
        self.phi = features(self.x)
        self.root = np.sqrt(repeats)
        self.repeats = repeats
        # Contrasts: an orthonormal basis of what is orthogonal to a common level.
        contrasts = qr(self.root[:, None])[0][:, 1:]
        weighed = self.root[:, None] * contrasts
        squared = squared_distances(self.x, self.x)
        centred = weighed.T @ self.phi
        line = centred @ centred.T
        self.bases: list[Basis] = []
        for a in SCALES:
            smooth = weighed.T @ matern(squared, np.exp(a)) @ weighed
            for r in TRENDS:
                values, vectors = eigh(smooth + np.exp(r) * line, check_finite=False, driver="evd", overwrite_a=True)
                self.bases.append(Basis(np.exp(a), np.exp(r), weighed @ vectors, np.maximum(values, 0.0)))


@dataclass(frozen=True)
class Members:
    """The points of the grid that carry weight: J of them, over G bases.

    Attributes:
        scales, trends: (G,) of the bases.
        vectors: (G, n, n - 1), see `Basis`.
        basis: (J,) which basis each member has, ascending.
        pi: (J,) weights in the average, sum 1.
        amplitude: (J,) e^b.
        mean: (J, n - 1) coefficients of the posterior mean.
        shrink: (J, n - 1) e^2b / (e^b variance + noise).

    """

    scales: Floats
    trends: Floats
    vectors: Floats
    basis: NDArray[np.intp]
    pi: Floats
    amplitude: Floats
    mean: Floats
    shrink: Floats


@dataclass(frozen=True)
class Process:
    """The posterior of f(reference) - f(w): how much lower the outcome is expected at w.

    Attributes:
        geometry: of the runs.
        members: of the average.
        noise: standard deviation of one run, posterior mean, in the unit of the outcomes.
        evidence: log evidence of the outcomes, up to a constant of the geometry.
        reference: (K,) roots of the weights that gains are over.

    """

    geometry: Geometry
    members: Members
    noise: float
    evidence: float
    reference: Floats

    @classmethod
    def fit(cls, geometry: Geometry, y: Floats, reference: Floats, within: tuple[float, int] = (0.0, 0)) -> "Process":
        """Return the average for outcomes.

        Args:
            geometry: of the distinct mixtures.
            y: (n,) mean outcome of each, about standardised.
            reference: (K,) mixture that gains are over.
            within: sum of squares of repeats about their means, and its degrees of freedom.

        """
        square, freedom = within
        bases = geometry.bases
        coefficients = np.array([basis.vectors.T @ y for basis in bases])
        signal, noise = np.exp(SIGNALS)[:, None], np.exp(NOISES)[None, :]
        scores = np.empty((len(bases), len(SIGNALS), len(NOISES)))
        own = -0.5 * (freedom * NOISES + square / noise[0]) + _log_normal(NOISES, "noise")
        for i, (basis, c) in enumerate(zip(bases, coefficients, strict=True)):
            total = signal[None] * basis.variances[:, None, None] + noise[None]
            likelihood = -0.5 * (np.log(total) + (c * c)[:, None, None] / total).sum(axis=0)
            trend = np.log(basis.trend)
            prior = _log_normal(SIGNALS, "signal") + _log_normal(SIGNALS + trend, "trend")
            scores[i] = likelihood + own + prior[:, None] + _log_normal(np.log(basis.scale), "scale")
        top = scores.max()
        pi = np.exp(scores - top)
        evidence = float(top + np.log(pi.sum()))
        pi[pi < KEPT] = 0.0
        pi /= pi.sum()
        spread = float(np.sqrt((pi.sum(axis=(0, 1)) * np.exp(NOISES)).sum()))
        which, rows, columns = np.nonzero(pi)
        kept, place = np.unique(which, return_inverse=True)
        amplitude = np.exp(SIGNALS[rows])
        variances = np.array([basis.variances for basis in bases])[which]
        total = amplitude[:, None] * variances + np.exp(NOISES[columns])[:, None]
        members = Members(
            np.array([bases[i].scale for i in kept]),
            np.array([bases[i].trend for i in kept]),
            np.array([bases[i].vectors for i in kept]),
            place,
            pi[which, rows, columns],
            amplitude,
            amplitude[:, None] * coefficients[which] / total,
            amplitude[:, None] ** 2 / total,
        )
        return cls(geometry, members, spread, evidence, np.sqrt(reference))

    def gain(self, W: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the gain of mixtures (m, K) over the reference, (m,) each."""
        x, p, X, of = np.sqrt(W), self.reference[None], self.geometry.x, self.members
        phi = features(x) - features(p)
        line = phi @ self.geometry.phi.T
        own = (phi * phi).sum(axis=1)
        across, from_p, between = (squared_distances(*pair) for pair in ((x, X), (p, X), (x, p)))
        mean, second = np.zeros(len(W)), np.zeros(len(W))
        last = None
        for i, (scale, trend) in enumerate(zip(of.scales, of.trends, strict=True)):
            if scale != last:
                last = scale
                smooth = matern(across, scale) - matern(from_p, scale)
                near = 2 - 2 * matern(between, scale)[:, 0]
            mine = of.basis == i
            B = (smooth + trend * line) @ of.vectors[i]
            gains = -B @ of.mean[mine].T
            variances = np.outer(near + trend * own, of.amplitude[mine]) - (B * B) @ of.shrink[mine].T
            mean += gains @ of.pi[mine]
            second += (np.maximum(variances, 0.0) + gains * gains) @ of.pi[mine]
        return mean, np.sqrt(np.maximum(second - mean * mean, 0.0))

    def draws(self, W: Floats, count: int, random: np.random.Generator) -> Floats:
        """Return draws of the gains of mixtures, (m, K), over the reference, jointly: (count, m)."""
        x, p, X, of = np.sqrt(W), self.reference[None], self.geometry.x, self.members
        phi = features(x) - features(p)
        across, from_p = squared_distances(x, X), squared_distances(p, X)
        apart, between = squared_distances(x, x), squared_distances(x, p)
        found = []
        times = random.multinomial(count, of.pi / of.pi.sum())
        for j in np.flatnonzero(times):
            scale, trend = float(of.scales[of.basis[j]]), float(of.trends[of.basis[j]])
            near = matern(between, scale)
            alone = matern(apart, scale) - near - near.T + 1 + trend * phi @ phi.T
            cross = matern(across, scale) - matern(from_p, scale) + trend * phi @ self.geometry.phi.T
            B = cross @ of.vectors[of.basis[j]]
            values, vectors = eigh(of.amplitude[j] * alone - (B * of.shrink[j]) @ B.T, check_finite=False)
            noise = random.standard_normal((times[j], len(W))) * np.sqrt(np.maximum(values, 0.0))
            found.append(noise @ vectors.T - B @ of.mean[j])
        return np.concatenate(found)

    def slopes(self, x: Floats) -> tuple[float, float, Floats, Floats]:
        """Return gain and sd at the roots of one mixture, (K,), and their derivatives by the roots (reverse mode)."""
        p, X, of = self.reference, self.geometry.x, self.members
        phi = features(x) - features(p)
        line, own = self.geometry.phi @ phi, float(phi @ phi)
        apart, from_p = ((x - X) ** 2).sum(axis=1), ((p - X) ** 2).sum(axis=1)
        between = ((x - p) ** 2).sum()
        scales = of.scales[:, None]
        cross = matern(apart, scales) - matern(from_p, scales) + of.trends[:, None] * line
        alone = 2 - 2 * matern(between, of.scales) + of.trends * own
        B = (cross[:, None, :] @ of.vectors)[:, 0][of.basis]
        gains = -(B * of.mean).sum(axis=1)
        variances = alone[of.basis] * of.amplitude - (B * B * of.shrink).sum(axis=1)
        mean = float(gains @ of.pi)
        s = float(np.sqrt(max((variances + gains * gains) @ of.pi - mean * mean, TINY)))
        # Two columns: the derivative of the mean, and of s^2.
        starts = np.searchsorted(of.basis, np.arange(len(of.scales)))
        by_gains = np.stack([of.pi, 2 * of.pi * (gains - mean)], axis=1)
        by_B = -of.mean[:, :, None] * by_gains[:, None, :]
        by_B[:, :, 1] -= 2 * B * of.shrink * of.pi[:, None]
        by_cross = of.vectors @ np.add.reduceat(by_B, starts, axis=0)
        by_alone = np.stack([np.zeros(len(starts)), np.add.reduceat(of.pi * of.amplitude, starts)], axis=1)
        by_smooth = (by_cross * matern_slope(apart, scales)[:, :, None]).sum(axis=0)
        by_near = by_alone.T @ matern_slope(between, of.scales)
        by_line, by_own = np.tensordot(of.trends, by_cross, axes=1), of.trends @ by_alone
        found = []
        for column in (0, 1):
            pulled = 2 * by_smooth[:, column]
            by_x = pulled.sum() * x - pulled @ X - 4 * by_near[column] * (x - p)
            found.append(by_x + pull_back(x, by_line[:, column] @ self.geometry.phi + 2 * by_own[column] * phi))
        return mean, s, found[0], found[1] / (2 * s)


def _log_normal(value: Floats | float, name: str) -> Floats:
    mean, std = PRIOR[name]
    return np.asarray(-0.5 * ((value - mean) / std) ** 2)
