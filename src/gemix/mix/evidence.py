"""A table of runs, made ready for a decision: copies averaged, outcomes on the scale that explains them best."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from gemix.mix.box import Floats
from gemix.mix.gate import gate
from gemix.mix.grounds import Verdict, verdict_of
from gemix.mix.process import Geometry, Process

DIGITS: Final = 7  # mixtures that agree to this many are copies
# How far below the best run the floor of a loss may lie, in ranges of the outcomes, where log(y - floor) is modelled.
GAPS: Final = (0.03, 0.1, 0.3, 1.0)
INTERVAL: Final = 0.95
LEAST: Final = 4  # distinct mixtures: fewer can be put in order in too few ways to tell anything


@dataclass(frozen=True)
class Gain:
    """How much better mixtures are than the reference, in the outcome's unit; positive is better.

    Attributes:
        mean: (m,) expected gain.
        low, high: (m,) ends of the interval.

    """

    mean: Floats
    low: Floats
    high: Floats


class Evidence:
    """What runs say about gains over a reference mixture.

    Outcomes are modelled as they are, or, where they fall and the runs' own evidence says so, as log(y - floor): the
    floor (one of four distances below the best run) by marginal likelihood with its Jacobian, sum of -log(y - floor).

    Args:
        weights: mixtures, (n, K), on the simplex.
        outcomes: (n,) results, finite.
        reference: (K,) mixture that gains are over.
        maximise: whether a larger outcome is better.
        seed: of the permutations of the gate.
        like: evidence on another outcome of the very same runs, whose covariances are used again.

    Attributes:
        mixtures: distinct ones, (d, K).
        means: (d,) mean outcome of each, in the outcome's unit.
        repeats: (d,) runs behind each.
        reference: (K,).

    Raises:
        ValueError: shapes that do not match, or numbers that are not finite.

    """

    def __init__(
        self,
        weights: ArrayLike,
        outcomes: ArrayLike,
        reference: ArrayLike,
        maximise: bool = False,
        seed: int = 0,
        like: "Evidence | None" = None,
    ) -> None:
        W, y = np.asarray(weights, float), np.asarray(outcomes, float)
        self.reference = np.asarray(reference, float)
        if W.ndim != 2 or not len(W) or y.shape != (len(W),) or self.reference.shape != (W.shape[1],):
            raise ValueError(
                f"mixtures (n, K), outcomes (n,) and a reference (K,) are needed, not {W.shape}, {y.shape} and "
                f"{self.reference.shape}"
            )
        if not (np.isfinite(W).all() and np.isfinite(y).all() and np.isfinite(self.reference).all()):
            raise ValueError("mixtures, outcomes and the reference must be finite numbers")
        self.sign = -1.0 if maximise else 1.0
        self.seed = seed
        self._like = like
        _, first, inverse = np.unique(np.round(W, DIGITS), axis=0, return_index=True, return_inverse=True)
        inverse = inverse.ravel()
        self.first: NDArray[np.intp] = first
        self.mixtures = W[first]
        self.repeats = np.bincount(inverse).astype(float)
        self.means = np.bincount(inverse, weights=y) / self.repeats
        self._within = float(((y - self.means[inverse]) ** 2).sum()), len(y) - len(first)

    @property
    def tells(self) -> bool:
        """Whether there is anything to learn from: enough distinct mixtures, outcomes that differ."""
        return len(self.means) >= LEAST and float(np.ptp(self.means)) > 1e-12 * float(np.abs(self.means).max())

    @cached_property
    def p_value(self) -> float:
        """P of the gate, see `gemix.mix.gate.gate`; 1 where there is nothing to learn from."""
        return gate(self.mixtures, self.means, self.repeats, self.seed) if self.tells else 1.0

    @cached_property
    def geometry(self) -> Geometry:
        """The covariances of the runs."""
        if self._like is not None:
            return self._like.geometry
        return Geometry(self.mixtures, self.repeats)

    @property
    def process(self) -> Process:
        """The process on the chosen scale, standardised, with gains over the reference."""
        return self._fit[0]

    @property
    def floor(self) -> float | None:
        """Return the floor in log(y - floor), or None where outcomes are modelled as they are."""
        return self._fit[1]

    @property
    def noise(self) -> float:
        """Standard deviation of one run's outcome, in its unit (on the log scale: at the reference)."""
        return float(self.process.noise * self._fit[2] * self._per_log)

    @cached_property
    def level(self) -> float:
        """Expected outcome at the reference, in its unit."""
        return float(self.sign * (self._log_level if self.floor is None else self.floor + np.exp(self._log_level)))

    def gain(self, W: ArrayLike, z: float | None = None) -> Gain:
        """Return the gain of mixtures, (m, K), over the reference, with its interval.

        Args:
            W: on the simplex.
            z: standard deviations on either side; 1.96 (95 %) for mixtures that were named before the runs were seen;
                more for one that was chosen by them.

        """
        mean, sd = self.process.gain(np.atleast_2d(np.asarray(W, float)))
        reach = (float(norm.ppf((1 + INTERVAL) / 2)) if z is None else z) * sd
        return Gain(self._in_unit(mean), self._in_unit(mean - reach), self._in_unit(mean + reach))

    def standardised(self, gain: float) -> float:
        """Return a gain in the outcome's unit as one of `process`; -inf for a loss that no mixture can have."""
        if self.floor is None:
            return gain / self._fit[2]
        left = 1 - gain / self._per_log
        return -np.log(left) / self._fit[2] if left > 0 else np.inf

    def judge(self, W: ArrayLike, alpha: float = 0.05) -> list[Verdict]:
        """Return the verdict on mixtures, (m, K), that were named before the runs were seen: uniform, by hand.

        `better` or `worse` where the 95 % interval of the gain is on that side of 0 and the gate is passed.
        """
        count = len(np.atleast_2d(np.asarray(W, float)))
        if self.p_value > alpha:
            return ["unproven"] * count
        gain = self.gain(W)
        return [verdict_of(low, high) for low, high in zip(gain.low, gain.high, strict=True)]

    @cached_property
    def _fit(self) -> tuple[Process, float | None, float]:
        if not self.tells:
            raise ValueError("there is nothing to learn from these runs")
        y, r = self.sign * self.means, self.repeats
        square, freedom = self._within
        best: tuple[float, Process, float | None, float] | None = None
        # Repeats say what the noise is in the outcome's own unit, and on no other scale.
        for gap in (None, *(GAPS if freedom == 0 and self.sign > 0 else ())):
            floor = None if gap is None else float(y.min() - gap * np.ptp(y))
            u = y if floor is None else np.log(y - floor)
            centre = r @ u / r.sum()
            sd = float(np.sqrt(r @ (u - centre) ** 2 / r.sum()))
            process = Process.fit(self.geometry, (u - centre) / sd, self.reference, (square / sd**2, freedom))
            evidence = process.evidence - len(y) * np.log(sd) - (0.0 if floor is None else u.sum())
            if best is None or evidence > best[0]:
                best = evidence, process, floor, sd
        assert best is not None
        return best[1:]

    @cached_property
    def _log_level(self) -> float:
        # Residuals of a process with a free level sum to 0 over runs, so the runs' mean is that of the curve.
        y = self.sign * self.means
        u = y if self.floor is None else np.log(y - self.floor)
        return float(self.repeats @ (u + self._fit[2] * self.process.gain(self.mixtures)[0]) / self.repeats.sum())

    @property
    def _per_log(self) -> float:
        return 1.0 if self.floor is None else float(np.exp(self._log_level))

    def _in_unit(self, gain: Floats) -> Floats:
        scaled = self._fit[2] * gain
        return scaled if self.floor is None else self._per_log * -np.expm1(-scaled)
