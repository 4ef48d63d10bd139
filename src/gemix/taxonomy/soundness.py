"""Whether a domain is one thing: coherence, and flags for mixtures, copies, empty domains and near twins.

All figures are made of cosines between different documents, equal rows counted once: neither the size of a domain nor
copies raise them. With r the mean cosine of two documents of a domain, its mean directions on two samples of m
documents have the cosine m r / (1 + (m - 1) r) (up to the spread of their lengths), m = 16 here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from gemix.runtime.threads import one_blas_thread
from gemix.taxonomy.cosines import blocks, unit_rows
from gemix.taxonomy.model import CopyGroup, Flag

Floats = NDArray[np.float64]

_HALF: Final = 16  # documents of the samples that coherence compares
_MAX_ROWS: Final = 4_096  # of a domain that are looked at, drawn at random
_MIN_ROWS: Final = 20  # fewer tell nothing of their halves or neighbours
# Of unions of two domains nine in ten are below, of domains few: docs/tables/soundness.md
_MIXED: Final = 0.25
_INCOHERENT: Final = 0.1  # of random groups of documents all are below
_COPIES: Final = 0.5
_NEAR: Final = 0.8
_TURNS: Final = 10


@dataclass(frozen=True, slots=True)
class Soundness:
    """What the documents say of K domains.

    Attributes:
        coherences: 0 for a random group of documents, 1 for documents that are all alike; None below two.
        flags: of every domain.
        copies: the groups of equal rows that outweigh a domain, 1 / K, the heaviest first.

    """

    coherences: list[float | None]
    flags: list[list[Flag]]
    copies: list[CopyGroup]


def judge(X: NDArray[Any], labels: NDArray[np.integer[Any]], domains: int, ids: Sequence[str], seed: int) -> Soundness:
    """Look at every domain.

    Args:
        X: (n, d) any float type, may be memory-mapped. Rows stand for their directions.
        labels: domains, (n,).
        domains: number of domains K.
        ids: of the documents, n.
        seed: of what is drawn from large domains.

    """
    group, first, counts = _equal_rows(X)
    is_first = np.zeros(len(X), dtype=bool)
    is_first[first] = True
    sizes = np.bincount(labels, minlength=domains)
    different = np.bincount(
        labels[np.unique(np.stack([labels, group]), axis=1, return_index=True)[1]], minlength=domains
    )
    random = np.random.default_rng(seed)
    with one_blas_thread():  # the same bytes whatever the number of cores
        rows = [_sample(np.flatnonzero((labels == k) & is_first), random) for k in range(domains)]
        means = np.array([unit_rows(X, some).sum(axis=0, dtype=np.float64) / max(len(some), 1) for some in rows])
        kept = np.array([len(some) for some in rows])
        base = _pair_cosine(different @ means, int(different.sum()))
        within = np.array([_pair_cosine(n * mean, int(n)) for n, mean in zip(kept, means, strict=True)])
        coherences = (_halves(within) - _halves(base)) / (1 - _halves(base))
        flags = [_flags_of_documents(int(n), int(m)) for n, m in zip(sizes, different, strict=True)]
        for k in np.flatnonzero(kept >= _MIN_ROWS).tolist():
            alike = _alike(unit_rows(X, rows[k]).astype(np.float64), float(base), random)
            if alike < _MIXED or coherences[k] < _INCOHERENT:
                flags[k].append(Flag(kind="mixed", figure=round(float(np.clip(alike, -1, 1)), 3)))
        for k, other, figure in _twins(means, within, base, (kept >= _MIN_ROWS) & (coherences >= _INCOHERENT)):
            flags[k].append(Flag(kind="near", figure=round(min(figure, 1.0), 3), domain=other))
    heavy = [g for g in np.argsort(-counts, kind="stable").tolist() if counts[g] > 1 and counts[g] * domains > len(X)]
    return Soundness(
        [round(float(value), 6) if n > 1 else None for value, n in zip(coherences, kept, strict=True)],
        flags,
        [
            CopyGroup(
                share=round(int(counts[g]) / len(X), 6),
                documents=int(counts[g]),
                first=ids[int(first[g])],
                domain=int(labels[first[g]]),
            )
            for g in heavy
        ],
    )


def _equal_rows(X: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the group of every row, (n,), and of every group its first row and its size."""
    known: dict[bytes, int] = {}
    group = np.empty(len(X), dtype=np.intp)
    for part in blocks(len(X), X.shape[1]):
        block = np.ascontiguousarray(X[part])
        group[part] = [known.setdefault(xxh3_128_digest(row), len(known)) for row in block]
    _, first, counts = np.unique(group, return_index=True, return_counts=True)
    return group, first, counts


def _sample(rows: NDArray[np.intp], random: np.random.Generator) -> NDArray[np.intp]:
    return np.sort(random.choice(rows, _MAX_ROWS, replace=False)) if len(rows) > _MAX_ROWS else rows


def _pair_cosine(total: Floats, count: int) -> float:
    """Return the mean cosine of two of `count` unit rows with this sum."""
    return float((total @ total - count) / (count * (count - 1))) if count > 1 else 0.0


def _halves(pair: Any) -> Any:
    """Return the cosine of the mean directions of two samples."""
    pair = np.maximum(pair, 0.0)
    return _HALF * pair / (1 + (_HALF - 1) * pair)


def _flags_of_documents(size: int, different: int) -> list[Flag]:
    if not size:
        return [Flag(kind="empty", figure=0)]
    copied = 1 - different / size
    return [Flag(kind="copies", figure=round(copied, 3))] if copied >= _COPIES else []


def _alike(rows: Floats, base: float, random: np.random.Generator) -> float:
    """Return how alike two parts of a domain are, 1 as one domain: parted on one half of its rows, judged on the other.

    Judged where they were parted, any two parts would differ.
    """
    order = random.permutation(len(rows))
    found = []
    for seen, held in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        axis = _axis(rows[seen])
        side = rows[held] @ axis > 0
        a, b = rows[held][side], rows[held][~side]
        if min(len(a), len(b)) < 2:
            found.append(1.0)  # no second part
            continue
        own = [_pair_cosine(part.sum(axis=0), len(part)) - base for part in (a, b)]
        across = float(a.mean(axis=0) @ b.mean(axis=0)) - base
        found.append(across / np.sqrt(max(own[0], 1e-3) * max(own[1], 1e-3)))
    return float(np.mean(found))


def _axis(rows: Floats) -> Floats:
    """Return the difference of the mean directions of two means, started from the direction in which rows vary most."""
    centred = rows - rows.mean(axis=0)
    axis = centred[np.einsum("ij,ij->i", centred, centred).argmax()]
    for _ in range(_TURNS):
        axis = centred.T @ (centred @ axis)
        axis /= max(float(np.linalg.norm(axis)), np.finfo(float).tiny)
    side = centred @ axis > 0
    for _ in range(_TURNS):
        if side.all() or not side.any():
            return np.zeros(rows.shape[1])
        ends = rows[side].mean(axis=0), rows[~side].mean(axis=0)
        axis = ends[0] / np.linalg.norm(ends[0]) - ends[1] / np.linalg.norm(ends[1])
        side = rows @ axis > 0
    return axis


def _twins(means: Floats, within: Floats, base: float, is_sound: NDArray[np.bool_]) -> list[tuple[int, int, float]]:
    """Return (domain, its nearest, how alike they are) where the two are hardly apart."""
    sound = np.flatnonzero(is_sound)
    if len(sound) < 2:
        return []
    own = np.sqrt(np.maximum(within[sound] - base, 1e-3))
    alike = (means[sound] @ means[sound].T - base) / np.outer(own, own)
    np.fill_diagonal(alike, -np.inf)
    nearest = alike.argmax(axis=1)
    return [(int(sound[i]), int(sound[j]), float(alike[i, j])) for i, j in enumerate(nearest) if alike[i, j] >= _NEAR]
