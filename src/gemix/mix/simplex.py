"""Exact sampling on the box-cut simplex {w >= 0, sum w = 1, floor <= w <= cap}: Dirichlet-shaped and uniform.

The Dirichlet density prod w_k^(a_k - 1), cut to the box, is that of independent f_k(w) = w^(a_k - 1) exp(-theta w) on
[floor_k, cap_k] given that their sum is 1: on the simplex the tilt exp(-theta sum w) is a constant, so theta is free.
Conditioning on a sum is done by leaving one coordinate, the pivot, to the others:

1. choose a pivot j with probability q_j, draw the other K - 1 independently, set w_j = 1 - (their sum);
2. reject unless w_j lies in its interval; accept with probability D / (sum_{i in J} v_i) * v_j p_j(w_j) / m_j.

Here v = w - floor, p_k is f_k over its integral, m_j = max v p_j(w) (in closed form), J the domains that may be a
pivot, q_j = m_j / sum_J m_i, and D the least value that sum_J v takes in the box. A proposal's density times the
acceptance, summed over pivots, is prod_k p_k(w) * D / sum_J m: proportional to the target, hence exact. The weights
v_j / sum_J v keep small weights, where f_j is unbounded for a_j < 1, from ever being the pivot.

The rate of acceptance is p_S(1) D / sum_J m, p_S the density of the unconstrained sum. It hardly depends on how tight
the box is, because theta moves the mean of the sum to where 1 is typical; docs/mix.md has measurements. theta and J are
chosen to maximise it: it is known up to a constant.

Bounds on groups of domains are beyond this: the Dirichlet's centre is put into them, and draws that are outside are
moved to the nearest mixture inside, so that some lie on the bound.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from gemix.mix.box import Box, Floats, project, settle
from gemix.mix.tilted import TiltedPowers

# Rounding would drown what is left to choose: an interval or a box thinner than this is a point.
_PINNED: Final = 1e-9
_POINT: Final = 1e-8
_BATCH_VALUES: Final = 1 << 20
_MAX_PROPOSALS: Final = 10**8


def sample_uniform(box: Box, n: int, random: np.random.Generator) -> Floats:
    """Return `n` independent mixtures, (n, K), uniform on the box-cut simplex.

    Args:
        box: where they lie.
        n: how many.
        random: source of randomness; the same state gives the same mixtures.

    """
    return sample_dirichlet(np.ones(len(box.floor)), box, n, random)


def sample_prior(
    prior: ArrayLike,
    box: Box,
    n: int,
    random: np.random.Generator,
    strength: tuple[float, float] = (0.1, 5.0),
    temperature: float = 2.0,
) -> Floats:
    """Return `n` mixtures around a prior: RegMix's family (arXiv 2407.01492), cut to the box exactly.

    The centre is prior^(1 / temperature), renormalised; a mixture is Dirichlet(s * centre) given that it lies in the
    box, with log s uniform on the range of strengths. The strengths are stratified: the range is cut into 16 equal
    parts of log s, and each part gives one strength to an equal number of mixtures. Every mixture by itself has the
    stated distribution (RegMix takes one of 15 fixed strengths).

    Args:
        prior: (K,) non-negative; domains with prior 0 stay at their floors.
        box: where the mixtures lie.
        n: how many.
        random: source of randomness.
        strength: least and greatest s. Small: near corners of the simplex; large: near the centre.
        temperature: 1 keeps the prior, larger flattens it.

    Raises:
        ValueError: a bad prior or range, or domains with positive prior that cannot take all the weight.

    """
    least, greatest = strength
    if not 0 < least <= greatest < np.inf:
        raise ValueError(f"strengths must be 0 < least <= greatest, not {least} and {greatest}")
    centre = temper(prior, temperature)
    strata = 1 if least == greatest else min(n, 16)
    place = (np.arange(strata) + random.random(strata)) / strata
    out, theta = [], None
    counts = random.permutation([n // strata + (i < n % strata) for i in range(strata)])
    for count, s in zip(counts, least * (greatest / least) ** place, strict=True):
        rows, theta = _sample(s * centre, box, count, random, theta)
        out.append(rows)
    return random.permutation(np.concatenate(out), axis=0)


def sample_dirichlet(alpha: ArrayLike, box: Box, n: int, random: np.random.Generator) -> Floats:
    """Return `n` independent mixtures, (n, K), of the Dirichlet distribution cut to the box.

    Args:
        alpha: (K,) concentrations >= 0; a domain with 0 stays at its floor.
        box: where the mixtures lie.
        n: how many.
        random: source of randomness.

    Raises:
        ValueError: bad concentrations, or the domains with positive ones cannot take all the weight.

    """
    return _sample(np.asarray(alpha, float), box, n, random, None)[0]


def temper(prior: ArrayLike, temperature: float) -> Floats:
    """Return prior^(1 / temperature) renormalised, (K,); zeros stay zero.

    Raises:
        ValueError: the prior is no set of shares, or the temperature is not positive.

    """
    shares = np.asarray(prior, float)
    if not np.all(np.isfinite(shares)) or np.any(shares < 0) or shares.sum() <= 0:
        raise ValueError("a prior needs finite shares >= 0, not all 0")
    if not temperature > 0:
        raise ValueError(f"the temperature must be positive, not {temperature}")
    live = shares > 0
    logs = np.log(shares[live]) / temperature
    raised = np.zeros_like(shares)
    raised[live] = np.exp(logs - logs.max())
    return raised / raised.sum()


def _sample(
    alpha: Floats, box: Box, n: int, random: np.random.Generator, theta: float | None
) -> tuple[Floats, float | None]:
    """Return the mixtures and the tilt used, which starts the search for the next one."""
    if alpha.shape != box.floor.shape or not np.all(np.isfinite(alpha)) or np.any(alpha < 0):
        raise ValueError(f"concentrations must be {len(box.floor)} finite numbers >= 0")
    if box.groups:  # the centre is put into them; what is drawn outside is, by settle
        shares = project(alpha, Box(box.names, np.zeros(len(alpha)), np.ones(len(alpha)), box.groups))
        alpha = alpha.sum() * np.where(alpha > 0, shares, 0.0)
    low = box.floor
    high = np.where(alpha > 0, box.cap, box.floor)
    if high.sum() < 1 - 1e-9:
        raise ValueError(
            f"the domains with a positive prior reach {high.sum():.6g} < 1 under their caps: "
            "raise the caps or give the others a prior"
        )
    # No coordinate can leave less than the others' floors or more than their caps.
    low, high = np.maximum(low, 1 - (high.sum() - high)), np.minimum(high, 1 - (low.sum() - low))
    free = high - low > _PINNED
    out = np.tile(low, (n, 1))
    slack = min(1 - low.sum(), high.sum() - 1)
    if free.sum() > 1 and slack > _POINT and n > 0:
        problem = _Tilted(alpha[free], low[free], high[free], 1 - low[~free].sum(), theta)
        theta = problem.theta
        out[:, free] = problem.sample(n, random)
    return settle(out, box), theta


@dataclass
class _Setting:
    """A tilt with its pivots: their indices, probabilities, and D."""

    densities: TiltedPowers
    pivots: np.ndarray
    choose: Floats
    least: float
    log_rate: float  # of acceptance, up to a constant that does not depend on the tilt


class _Tilted:
    """Sampling of independent tilted powers given their sum; every interval has positive length."""

    def __init__(self, alpha: Floats, low: Floats, high: Floats, total: float, theta: float | None) -> None:
        self.alpha, self.low, self.high, self.total = alpha, low, high, total
        from scipy.optimize import minimize_scalar  # here, so that mixtures without sampling need NumPy only

        # Brent's method, on a scale on which tilts of every size are near: theta = scale sinh(y).
        scale = 1.0 / float(np.max(high - low))
        near = 0.0 if theta is None else float(np.arcsinh(theta / scale))
        reach = 20.0 if theta is None else 1.0
        found = minimize_scalar(
            lambda y: -self._setting(scale * np.sinh(y)).log_rate,
            bounds=(near - reach, near + reach),
            method="bounded",
            options={"xatol": 0.05},
        )
        self.theta = float(scale * np.sinh(found.x))
        self.setting = self._setting(self.theta)

    def _setting(self, theta: float) -> _Setting:
        densities = TiltedPowers(self.alpha, theta, self.low, self.high)
        width = self.high - self.low
        log_m = densities.log_peak()
        top = log_m.max()
        m = np.exp(log_m - top)
        # Leaving out the worst pivots costs D their widths: take the best set among prefixes.
        order = np.argsort(-m / width, kind="stable")
        slack = self.total - self.low.sum()
        least = slack - np.concatenate([[0.0], np.cumsum(width[order])[:-1]])
        sums = np.cumsum(m[order][::-1])[::-1]
        left_out = int(np.argmax(least / sums))
        pivots = order[left_out:]
        rate = np.log(least[left_out]) - top - np.log(sums[left_out])
        rate -= theta * self.total + float(densities.log_mass().sum())
        return _Setting(densities, pivots, m[pivots] / m[pivots].sum(), float(least[left_out]), float(rate))

    def sample(self, n: int, random: np.random.Generator) -> Floats:
        """Return (n, K) draws."""
        done: list[Floats] = []
        have, proposed = 0, 0
        rate = 0.1
        largest = max(64, _BATCH_VALUES // len(self.alpha))
        while have < n:
            size = int(np.clip(1.2 * (n - have) / rate + 16, 64, largest))
            rows = self._propose(size, random)
            done.append(rows)
            have, proposed = have + len(rows), proposed + size
            rate = max(have, 1) / proposed
            if proposed > _MAX_PROPOSALS and have < n:
                raise ValueError(
                    f"{proposed} proposals gave {have} of {n} mixtures: the prior is all but incompatible with the "
                    "caps and floors; raise the strength or the temperature"
                )
        return np.concatenate(done)[:n]

    def _propose(self, size: int, random: np.random.Generator) -> Floats:
        setting = self.setting
        w = setting.densities.sample(size, random)
        pivot = setting.pivots[np.searchsorted(np.cumsum(setting.choose)[:-1], random.random(size), side="right")]
        every = np.arange(size)
        w[every, pivot] = 0.0
        w[every, pivot] = self.total - w.sum(axis=1)
        u = random.random(size)
        inside = np.flatnonzero((w[every, pivot] >= self.low[pivot]) & (w[every, pivot] <= self.high[pivot]))
        w, pivot, u = w[inside], pivot[inside], u[inside]
        value = w[np.arange(len(w)), pivot]
        shares = np.maximum(w[:, setting.pivots] - self.low[setting.pivots], 0).sum(axis=1)
        with np.errstate(divide="ignore"):
            log_accept = np.log(value - self.low[pivot]) + setting.densities.log_density(value, pivot)
            log_accept += np.log(setting.least) - np.log(shares) - setting.densities.log_peak()[pivot]
            return np.asarray(w[np.log(u) < log_accept])
