"""Everything about domains that names are made of: documents, representatives, keywords, neighbours and the tree."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemix.runtime.errors import GemixError
from gemix.taxonomy.excerpts import excerpt
from gemix.taxonomy.gis import Placement, Teacher, influence_scores, place
from gemix.taxonomy.keywords import domain_keywords, node_keywords
from gemix.taxonomy.model import Mode, Representative
from gemix.taxonomy.names import keyword_names
from gemix.taxonomy.prompts import Other, Subject
from gemix.taxonomy.representatives import select_representatives
from gemix.taxonomy.soundness import Soundness, judge
from gemix.taxonomy.terms import count_terms
from gemix.taxonomy.tree import Merges, leaves_under, merge

_OTHERS: Final = 5  # nearest domains that a prompt shows, so that names tell them apart


@dataclass(frozen=True, slots=True)
class Survey:
    """K domains and the 2 K - 1 nodes of the tree over them; lists of nodes begin with the domains.

    Attributes:
        mode: what ranked the representatives.
        documents, tokens: of every node, (2 K - 1,) int64; the last are those of the sample.
        kappas, cohesions: of every domain; the cohesion of one without documents is None.
        representatives: of every domain.
        keywords: of every node.
        soundness: whether each domain is one thing.
        directions: mean directions of the domains, (K, d).
        merges: the tree.

    """

    mode: Mode
    documents: NDArray[np.int64]
    tokens: NDArray[np.int64]
    kappas: list[float]
    cohesions: list[float | None]
    representatives: list[list[Representative]]
    keywords: list[list[str]]
    soundness: Soundness
    directions: NDArray[Any]
    merges: Merges

    @property
    def leaves(self) -> int:
        """K."""
        return len(self.kappas)

    def domains(self) -> list[Subject]:
        """Return what a namer sees of every domain; others bear their keyword names, whatever they will be called."""
        names = keyword_names(self.keywords[: self.leaves])
        shown = [Other(name, words) for name, words in zip(names, self.keywords, strict=False)]
        filled = np.flatnonzero(self.documents[: self.leaves])
        return [
            Subject(
                k,
                self.keywords[k],
                documents=[one.excerpt for one in self.representatives[k]],
                others=[shown[j] for j in self._nearest(k, filled)],
            )
            for k in range(self.leaves)
        ]

    def nodes(self, names: Sequence[str], described: Collection[int]) -> list[Subject]:
        """Return what a namer sees of every inner node but the root.

        Args:
            names: of the domains.
            described: nodes that it is to see more of than keywords.

        """
        labels = [*names, *keyword_names(self.keywords, names)[self.leaves :]]
        beside = {}
        for a, b in self.merges.children.tolist():
            beside[a], beside[b] = b, a
        subjects = []
        for node in range(self.leaves, len(self.keywords) - 1):
            parts, others = [], []
            if node in described:
                under = sorted(leaves_under(self.merges, node), key=lambda k: (-self.tokens[k], k))
                parts = [Other(names[k], self.keywords[k]) for k in under]
                others = [Other(labels[beside[node]], self.keywords[beside[node]])]
            subjects.append(Subject(node, self.keywords[node], parts=parts, others=others))
        return subjects

    def _nearest(self, k: int, filled: NDArray[np.intp]) -> list[int]:
        cosines = self.directions[filled] @ self.directions[k]
        order = filled[np.argsort(-cosines, kind="stable")]
        return order[order != k][:_OTHERS].tolist()


def survey(
    documents: pa.Table,
    X: NDArray[Any],
    model: Teacher,
    *,
    mode: Mode = "gis",
    representatives: int = 10,
    seed: int = 0,
    labels: NDArray[np.int32] | None = None,
) -> Survey:
    """Look at every domain of the teacher; arguments as for `build_taxonomy`.

    Raises:
        GemixError: documents and X differ in length.

    """
    if len(documents) != len(X):
        raise GemixError(f"{len(documents):,} documents but {len(X):,} vectors: embed the seed sample again")
    placement = place(X, model, labels)
    scores = influence_scores(X, model, mode=mode, seed=seed, placement=placement)
    texts = documents["text"].to_pylist()
    tokens = documents["tokens"].to_numpy()
    count = len(model.mean_directions_)
    members = [np.flatnonzero(placement.labels == k) for k in range(count)]
    sizes = np.array([len(rows) for rows in members], dtype=np.int64)
    merges = merge(model.mean_directions_, sizes)
    terms = count_terms(texts, placement.labels, scores, count)
    keywords = domain_keywords(terms)
    return Survey(
        mode=mode,
        documents=_with_nodes(sizes, merges),
        tokens=_with_nodes(np.array([tokens[rows].sum() for rows in members], dtype=np.int64), merges),
        kappas=[float(kappa) for kappa in model.concentrations_],
        cohesions=[_cohesion(placement, rows) for rows in members],
        representatives=[
            [
                _representative(documents, scores, i, keywords[k])
                for i in select_representatives(X, rows, scores, texts, representatives)
            ]
            for k, rows in enumerate(members)
        ],
        keywords=keywords + node_keywords(terms, merges.children),
        soundness=judge(X, placement.labels, count, documents["id"].to_pylist(), seed),
        directions=np.asarray(model.mean_directions_),
        merges=merges,
    )


def _with_nodes(of_leaves: NDArray[np.int64], merges: Merges) -> NDArray[np.int64]:
    """Return sums over leaves for every node of the tree, (2 K - 1,)."""
    out = np.concatenate([of_leaves, np.zeros(len(merges.children), dtype=np.int64)])
    for t, pair in enumerate(merges.children):
        out[merges.leaves + t] = out[pair].sum()
    return out


def _cohesion(placement: Placement, members: NDArray[np.intp]) -> float | None:
    return round(float(placement.cosines[members].mean()), 6) if len(members) else None


def _representative(
    documents: pa.Table, scores: NDArray[np.float64], row: int, keywords: Sequence[str]
) -> Representative:
    shown = excerpt(documents["text"][row].as_py(), keywords)
    return Representative(id=documents["id"][row].as_py(), excerpt=shown, gis=round(float(scores[row]), 4))
