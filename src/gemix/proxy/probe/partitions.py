"""Partitions under comparison: names on the command line to domains of documents."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClusterMixin
from sklearn.exceptions import ConvergenceWarning

from gemix.runtime.errors import GemixError, first_faults
from gemix.sphere import GEM, KMeans, SphericalKMeans, VonMisesFisherMixture

Labels = NDArray[np.int64]

LABEL: Final = "label:"
CLUSTERERS: Final[dict[str, Callable[..., ClusterMixin]]] = {
    "gem": GEM,
    "kmeans": KMeans,
    "spherical": SphericalKMeans,
    "vmf": VonMisesFisherMixture,
}
KINDS: Final = (*CLUSTERERS, "random", LABEL + "COLUMN")


@dataclass(frozen=True)
class Partition:
    """Domains of documents.

    Attributes:
        name: as on the command line.
        labels: (n,) int64, from 0 to K - 1; -1 for documents that belong to no domain.
        domains: K names.

    """

    name: str
    labels: Labels
    domains: list[str]


@dataclass(frozen=True)
class Source:
    """What partitions are made of.

    Attributes:
        embeddings: (n, d) rows, see `gemix.GEM`.
        columns: human labels by column, n values each; None where a document has none.
        clusters: K of all partitions but the human ones.
        gem: further parameters of `gemix.GEM`.
        weights: (n,) sample weights of the clusterers, None for equal ones.

    """

    embeddings: NDArray[Any]
    columns: dict[str, Sequence[str | None]]
    clusters: int
    gem: dict[str, Any] = field(default_factory=dict)
    weights: NDArray[Any] | None = None


def check_names(names: Sequence[str]) -> None:
    """Refuse names that are unknown or appear twice.

    Raises:
        GemixError: with what there is.

    """
    for name in names:
        if name not in KINDS[:-1] and not (name.startswith(LABEL) and len(name) > len(LABEL)):
            raise GemixError(f"no partition is called {name!r}; there are {', '.join(KINDS)}")
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise GemixError(f"the partition {twice[0]!r} is named twice")
    if not names:
        raise GemixError(f"name at least one partition: {', '.join(KINDS)}")


def make_partition(name: str, source: Source, seed: int) -> Partition:
    """Return the partition of a name, see `KINDS`.

    Args:
        name: of a clusterer, "random" (every document in a domain drawn with equal chances) or "label:COLUMN".
        source: documents.
        seed: of the clusterers and of "random"; human labels have none.

    Raises:
        GemixError: an unknown name, a column that is not there or has documents without a value, too few documents.

    """
    check_names([name])
    if name.startswith(LABEL):
        return _human(name, source)
    k, n = source.clusters, len(source.embeddings)
    if k > n:
        raise GemixError(f"{k:,} clusters need at least as many documents, the run has {n:,}")
    numbered = [f"{i:02d}" for i in range(k)]
    if name == "random":
        return Partition(name, np.random.default_rng(seed).integers(k, size=n), numbered)
    model = CLUSTERERS[name](k, random_state=seed, **(source.gem if name == "gem" else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a partition is what it is
        model.fit(source.embeddings, sample_weight=source.weights)
    return Partition(name, model.labels_.astype(np.int64), numbered)


def _human(name: str, source: Source) -> Partition:
    column = name.removeprefix(LABEL)
    if column not in source.columns:
        there = ", ".join(source.columns) or "no column at all"
        raise GemixError(f"the documents have no column {column!r}; they have {there}")
    values = source.columns[column]
    missing = [i for i, value in enumerate(values) if value is None]
    if missing:
        faults = [f"row {i + 1} of seed.parquet" for i in missing]
        raise GemixError(
            f"{len(missing):,} of {len(values):,} documents have no value in the column {column!r}:\n  "
            f"{first_faults(faults)}"
        )
    domains, labels = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
    return Partition(name, labels.astype(np.int64), [str(domain) for domain in domains])
