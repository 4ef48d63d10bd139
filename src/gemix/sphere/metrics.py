"""How balanced and how coherent a partition is. Every function takes plain arrays: any partition can be measured."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import normalized_mutual_info_score, silhouette_score
from sklearn.utils import check_random_state

from gemix.sphere.rows import Rows


def masses(
    labels: ArrayLike, n_clusters: int | None = None, sample_weight: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Share of the documents (or of the weight, for example tokens) in each cluster, (K,) float64, sums to 1.

    Args:
        labels: cluster of each document, (n,) integers in [0, K).
        n_clusters: K; the largest label + 1 by default, which misses empty clusters at the end.
        sample_weight: (n,) >= 0.

    """
    index = np.asarray(labels, dtype=np.intp)
    counts = np.bincount(index, weights=sample_weight, minlength=n_clusters or 0).astype(np.float64)
    if not counts.sum() > 0:
        raise ValueError("no documents, or weights that sum to zero")
    return counts / counts.sum()


def normalized_entropy(masses: ArrayLike) -> float:
    """-sum_k pi_k log pi_k / log K: 1 for a uniform partition, 0 when one cluster holds everything (1 for K = 1)."""
    p = np.asarray(masses, dtype=np.float64)
    if len(p) == 1:
        return 1.0
    held = p[p > 0]
    return float(-(held * np.log(held)).sum() / np.log(len(p)))


def effective_domains(masses: ArrayLike) -> float:
    """exp(entropy), the number of equal clusters with the same entropy (Hill number of order 1); from 1 to K."""
    p = np.asarray(masses, dtype=np.float64)
    held = p[p > 0]
    return float(np.exp(-(held * np.log(held)).sum()))


def smallest_to_uniform(masses: ArrayLike) -> float:
    """Smallest mass divided by 1/K: 1 is uniform, 0 an empty cluster."""
    p = np.asarray(masses, dtype=np.float64)
    return float(p.min() * len(p))


def largest_to_uniform(masses: ArrayLike) -> float:
    """Largest mass divided by 1/K: 1 is uniform, K everything in one cluster."""
    p = np.asarray(masses, dtype=np.float64)
    return float(p.max() * len(p))


def cosine_silhouette(
    X: NDArray[Any], labels: ArrayLike, sample: int = 5000, random_state: int | np.random.RandomState | None = 0
) -> float:
    """Mean silhouette (Rousseeuw 1987) with distance 1 - cosine, on a sample of the documents.

    Args:
        X: embeddings, (n, d); rows are normalised.
        labels: cluster of each document, (n,).
        sample: documents to sample without replacement; the cost is quadratic in it.
        random_state: seed of the sample.

    Returns:
        A value in [-1, 1]; NaN where the sample holds a single cluster, or each document has one of its own.

    """
    labels = np.asarray(labels)
    n = len(labels)
    random = check_random_state(random_state)
    index = np.sort(random.choice(n, min(sample, n), replace=False))
    found = len(np.unique(labels[index]))
    if not 2 <= found < len(index):
        return float("nan")
    return float(
        silhouette_score(Rows(np.asarray(X[index])).take(np.arange(len(index))), labels[index], metric="cosine")
    )


def nmi(labels: ArrayLike, reference: ArrayLike) -> float:
    """Normalised mutual information (arithmetic mean) with a label column, for example human topics; from 0 to 1."""
    return float(normalized_mutual_info_score(np.asarray(reference), np.asarray(labels)))
