"""From weights to mixture.json."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gemix.mix.mixture import DomainWeight, Mixture
from gemix.mix.partition import Partition


def make_mixture(
    strategy: str,
    weights: ArrayLike,
    partition: Partition,
    budget_tokens: int | None = None,
    surrogate: dict[str, Any] | None = None,
    provenance: dict[str, Any] | None = None,
) -> Mixture:
    """Return the contract: weights beside natural shares, with epochs where the budget is known.

    Args:
        strategy: what decided.
        weights: (K,) >= 0 in the order of the partition; normalised here to the last bit.
        partition: the domains; its fingerprint goes into the provenance.
        budget_tokens: tokens that training will see.
        surrogate: quality of the fit behind the weights.
        provenance: further facts: fingerprints of the run table, settings, seed.

    Raises:
        ValueError: not one finite weight >= 0 a domain.

    """
    w = np.asarray(weights, float)
    if w.shape != (len(partition.keys),) or not np.all(np.isfinite(w)) or np.any(w < 0) or w.sum() <= 0:
        raise ValueError(f"a mixture of {len(partition.keys)} domains needs as many finite weights >= 0, not all 0")
    w = w / w.sum()
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
            )
        )
    return Mixture(
        strategy=strategy,
        budget_tokens=budget_tokens,
        partition=partition.identity,
        domains=domains,
        surrogate=surrogate,
        provenance={"domains_sha256": partition.fingerprint} | (provenance or {}),
    )
