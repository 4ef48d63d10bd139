"""The Geometric Influence Score: how typical a document is of its domain (arXiv 2605.26121, equation 21).

    GIS_k(i) = log g_ik + log f(x_i | mu_k, kappa_k) + beta log rho_k(i)

for a document in its domain k: confidence (g, the responsibility), centrality (f, the von Mises-Fisher density) and
local density (rho, the mean cosine to the nearest neighbours inside the domain).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from gemix.errors import GemixError
from gemix.sphere.vmf import log_normalizer

Floats = NDArray[np.float64]
Mode = Literal["gis", "random", "confidence", "centre"]

# A document that points away from all its neighbours has no density; the logarithm must stay finite.
MIN_DENSITY: Final = 1e-6
# Above this many documents in a domain, neighbours are looked for among an evenly spaced subset of this size.
MAX_REFERENCES: Final = 1 << 15
_BLOCK_VALUES: Final = 1 << 22  # values of one block: 16 MB of float32


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


def place(X: NDArray[Any], model: Teacher) -> Placement:
    """Ask the teacher about every row of X, (n, d), a block at a time."""
    n = len(X)
    out = Placement(np.empty(n, np.int32), np.empty(n), np.empty(n))
    for rows in _blocks(n, max(X.shape[1], len(model.mean_directions_))):
        block = X[rows]
        own = np.arange(len(block)), model.predict(block)
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
        seed: seed of mode "random".
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
    density = np.empty(len(X))
    for k in range(len(model.mean_directions_)):
        members = np.flatnonzero(own == k)
        density[members] = local_density(X, members, neighbours)
    return confidence + centrality + beta * np.log(density)


def local_density(X: NDArray[Any], members: NDArray[np.intp], neighbours: int) -> Floats:
    """Return rho, the mean cosine of each member to its nearest neighbours among the members, at least MIN_DENSITY.

    Exact up to MAX_REFERENCES members, block against block: memory does not depend on how many there are. A document
    is not its own neighbour; its copies are. A single member has no neighbours, hence no density.

    Args:
        X: (n, d), as in `influence_scores`.
        members: rows of X, (m,), ascending.
        neighbours: how many neighbours count.

    Returns:
        (m,) float64.

    """
    references = members
    if len(members) > MAX_REFERENCES:
        references = members[np.linspace(0, len(members) - 1, MAX_REFERENCES).astype(np.intp)]
    wanted = min(neighbours, len(references) - 1)
    out = np.full(len(members), MIN_DENSITY)
    if wanted < 1:
        return out
    width = min(len(references), max(1, _BLOCK_VALUES // X.shape[1]))
    for rows in _blocks(len(members), max(width, X.shape[1])):
        queries = unit_rows(X, members[rows])
        nearest = np.empty((len(queries), 0), dtype=np.float32)
        for start in range(0, len(references), width):
            candidates = references[start : start + width]
            cosines = queries @ unit_rows(X, candidates).T
            cosines[members[rows][:, None] == candidates[None, :]] = -np.inf
            nearest = np.concatenate([nearest, cosines], axis=1)
            if nearest.shape[1] > wanted:
                nearest = np.partition(nearest, -wanted, axis=1)[:, -wanted:]
        # Sorted, so that the sum does not depend on the order that the partition left.
        out[rows] = np.sort(nearest, axis=1).mean(axis=1, dtype=np.float64)
    return np.maximum(out, MIN_DENSITY)


def unit_rows(X: NDArray[Any], index: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the rows of X at `index` with unit length, (m, d) float32; a row of zeros stays zero."""
    rows = np.asarray(X[index], dtype=np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows / np.maximum(norms, np.finfo(np.float32).tiny)[:, None]


def _blocks(n: int, width: int) -> Iterator[slice]:
    step = max(1, _BLOCK_VALUES // width)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))
