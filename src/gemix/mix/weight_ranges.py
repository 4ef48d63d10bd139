"""How far each weight is pinned down: its range among the mixtures that may as well be the best."""

from typing import Final

import numpy as np

from gemix.mix.box import Floats
from gemix.mix.search import Search
from gemix.mix.verdict import Decision

DRAWS: Final = 200
MIXTURES: Final = 150
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
    pool = Search(evidence.process, decision.region, decision.box, decision.seed).pool
    random = np.random.default_rng(decision.seed)
    pool = pool[np.sort(random.permutation(len(pool))[:MIXTURES])]
    # Around the wish the pool is thin: the ways from it to the others fill it up.
    near = decision.wish.weights + random.random((len(pool), 1)) ** 2 * (pool - decision.wish.weights)
    inside = decision.region.contains(near) & decision.box.contains(near, 1e-7)
    pool = np.concatenate([pool, near[inside], decision.wish.weights[None]])
    gains = evidence.process.draws(pool, draws, random)
    good = gains >= gains.max(axis=1, keepdims=True) - evidence.process.noise
    # Every draw counts the same, however many mixtures are as good as its best.
    share = (good / good.sum(axis=1, keepdims=True)).mean(axis=0)
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    found = [np.quantile(column, ends, weights=share, method="inverted_cdf") for column in pool.T]
    low, high = np.array(found).T
    return low, high
