"""Perf: weights from what more of each domain did for the result.

One baseline run and, for every domain, one probe run with more of it. "Topic over Source" (arXiv 2502.16802) re-weights
by such measurements; its exact recipe is not published. The exponential rule below is ours, the top-r rule is the
plainest that fits the paper's words.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gemix.mix.box import Box, Floats, project

CLIP: Final = 2.0  # z-scores beyond say little with one probe a domain


def gains(baseline: float, probes: ArrayLike, higher_is_better: bool = False) -> Floats:
    """Return by how much every probe beats the baseline, (K,); positive is better."""
    difference = np.asarray(probes, float) - baseline
    return difference if higher_is_better else -difference


def probe_of(baseline: Floats, mixtures: Floats, names: Sequence[str]) -> NDArray[np.intp]:
    """Return, for every domain, the row of `mixtures` that raises its weight over the baseline more than any other's.

    Args:
        baseline: (K,) weights of the baseline run.
        mixtures: (n, K) weights of the other runs.
        names: K domains, for messages.

    Raises:
        ValueError: a domain has no probe or several.

    """
    raised = (mixtures - baseline).argmax(axis=1)
    counts = np.bincount(raised, minlength=len(baseline))
    for k in map(int, np.flatnonzero(counts != 1)):
        raise ValueError(f"{counts[k]} probe runs raise the weight of {names[k]!r} most; there must be exactly one")
    return np.argsort(raised)


def perf(base: ArrayLike, gain: ArrayLike, box: Box, beta: float = 1.0) -> Floats:
    """Return w_k proportional to base_k exp(beta z_k), projected to the box.

    z are the gains less their mean over their standard deviation, clipped to +-2; equal gains leave the base as it is.

    Args:
        base: (K,) weights of the baseline run.
        gain: (K,) of `gains`.
        box: where the result lies.
        beta: strength; a gain one standard deviation above another gives exp(beta) times the weight.

    Raises:
        ValueError: gains that are not finite.

    """
    g = _finite(gain)
    spread = g.std()
    z = np.zeros_like(g) if spread <= 1e-12 * max(1.0, np.abs(g).max()) else (g - g.mean()) / spread
    return project(np.asarray(base, float) * np.exp(beta * np.clip(z, -CLIP, CLIP)), box)


def perf_top(base: ArrayLike, gain: ArrayLike, box: Box, r: int, m: float) -> Floats:
    """Return the base with the weights of the `r` domains of greatest gain multiplied by `m`, projected to the box.

    Args:
        base: (K,) weights of the baseline run.
        gain: (K,) of `gains`.
        box: where the result lies.
        r: how many domains, 1 to K; ties go to the first.
        m: factor > 0.

    Raises:
        ValueError: gains that are not finite, or r or m out of range.

    """
    g, weights = _finite(gain), np.array(base, float)
    if not 1 <= r <= len(g) or not 0 < m < np.inf:
        raise ValueError(f"top needs 1 <= r <= {len(g)} and a positive factor, not {r} and {m}")
    weights[np.argsort(-g, kind="stable")[:r]] *= m
    return project(weights, box)


def _finite(gain: ArrayLike) -> Floats:
    g = np.asarray(gain, float)
    if not np.all(np.isfinite(g)):
        raise ValueError("gains must be finite")
    return g
