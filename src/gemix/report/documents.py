"""A section for every domain: its most typical documents beside members drawn at random."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from gemix.report import read
from gemix.report.domains import DomainRow, domain_rows
from gemix.report.text import EXCERPT, plain
from gemix.run.folder import RunFolder

MOST: Final = 8
_SHORT_EXCERPT: Final = 120  # where there is room for one document only


def panel(run: Path, most: int = MOST) -> dict[str, Any]:
    """Return the domains with at most `most` representatives and as many random members each.

    Random members are drawn from the domain's seed documents by the run's seed; representatives are not among them.
    """
    characters = EXCERPT if most > 1 else _SHORT_EXCERPT
    rows = domain_rows(run)
    documents = read.seed(run, ["id", "text"])[0]
    labels = RunFolder(run).read_assignment().domains
    ids = documents["id"]
    domains = []
    for row, domain in zip(rows, read.taxonomy(run).domains, strict=True):
        shown = domain.representatives[:most]
        typical = pa.compute.is_in(ids, pa.array([document.id for document in shown], pa.string())).to_numpy()
        members = np.flatnonzero((labels == row.id) & ~typical)
        random = np.random.default_rng([read.settings(run).seed, row.id])
        drawn = random.choice(members, min(most, len(members)), replace=False)
        domains.append(
            {
                **_head(row),
                "belongs": _sentence(domain.belongs),
                "excludes": _sentence(domain.excludes),
                "representatives": [_document(document.id, document.excerpt, characters) for document in shown],
                "random": [
                    _document(one["id"], one["text"], characters)
                    for one in documents.take(pa.array(drawn, pa.int64())).to_pylist()
                ],
            }
        )
    return {"domains": domains, "mode": read.taxonomy(run).mode}


def _head(row: DomainRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "keywords": list(row.keywords),
        "description": row.description,
        "documents": row.documents,
        "tokens": row.tokens,
        "to_uniform": row.to_uniform,
    }


def _sentence(text: str | None) -> str | None:
    return plain(text, 500) if text else None


def _document(name: str, text: str, characters: int) -> dict[str, str]:
    return {"id": plain(name, 80), "excerpt": plain(text, characters)}
