"""The Geometric Influence Score: how typical a document is of its domain (arXiv 2605.26121, equation 21).

    GIS_k(i) = log g_ik + log f(x_i | mu_k, kappa_k) + beta log rho_k(i)

for a document in its domain k: confidence (g, the responsibility), centrality (f, the von Mises-Fisher density) and
local density (rho, the mean cosine to the nearest neighbours inside the domain).
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.errors import GemixError
from gemix.runtime.progress import progress
from gemix.sphere.vmf import log_normalizer
from gemix.taxonomy.cosines import blocks
from gemix.taxonomy.model import Mode
from gemix.taxonomy.neighbours import MAX_EXACT, local_density

Floats = NDArray[np.float64]

_LONG: Final = 1 << 29  # pairs of documents: some seconds


class Teacher(Protocol):
    """What the taxonomy needs of a fitted clusterer (see `gemix.GEM`)."""

    mean_directions_: Floats
    concentrations_: Floats

    def predict(self, X: Any) -> NDArray[np.int32]:
        """Return domains, (n,)."""

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return responsibilities, (n, K)."""

    def transform(self, X: Any) -> NDArray[Any]:
        """Return cosines to the mean directions, (n, K)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the teacher puts each document.

    Attributes:
        labels: domains, (n,) int32.
        responsibilities: of the own domain, (n,) float64.
        cosines: to the own mean direction, (n,) float64.

    """

    labels: NDArray[np.int32]
    responsibilities: Floats
    cosines: Floats


def place(X: NDArray[Any], model: Teacher, labels: NDArray[np.int32] | None = None) -> Placement:
    """Ask the teacher about every row of X, (n, d), a block at a time; about its domain, too, where it is not given."""
    n = len(X)
    out = Placement(np.empty(n, np.int32), np.empty(n), np.empty(n))
    for rows in blocks(n, max(X.shape[1], len(model.mean_directions_))):
        block = X[rows]
        own = np.arange(len(block)), model.predict(block) if labels is None else labels[rows]
        out.labels[rows] = own[1]
        out.responsibilities[rows] = model.predict_proba(block)[own]
        out.cosines[rows] = model.transform(block)[own]
    return out


def influence_scores(
    X: NDArray[Any],
    model: Teacher,
    *,
    mode: Mode = "gis",
    beta: float = 0.5,
    neighbours: int = 8,
    seed: int = 0,
    placement: Placement | None = None,
) -> Floats:
    """Score every document within its own domain; higher is more typical.

    Args:
        X: (n, d) float16, float32 or float64; may be memory-mapped. Rows stand for their directions.
        model: the fitted teacher.
        mode: "gis" for all three terms, "confidence" (log g) or "centre" (log f) for one, "random" for none: what the
            score is compared with.
        beta: weight of the density term.
        neighbours: M, how many nearest neighbours make the density; all others of a domain that has fewer.
        seed: seed of mode "random", and of the search for neighbours in domains of more than 32,768 documents.
        placement: `place(X, model)`, where the caller has it already.

    Returns:
        (n,) float64, finite. Scores are comparable within a domain.

    Raises:
        GemixError: unknown mode.

    """
    if mode not in get_args(Mode):
        raise GemixError(f"unknown influence mode {mode!r}; choose one of {', '.join(get_args(Mode))}")
    if mode == "random":
        return np.random.default_rng(seed).random(len(X))
    placement = placement or place(X, model)
    own = placement.labels
    confidence = np.log(np.maximum(placement.responsibilities, np.finfo(np.float64).tiny))
    if mode == "confidence":
        return confidence
    normalizers = log_normalizer(X.shape[1], model.concentrations_)
    centrality = normalizers[own] + model.concentrations_[own] * placement.cosines
    if mode == "centre":
        return centrality
    if beta == 0:
        return confidence + centrality
    return confidence + centrality + beta * np.log(_densities(X, own, neighbours, seed))


def _densities(X: NDArray[Any], labels: NDArray[np.int32], neighbours: int, seed: int) -> Floats:
    """Return rho of every document, (n,), with a progress bar where it takes long."""
    sizes = np.bincount(labels)
    density = np.empty(len(X))
    is_long = (sizes * np.minimum(sizes, MAX_EXACT)).sum() > _LONG
    with progress("neighbours", len(X)) if is_long else nullcontext(lambda _: None) as advance:
        for k in np.flatnonzero(sizes):
            members = np.flatnonzero(labels == k)
            density[members] = local_density(X, members, neighbours, seed=seed, advance=advance)
    return density
