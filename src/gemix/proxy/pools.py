"""Repetition: what pools a small training needs, so that it repeats a domain as often as the real one will."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gemix.mix.box import Floats
from gemix.mix.partition import Partition
from gemix.proxy.dataset import ProxyData

# Of the training text of every domain: what one seed of a check reads, where nothing else cuts the pools.
FRESH = 0.8


@dataclass(frozen=True)
class Matching:
    """How pools are cut.

    Attributes:
        shares: (K,) of each domain's prepared tokens that are kept, at most 1.
        factor: t / T, tokens of a proxy over those of the real training; None: no budget is known, nothing is cut.
        short: (K,) bool, the domains of which too little was prepared: the proxy repeats them more than it should.

    """

    shares: Floats
    factor: float | None
    short: NDArray[np.bool_]


def matching(data: ProxyData, partition: Partition, tokens: int, budget: float | None) -> Matching:
    """Return how pools are cut so that w t / pool_k = w T / tokens_k: the epochs of every domain are those to come.

    Args:
        data: prepared tokens.
        partition: the domains with their tokens in the corpus, in the order of the data.
        tokens: t, that a proxy sees.
        budget: T, of the real training; None: not known.

    """
    prepared = np.array([part.tokens for part in data.domains], float)
    whole = np.ones(len(prepared))
    if budget is None or tokens >= budget:
        return Matching(whole, None if budget is None else tokens / budget, np.zeros(len(whole), bool))
    factor = tokens / budget
    order = [partition.keys.index(name) for name in data.names]
    wanted = factor * partition.tokens[order]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(prepared > 0, wanted / prepared, 1.0)
    # Held-out documents are missing from what was prepared: a pool that is short by no more than them is whole.
    return Matching(np.minimum(shares, 1.0), factor, shares > 1.25)


def fresh(data: ProxyData, shares: Floats, seed: int) -> ProxyData:
    """Return the data with pools of these shares, drawn by a seed; no pool is whole, so that seeds differ."""
    return data.cut(np.minimum(shares, FRESH), seed)
