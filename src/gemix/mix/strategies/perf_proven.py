"""Perf that counts noise: a domain's weight moves only where its probe is surely better or worse than the baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gemix.mix.box import Box, Floats, project
from gemix.mix.strategies.perf import CLIP, gains

LEVEL: Final = 0.05  # of wrong claims over all domains together, two-sided


@dataclass(frozen=True)
class PerfDecision:
    """What the probes prove.

    Attributes:
        verdict: "better": some probe surely beat the baseline; "unproven": the weights are the baseline's.
        reason: one sentence.
        weights: (K,) in the box.
        gain: (K,) of each probe over the baseline, in the unit of the result; positive is better.
        low, high: (K,) ends of its interval, simultaneous over the domains; NaN where the noise is unknown.
        noise: standard deviation of one run; NaN where it is unknown.

    """

    verdict: Literal["better", "unproven"]
    reason: str
    weights: Floats
    gain: Floats
    low: Floats
    high: Floats
    noise: float


# Long by what its docstring says of the arguments.
def perf_proven(
    base: ArrayLike,
    mixtures: ArrayLike,
    baselines: ArrayLike,
    probes: Sequence[ArrayLike],
    box: Box,
    beta: float = 1.0,
    higher_is_better: bool = False,
) -> PerfDecision:
    """Return the weights that the probes prove, with the reason.

    The noise of a run is pooled over repeats, of the baseline and of probes; a gain's interval is Student's with
    Bonferroni's correction for K domains. Without repeats of the baseline, whose error is in every gain, nothing is
    proven. A domain whose interval is above 0 is multiplied by exp(beta min(r, 2)), r the distance of the interval from
    0 in half-widths; one below 0 is divided in the same way; others keep their ratio. To first order the gains of the
    probes average to 0 over the baseline, so where none is surely better, harm alone says that the baseline is near an
    optimum, and moves nothing. No weight leaves the range of the runs.

    Args:
        base: (K,) weights of the baseline.
        mixtures: (K, K) weights of the probe of each domain.
        baselines: (r,) results of the baseline's runs.
        probes: K lists of results, one of each probe's runs.
        box: where the result lies.
        beta: strength.
        higher_is_better: direction of the result.

    Raises:
        ValueError: shapes that do not match, a probe without a run, results that are not finite.

    """
    weights, rows = np.asarray(base, float), np.asarray(mixtures, float)
    groups = [np.atleast_1d(np.asarray(group, float)) for group in (baselines, *probes)]
    k = len(weights)
    if rows.shape != (k, k) or len(probes) != k or any(not len(group) for group in groups):
        raise ValueError(f"{k} domains need as many probe mixtures, and results of each and of the baseline")
    if not all(np.isfinite(group).all() for group in groups):
        raise ValueError("results must be finite")
    gain = gains(float(groups[0].mean()), [group.mean() for group in groups[1:]], higher_is_better)
    home = project(weights, box)
    unknown = np.full(k, np.nan)
    if len(groups[0]) < 2:
        reason = "the baseline was run once, so the noise of its result is unknown: run it with more seeds"
        return PerfDecision("unproven", reason, home, gain, unknown, unknown, float("nan"))
    half, noise = _half_widths(groups)
    low, high = gain - half, gain + half
    if not (low > 0).any():
        worse = int((high < 0).sum())
        reason = f"no probe beats the baseline beyond noise ({worse} of {k} are worse)"
        return PerfDecision("unproven", reason, home, gain, low, high, noise)
    beyond = np.where(low > 0, low, np.where(high < 0, high, 0.0))
    strength = np.clip(beyond / np.maximum(half, 1e-12), -CLIP, CLIP)
    every = np.vstack([weights, rows])
    try:
        inner = replace(box, floor=np.maximum(box.floor, every.min(axis=0)), cap=np.minimum(box.cap, every.max(axis=0)))
    except ValueError:
        reason = "the caps and floors leave no mixture in the range of the runs"
        return PerfDecision("unproven", reason, home, gain, low, high, noise)
    chosen = project(weights * np.exp(beta * strength), inner)
    reason = f"{int((low > 0).sum())} of {k} probes beat the baseline beyond noise"
    return PerfDecision("better", reason, chosen, gain, low, high, noise)


def _half_widths(groups: list[NDArray[np.float64]]) -> tuple[Floats, float]:
    """Return half the simultaneous interval of every gain, (K,), and the pooled standard deviation of a run."""
    from scipy.stats import t  # here, so that the other strategies need NumPy only

    counts = np.array([len(group) for group in groups])
    freedom = int((counts - 1).sum())
    noise = float(np.sqrt(sum(((group - group.mean()) ** 2).sum() for group in groups) / freedom))
    reach = float(t.ppf(1 - LEVEL / (2 * (len(groups) - 1)), freedom))
    return reach * noise * np.sqrt(1 / counts[0] + 1 / counts[1:]), noise
