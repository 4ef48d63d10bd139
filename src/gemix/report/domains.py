"""The table of the domains, for the page and for the terminal."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemix.report import read
from gemix.report.text import plain

if TYPE_CHECKING:
    from gemix.taxonomy.model import Domain


@dataclass(frozen=True, slots=True)
class DomainRow:
    """A line of the table; None where a run does not have the number (yet).

    Attributes:
        id: the label in the sidecars.
        name: unique.
        keywords: heaviest first.
        description: a sentence, where a language model named the domain.
        documents, tokens: of the labelled corpus, or of the seed sample where it is not labelled.
        share: of all documents, or of all tokens where the run balances tokens.
        token_share: of all tokens.
        to_uniform: share times K.
        kappa: concentration of the teacher's component.
        cohesion: mean cosine of the domain's seed documents to its mean direction.
        coherence: 0 for a random group of documents, 1 for documents that are all alike.
        flags: what keeps the domain from being one thing, each with its figure.
        recall: share of the teacher's held-out documents of the domain that the student puts there.
        precision: share of the student's held-out documents in the domain that the teacher puts there.

    """

    id: int
    name: str
    documents: int
    tokens: int
    share: float
    token_share: float
    to_uniform: float
    keywords: tuple[str, ...] = ()
    description: str | None = None
    kappa: float | None = None
    cohesion: float | None = None
    coherence: float | None = None
    flags: tuple[str, ...] = ()
    recall: float | None = None
    precision: float | None = None


def domain_rows(run: Path) -> list[DomainRow]:
    """Return the table of a run, in the order of the domains' ids."""
    counted = read.counts(run)
    measured = read.evaluation(run)
    weighed = counted.documents if read.settings(run).balance_by == "documents" else counted.tokens
    shares = weighed / max(int(weighed.sum()), 1)
    token_shares = counted.tokens / max(int(counted.tokens.sum()), 1)
    domains = read.taxonomy(run).domains
    rows = []
    for i, domain in enumerate(domains):
        agreement = measured.domains[i] if measured else None
        rows.append(
            DomainRow(
                id=domain.id,
                name=plain(domain.name, 80),
                documents=int(counted.documents[i]),
                tokens=int(counted.tokens[i]),
                share=float(shares[i]),
                token_share=float(token_shares[i]),
                to_uniform=float(shares[i]) * len(domains),
                keywords=tuple(plain(word, 40) for word in domain.keywords),
                description=plain(domain.description, 500) if domain.description else None,
                kappa=domain.kappa,
                cohesion=domain.cohesion,
                coherence=domain.coherence,
                flags=(*_edits(domain), *map(str, domain.flags)),
                recall=agreement.recall if agreement else None,
                precision=agreement.precision if agreement else None,
            )
        )
    return rows


def _edits(domain: "Domain") -> list[str]:
    """Return what people did to a domain beside naming it."""
    part = [] if domain.merged_into is None else [f"part of domain-{domain.merged_into:02d}"]
    return ["excluded"] * domain.excluded + part


def panel(run: Path) -> dict[str, Any]:
    """Return the rows, what their counts are of, and the largest share relative to uniform (for the bars)."""
    rows = domain_rows(run)
    return {
        "rows": [asdict(row) for row in rows],
        "corpus": read.counts(run).corpus,
        "by": read.settings(run).balance_by,
        "student": any(row.recall is not None for row in rows),
        "copies": [plain(str(group), 500) for group in read.taxonomy(run).copies],
        "most": max(1.0, *(row.to_uniform for row in rows)),
    }
