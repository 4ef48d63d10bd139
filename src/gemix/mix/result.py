"""From weights to mixture.json."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gemix.mix.box import Box, Floats
from gemix.mix.grounds import Grounds
from gemix.mix.judged import Judged
from gemix.mix.mixture import DomainWeight, Mixture
from gemix.mix.partition import Partition


def make_mixture(
    strategy: str,
    weights: ArrayLike,
    partition: Partition,
    grounds: Grounds | Judged,
    budget_tokens: int | None = None,
    box: Box | None = None,
    surrogate: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
) -> Mixture:
    """Return the contract: weights beside natural shares, with epochs where the budget is known.

    Args:
        strategy: what decided.
        weights: (K,) >= 0 in the order of the partition; normalised here to the last bit.
        partition: the domains; its fingerprint goes into the provenance.
        grounds: why these weights; from runs, the region, the wish and the ranges of weights with it.
        budget_tokens: tokens that training will see.
        box: caps and floors that the weights had to keep.
        surrogate: quality of the surrogates beside the weights.
        provenance: further facts: fingerprints of the run table, settings, seed.

    Raises:
        ValueError: not one finite weight >= 0 a domain.

    """
    w = np.asarray(weights, float)
    if w.shape != (len(partition.keys),) or not np.all(np.isfinite(w)) or np.any(w < 0) or w.sum() <= 0:
        raise ValueError(f"a mixture of {len(partition.keys)} domains needs as many finite weights >= 0, not all 0")
    w = w / w.sum()
    judged = grounds if isinstance(grounds, Judged) else None
    domains = []
    for k, key in enumerate(partition.keys):
        tokens = int(partition.tokens[k])
        domains.append(
            DomainWeight(
                domain=key,
                name=None if partition.titles is None else partition.titles[k],
                weight=min(float(w[k]), 1.0),
                share=min(float(partition.shares[k]), 1.0),
                documents=None if partition.documents is None else int(partition.documents[k]),
                tokens=tokens,
                epochs=float(w[k] * budget_tokens / tokens) if budget_tokens is not None and tokens else None,
                bounds=None if box is None else (float(box.floor[k]), float(box.cap[k])),
                region=None if judged is None or judged.region is None else _pair(judged.region[k]),
                wish=None if judged is None or judged.wish is None else min(float(judged.wish[k]), 1.0),
                range=None if judged is None or judged.ranges is None else _pair(judged.ranges[k]),
            )
        )
    return Mixture(
        strategy=strategy,
        grounds=grounds.grounds if isinstance(grounds, Judged) else grounds,
        budget_tokens=budget_tokens,
        unit=partition.counter,
        partition=partition.identity,
        domains=domains,
        surrogate=surrogate,
        provenance={"domains_sha256": partition.fingerprint} | (provenance or {}),
    )


def _pair(ends: Floats) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])
