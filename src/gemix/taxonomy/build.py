"""From documents, their vectors and a teacher to named domains and a named tree over them."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemix.taxonomy.gis import Teacher
from gemix.taxonomy.model import Domain, Mode, Node, Taxonomy, Tree
from gemix.taxonomy.namer import LLMNamer, Naming, name_subjects
from gemix.taxonomy.prompts import Other
from gemix.taxonomy.survey import Survey, survey
from gemix.taxonomy.tree import readable_nodes
from gemix.taxonomy.writer import write_taxonomy

ROOT_NAME: Final = "all"


# Each argument is a choice of its own, given by name.
def build_taxonomy(
    documents: pa.Table,
    X: NDArray[Any],
    model: Teacher,
    out: Path,
    *,
    mode: Mode = "gis",
    representatives: int = 10,
    seed: int = 0,
    namer: LLMNamer | None = None,
    labels: NDArray[np.int32] | None = None,
    taken: Collection[str] = (),
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
        labels: the domain of every document, (n,); None: as the teacher says.
        taken: names that no domain may get: people gave them to others.
        namer: asks a language model for names; `namer.failed` then holds what it has no answer for. None: keywords.

    Raises:
        GemixError: documents and X differ in length, the folder cannot be written, or the language model's endpoint
            refuses key, model or address.

    """
    found = survey(documents, X, model, mode=mode, representatives=representatives, seed=seed, labels=labels)
    names = name_everything(found, namer, taken)
    taxonomy = _taxonomy(found, names)
    write_taxonomy(taxonomy, out, [naming.prompt for naming in names])
    return taxonomy


def name_everything(found: Survey, namer: LLMNamer | None, given: Collection[str] = ()) -> list[Naming]:
    """Return the names of all domains, then those of all inner nodes, no two equal.

    The language model names the domains and the nodes that cuts of a readable size show (see `readable_nodes`), at
    most 30; keywords name the others, and the root is called "all".
    """
    leaves, chosen = found.leaves, readable_nodes(found.merges)
    taken = {name: Other(name, ()) for name in given}
    if leaves > 1:
        taken[ROOT_NAME] = Other(ROOT_NAME, ())
    names = name_subjects(found.domains(), leaves, taken, namer, range(leaves))
    nodes = found.nodes([names[k].name for k in range(leaves)], chosen)
    names |= name_subjects(nodes, leaves, taken, namer, chosen)
    return [names[k] for k in range(leaves + len(nodes))] + [Naming(ROOT_NAME)] * (leaves > 1)


def _taxonomy(found: Survey, names: list[Naming]) -> Taxonomy:
    common: list[dict[str, Any]] = [
        {
            "id": k,
            "name": naming.name,
            "keywords": found.keywords[k],
            **naming.sentences(),
            "named_by": naming.named_by,
            "documents": int(found.documents[k]),
            "tokens": int(found.tokens[k]),
        }
        for k, naming in enumerate(names)
    ]
    total = int(found.documents[-1])
    domains = [
        Domain(
            **common[k],
            share=int(found.documents[k]) / total,
            kappa=found.kappas[k],
            cohesion=found.cohesions[k],
            coherence=found.soundness.coherences[k],
            flags=found.soundness.flags[k],
            representatives=found.representatives[k],
        )
        for k in range(found.leaves)
    ]
    nodes = [
        Node(**common[found.leaves + t], children=tuple(pair), height=round(float(height), 9))
        for t, (pair, height) in enumerate(zip(found.merges.children.tolist(), found.merges.heights, strict=True))
    ]
    tokens = int(found.tokens[-1])
    return Taxonomy(
        mode=found.mode,
        documents=total,
        tokens=tokens,
        domains=domains,
        tree=Tree(nodes=nodes),
        copies=found.soundness.copies,
    )
