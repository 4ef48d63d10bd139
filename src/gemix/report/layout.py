"""Embeddings to points of the plane."""

import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.errors import GemixError
from gemix.runtime.progress import progress

NEIGHBOURS: Final = 15
MIN_DISTANCE: Final = 0.1
DIMENSIONS: Final = 50
# UMAP says nothing about fewer documents than a few neighbourhoods: their two principal axes do.
LEAST: Final = 4 * NEIGHBOURS


def layout(X: NDArray[Any], seed: int = 0) -> tuple[NDArray[np.float32], str]:
    """Place documents in the plane so that near ones stay near: UMAP (McInnes et al. 2018, arXiv 1802.03426).

    The embeddings are reduced to their 50 principal components first. The neighbours, by cosine, are searched exactly:
    at this size that is faster than UMAP's own approximate search, which compiles itself for a minute.
    All of it uses one thread, so that the same seed gives the same picture on any number of cores.

    Args:
        X: unit rows, (n, d), any float type; read as a whole.
        seed: of UMAP's sampling.

    Returns:
        Points, (n, 2), and how they were found: "UMAP", or "PCA" for fewer than 60 documents.

    Raises:
        GemixError: umap-learn is not installed.

    """
    rows = np.asarray(X, np.float32)
    if len(rows) < LEAST:
        return _principal(rows, 2), "PCA"
    try:
        from umap import UMAP
    except ImportError:
        raise GemixError('the map needs umap-learn: pip install "gemix[report]"') from None
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    with progress("map", unit="documents") as advance, threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="umap")  # it would not be able to place new documents: there are none
        rows = _principal(rows, min(DIMENSIONS, rows.shape[1]))
        search = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine", algorithm="brute").fit(rows)
        distances, neighbours = search.kneighbors(rows)
        model = UMAP(
            n_neighbors=NEIGHBOURS,
            min_dist=MIN_DISTANCE,
            metric="cosine",
            precomputed_knn=(neighbours, distances.astype(np.float32)),
            force_approximation_algorithm=True,  # else it ignores the neighbours of a small sample
            random_state=seed,
            n_jobs=1,
        )
        points = np.asarray(model.fit_transform(rows), np.float32)
        advance(len(rows))
    # A document that is connected to no other has no place.
    lost = ~np.isfinite(points).all(axis=1)
    points[lost] = points[~lost].mean(axis=0)
    return points, "UMAP"


def _principal(rows: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    from sklearn.decomposition import PCA

    most = min(dimensions, *rows.shape)
    if len(rows) < 2:
        return np.zeros((len(rows), dimensions), np.float32)
    found = PCA(most, random_state=0).fit_transform(rows)
    return np.pad(found, ((0, 0), (0, dimensions - most))).astype(np.float32)
