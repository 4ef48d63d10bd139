"""What a sample holds, and why a domain falls short of its target."""

from collections.abc import Sequence
from dataclasses import dataclass

from gemix.labels.labelled import LabelledCorpus
from gemix.sample.budget import Budget
from gemix.sample.select import Selection

TOLERANCE = 1e-3  # of a domain's target


@dataclass(frozen=True)
class DomainReport:
    """One domain of a sample.

    Attributes:
        domain: its number.
        name: what people call it.
        weight: its token share in the mixture.
        share: its token share in the sample.
        target: tokens that the mixture asks for.
        tokens, documents: what the sample holds, repetitions included.
        epochs: tokens over those of the domain in the corpus.
        shortfall: why `tokens` is more than 0.1 % below `target`; None if it is not.

    """

    domain: int
    name: str
    weight: float
    share: float
    target: int
    tokens: int
    documents: int
    epochs: float
    shortfall: str | None


@dataclass(frozen=True)
class Report:
    """A whole sample: tokens asked for and written, documents, and every domain of the mixture."""

    target: int
    tokens: int
    documents: int
    domains: list[DomainReport]

    def describe(self) -> str:
        """Return one line for each domain that falls short, and why."""
        return "\n".join(f"  {domain.name}: {domain.shortfall}" for domain in self.domains if domain.shortfall)


def make_report(corpus: LabelledCorpus, budgets: Sequence[Budget], selection: Selection, target: int) -> Report:
    """Return what the sample will hold: the selection says it before anything is written."""
    tokens = [b.full * b.available + selection.tokens.get(b.domain, 0) for b in budgets]
    documents = [b.full * corpus.documents[b.domain] + selection.documents.get(b.domain, 0) for b in budgets]
    total = sum(tokens)
    domains = [
        DomainReport(
            b.domain, b.name, b.weight, n / max(total, 1), b.target, n, count, n / b.available, _shortfall(b, n)
        )
        for b, n, count in zip(budgets, tokens, documents, strict=True)
    ]
    return Report(target, total, sum(documents), domains)


def _shortfall(budget: Budget, tokens: int) -> str | None:
    if tokens >= budget.target * (1 - TOLERANCE):
        return None
    missing = f"{budget.target - tokens:,} of {budget.target:,} tokens are missing"
    if not budget.rest:  # the limit cut the budget at a whole number of epochs
        return f"{missing}: {budget.full} epochs of its {budget.available:,} tokens are all that is allowed"
    return f"{missing}: no document that short is left among the next ones"
