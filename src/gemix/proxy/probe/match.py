"""Partitions with domains of the same sizes, so that size alone cannot tell them apart."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gemix.proxy.probe.partitions import Labels, Partition


def domain_sizes(labels: Labels, tokens: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return the tokens of every domain, (K,); documents with label -1 count nowhere."""
    inside = labels >= 0
    return np.bincount(labels[inside], weights=tokens[inside], minlength=k).astype(np.int64)


def match_sizes(partitions: Sequence[Partition], tokens: NDArray[np.int64]) -> list[Partition]:
    """Return the partitions with documents left out until their r-th largest domains have the same tokens, for every r.

    m_r is the least that an r-th largest domain has, over the partitions that have r domains. In every partition
    the r-th largest domain keeps the documents from its first one on whose tokens together come nearest to m_r. "First"
    is the order of the rows: that of a hash in a seed sample, so chance decides and all partitions prefer the same
    documents. What differs afterwards is at most half a document a domain; and a partition with fewer domains
    lacks the smallest ones.

    Args:
        partitions: of the same n documents.
        tokens: (n,) of each document; 0 for documents that are not trained on, which stay where they are.

    """
    sizes = [domain_sizes(p.labels, tokens, len(p.domains)) for p in partitions]
    ranked = [np.sort(size)[::-1] for size in sizes]
    wanted = [min(row[r] for row in ranked if r < len(row)) for r in range(max(map(len, ranked)))]
    out = []
    for partition, size in zip(partitions, sizes, strict=True):
        labels = partition.labels.copy()
        for rank, k in enumerate(np.argsort(-size, kind="stable")):
            rows = np.flatnonzero((labels == k) & (tokens > 0))
            reached = np.concatenate([[0], np.cumsum(tokens[rows])])
            labels[rows[np.abs(reached - wanted[rank]).argmin() :]] = -1
        out.append(replace(partition, labels=labels))
    return out
