"""How far each weight is pinned down: its range among the mixtures that may as well be the best."""

from typing import Final

import numpy as np

from gemix.mix.box import Floats
from gemix.mix.search import moved
from gemix.mix.verdict import Decision

DRAWS: Final = 200
CHAINS: Final = 48
STEPS: Final = 60
MIXTURES: Final = 300
LEVEL: Final = 0.95


def weight_ranges(decision: Decision, draws: int = DRAWS, level: float = LEVEL) -> tuple[Floats, Floats] | None:
    """Return the low and the high end of every weight, (K,) each; None where there is nothing to learn.

    Every draw from the posterior is a curve of outcomes that the runs allow. Under each, the mixtures within one run's
    noise of the best are as good as the best; the ends are quantiles of their weights over all draws. A wide range says
    that the domain's weight hardly matters, or is hardly known. Mixtures are those of the region and the box.

    Args:
        decision: of `gemix.mix.verdict.decide`.
        draws: curves.
        level: share of the weights between the ends.

    """
    evidence = decision.evidence
    if not evidence.tells or decision.wish is None:
        return None
    random = np.random.default_rng(decision.evidence.seed)
    pool = _as_good(decision, random)
    gains = evidence.process.draws(pool, draws, random)
    good = gains >= gains.max(axis=1, keepdims=True) - evidence.process.noise
    # Every draw counts the same, however many mixtures are as good as its best.
    share = (good / good.sum(axis=1, keepdims=True)).mean(axis=0)
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    found = [np.quantile(column, ends, weights=share, method="inverted_cdf") for column in pool.T]
    low, high = np.array(found).T
    return low, high


def _as_good(decision: Decision, random: np.random.Generator) -> Floats:
    """Return mixtures whose expected gain is within error of the wish's, (m, K): where random walks from it come.

    A step moves weight from one domain to another, by any amount that the box leaves.
    """
    assert decision.wish is not None
    wish, search, process = decision.wish.weights, decision.search, decision.evidence.process
    box = decision.region.within(decision.box)
    assert box is not None
    mean, sd = process.gain(wish[None])
    least = mean[0] - max(float(sd[0]), process.noise)
    near = np.concatenate([wish[None], search.pool[search.mean >= least]])
    now = near[random.integers(0, len(near), CHAINS)]
    found = [wish[None]]
    for _ in range(STEPS):
        then = moved(now, box, random, 2)
        kept = search.allows(then) & (process.gain(then)[0] >= least)
        now = np.where(kept[:, None], then, now)
        found.append(now)
    pool = np.unique(np.concatenate(found), axis=0)
    return np.concatenate([wish[None], pool[np.sort(random.permutation(len(pool))[:MIXTURES])]])
