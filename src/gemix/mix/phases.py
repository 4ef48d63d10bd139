"""Mixtures one after another: a training in phases, as one mixture whose weights are those of the whole."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from gemix.mix.domain_ids import shown
from gemix.mix.grounds import BY_HAND, Grounds
from gemix.mix.mixture import DomainWeight, Mixture, Phase
from gemix.mix.tables import listed

_SAME = 1 + 1e-6  # of epochs that went through a file


def join_phases(
    mixtures: Sequence[Mixture], ends: Sequence[float], budget: int | None = None, max_epochs: float | None = None
) -> Mixture:
    """Return the mixture of a training that follows one mixture after the other.

    Its weights are the means over the phases, so that epochs are those of the whole training.

    Args:
        mixtures: P of them over the same domains, without phases.
        ends: P - 1 shares of the budget, ascending, at which a phase ends and the next begins.
        budget: tokens that training will see; None: that of the mixtures.
        max_epochs: passes over a domain that are allowed in the whole; None: the least that a mixture was made for.

    Raises:
        ValueError: the mixtures are of different domains, units, budgets or fixed sources, have phases themselves, or
            together repeat a domain too often; ends that do not ascend.

    """
    bounds = [0.0, *ends, 1.0]
    if len(bounds) != len(mixtures) + 1 or any(not a < b for a, b in pairwise(bounds)):
        raise ValueError(
            f"{len(mixtures)} phases need {len(mixtures) - 1} ascending --at between 0 and 1, not {list(ends)}"
        )
    first = mixtures[0]
    for other in mixtures:
        _refuse_other(first, other)
    budgets = {mixture.budget_tokens for mixture in mixtures if mixture.budget_tokens is not None}
    if budget is None and len(budgets) > 1:
        raise ValueError(
            f"the mixtures have the budgets {listed([f'{n:,}' for n in sorted(budgets)])}: --budget TOKENS"
        )
    total = budget or next(iter(budgets), None)
    shares = np.diff(bounds)
    rows = np.array([[m.domains[m.keys.index(key)].weight for key in first.keys] for m in mixtures])
    weights = shares @ rows
    weights = weights / weights.sum()
    domains = [
        entry.model_copy(
            update={
                "weight": min(float(w), 1.0),
                "epochs": float(w * first.free * total / entry.tokens) if total and entry.tokens else None,
            }
            | dict.fromkeys(("bounds", "region", "wish", "range"))
        )
        for entry, w in zip(first.domains, weights, strict=True)
    ]
    _refuse_repeated(domains, limit := _limit(mixtures, max_epochs))
    return Mixture(
        strategy="phases",
        grounds=Grounds(
            verdict=BY_HAND, reason=f"{' then '.join(m.strategy for m in mixtures)}, compared with nothing"
        ),
        budget_tokens=total,
        unit=first.unit,
        partition=first.partition,
        domains=domains,
        fixed=first.fixed,
        phases=[Phase(share=float(share), weights=row.tolist()) for share, row in zip(shares, rows, strict=True)],
        provenance={"max_epochs": limit, "phases": [m.provenance for m in mixtures]},
    )


def _limit(mixtures: Sequence[Mixture], max_epochs: float | None) -> float | None:
    limits = [limit for m in mixtures if isinstance(limit := m.provenance.get("max_epochs"), int | float)]
    return max_epochs or min(limits, default=None)


def _refuse_repeated(domains: Sequence[DomainWeight], limit: float | None) -> None:
    for entry in domains:
        if limit is not None and (entry.epochs or 0.0) > limit * _SAME:
            raise ValueError(
                f"the phases together repeat {shown(entry.domain, entry.name)} {entry.epochs:.2f} times, and at most "
                f"{limit:g} are allowed: mix again, or --max-epochs"
            )


def _refuse_other(first: Mixture, other: Mixture) -> None:
    other.refuse_other(first.partition)
    if set(first.keys) != set(other.keys):
        only = sorted(set(first.keys) ^ set(other.keys))
        raise ValueError(f"the mixtures are over different domains: {listed(only)} in some of them alone")
    if other.phases:
        raise ValueError("a mixture has phases itself: join its parts")
    if None not in (first.unit, other.unit) and first.unit != other.unit:
        raise ValueError(f"the mixtures count tokens by different tokenizers, {first.unit} and {other.unit}")
    if first.fixed != other.fixed:
        raise ValueError("the mixtures have different fixed sources")
