"""From documents, their vectors and a teacher to named domains."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemix.errors import GemixError
from gemix.taxonomy.gis import Mode, Placement, Teacher, influence_scores, place
from gemix.taxonomy.keywords import class_keywords, keyword_names
from gemix.taxonomy.model import Domain, Representative, Taxonomy
from gemix.taxonomy.representatives import select_representatives
from gemix.taxonomy.writer import write_taxonomy

EXCERPT_CHARACTERS: Final = 300


def build_taxonomy(
    documents: pa.Table,
    X: NDArray[Any],
    model: Teacher,
    out: Path,
    *,
    mode: Mode = "gis",
    representatives: int = 10,
    seed: int = 0,
) -> Taxonomy:
    """Describe and name every domain of the teacher and write taxonomy.json, taxonomy.md and audit.parquet.

    Args:
        documents: the seed sample, n rows with id (string), text (string: what the teacher read) and tokens (int64).
        X: their vectors in the same order, (n, d), any float type, may be memory-mapped.
        model: the fitted teacher with K components; a domain's id is its component.
        out: folder of the three files.
        mode: what ranks the representatives (see `gemix.taxonomy.influence_scores`).
        representatives: how many a domain at most.
        seed: seed of mode "random".

    Raises:
        GemixError: documents and X differ in length, or the folder cannot be written.

    """
    if len(documents) != len(X):
        raise GemixError(f"{len(documents):,} documents but {len(X):,} vectors: embed the seed sample again")
    placement = place(X, model)
    scores = influence_scores(X, model, mode=mode, seed=seed, placement=placement)
    texts = documents["text"].to_pylist()
    tokens = documents["tokens"].to_numpy()
    count = len(model.mean_directions_)
    keywords = class_keywords(texts, placement.labels, scores, count)
    # The one place where names are made: whatever sees keywords (and representatives) may take this function's part.
    names = keyword_names(keywords)
    domains = []
    for k, (name, words) in enumerate(zip(names, keywords, strict=True)):
        members = np.flatnonzero(placement.labels == k)
        shown = select_representatives(X, members, scores, texts, representatives)
        domains.append(
            Domain(
                id=k,
                name=name,
                keywords=words,
                documents=len(members),
                share=len(members) / len(texts),
                tokens=int(tokens[members].sum()),
                kappa=float(model.concentrations_[k]),
                cohesion=_cohesion(placement, members),
                representatives=[_representative(documents, scores, i) for i in shown],
            )
        )
    taxonomy = Taxonomy(mode=mode, documents=len(texts), tokens=int(tokens.sum()), domains=domains)
    write_taxonomy(taxonomy, out)
    return taxonomy


def _cohesion(placement: Placement, members: NDArray[np.intp]) -> float | None:
    return round(float(placement.cosines[members].mean()), 6) if len(members) else None


def _representative(documents: pa.Table, scores: NDArray[np.float64], row: int) -> Representative:
    excerpt = documents["text"][row].as_py()[:EXCERPT_CHARACTERS]
    return Representative(id=documents["id"][row].as_py(), excerpt=excerpt, gis=round(float(scores[row]), 4))
