"""Which documents of each domain hold which terms: words, phrases of two, runs of characters in unspaced scripts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.taxonomy.words import BREAK, Ids, Words, is_content, read_words

Floats = NDArray[np.float64]

# Statistics settle long before this; the vocabulary of phrases would go on growing.
_MAX_DOCUMENTS: Final = 20_000
_MAX_UNITS: Final = 8  # characters of a term in a script without spaces
_COHESION: Final = 5.0


@dataclass(frozen=True, slots=True)
class TermCounts:
    """How many documents of each domain hold each term, equal texts counted once.

    Attributes:
        terms: V of them.
        rows: one a domain, each (1, V) float64, sparse.
        sizes: documents that were counted of each domain, (K,).

    """

    terms: list[str]
    rows: list[Any]
    sizes: NDArray[np.intp]


def count_terms(texts: Sequence[str], labels: NDArray[np.integer[Any]], scores: Floats, domains: int) -> TermCounts:
    """Count the terms of every domain.

    Args:
        texts: n documents.
        labels: their domains, (n,).
        scores: how typical each is of its domain, (n,); very large domains are described by their highest.
        domains: number of domains K.

    """
    from scipy.sparse import csr_array

    rows = _most_typical(labels, scores, domains)
    owners = labels[rows].astype(np.int64)
    words = read_words([texts[i] for i in rows.tolist()])
    least = min(5, max(1, len(rows) // 200))
    is_counted = ~words.is_repeated
    terms: list[str] = []
    columns, domain = [], []
    for found, grams in _terms(words, least):
        at = np.flatnonzero((grams != BREAK) & is_counted)
        pairs = np.unique(grams[at] * len(rows) + words.texts[at])  # a term counts once a document
        columns.append(pairs // max(len(rows), 1) + len(terms))
        domain.append(owners[pairs % max(len(rows), 1)])
        terms += found
    column, row = np.concatenate(columns), np.concatenate(domain)
    table = csr_array((np.ones(len(row)), (row, column)), shape=(domains, max(len(terms), 1)))
    different = np.unique(words.texts[is_counted])
    sizes = np.bincount(owners[different], minlength=domains)
    return TermCounts(terms, [table[[k]] for k in range(domains)], sizes)


def _terms(words: Words, least: int) -> Iterator[tuple[list[str], Ids]]:
    """Yield the terms of each length with the number of the one that begins at each word, (T,), BREAK where none does.

    Args:
        words: of the documents.
        least: documents that hold a term at least, copies among them.

    """
    is_unit = np.append(words.is_unit, False)[words.ids]
    spelt = np.array([*words.vocabulary, ""], dtype=object)
    plain = np.where(is_unit | words.is_function, BREAK, words.ids)
    plain, kept = _frequent(plain, words.texts, len(spelt), least)
    yield spelt[kept].tolist(), plain
    pairs, (left, right) = _joined(plain, plain, words.texts, least)
    yield (spelt[kept[left]] + " " + spelt[kept[right]]).tolist(), pairs
    units, kept = _frequent(np.where(is_unit, words.ids, BREAK), words.texts, len(spelt), least)
    yield from _runs(units, spelt[kept], words.texts, least)


def _runs(units: Ids, spelt: NDArray[Any], texts: Ids, least: int) -> Iterator[tuple[list[str], Ids]]:
    """Yield terms of two to eight characters that keep together: far more often than their parts meet by chance.

    That is how words are found without a dictionary (cohesion, as in Sproat & Shih 1990).
    """
    single = np.bincount(units[units != BREAK], minlength=len(spelt))
    total = int(single.sum())
    grams, names, counts = units, spelt, single
    first = last = np.arange(len(spelt))
    for _ in range(_MAX_UNITS - 1):
        longer, (left, right) = _joined(grams, grams, texts, least)
        if not len(left):
            return
        occurs = np.bincount(longer[longer != BREAK], minlength=len(left))
        by_chance = np.maximum(single[first[left]] * counts[right], counts[left] * single[last[right]]) / total
        names = names[left] + spelt[last[right]]
        first, last, grams, counts = first[left], last[right], longer, occurs
        is_word = (occurs >= _COHESION * by_chance) & np.array([is_content(name) for name in names], dtype=bool)
        number = np.where(is_word, np.cumsum(is_word) - 1, BREAK)
        yield names[is_word].tolist(), np.append(number, BREAK)[grams]


def _joined(left: Ids, right: Ids, texts: Ids, least: int) -> tuple[Ids, tuple[Ids, Ids]]:
    """Return the terms of a left one with the right one that begins a word later, (T,), and both parts of each."""
    follows = np.flatnonzero((left[:-1] != BREAK) & (right[1:] != BREAK))
    width = int(right.max(initial=0)) + 1
    keys, number = np.unique(left[follows] * width + right[follows + 1], return_inverse=True)
    grams = np.full(len(left), BREAK)
    grams[follows] = number
    grams, kept = _frequent(grams, texts, len(keys), least)
    return grams, (keys[kept] // width, keys[kept] % width)


def _frequent(grams: Ids, texts: Ids, count: int, least: int) -> tuple[Ids, Ids]:
    """Return terms numbered anew, those that fewer than `least` texts hold as BREAK, and the old numbers by the new."""
    at = np.flatnonzero(grams != BREAK)
    width = int(texts[-1]) + 1 if len(texts) else 1
    holds = np.bincount(np.unique(grams[at] * width + texts[at]) // width, minlength=count)
    is_kept = holds >= least
    number = np.append(np.where(is_kept, np.cumsum(is_kept) - 1, BREAK), BREAK)
    return number[grams], np.flatnonzero(is_kept)


def _most_typical(labels: NDArray[np.integer[Any]], scores: Floats, domains: int) -> NDArray[np.intp]:
    """Return at most _MAX_DOCUMENTS rows, the same number at most for each domain, ascending."""
    quota = max(50, _MAX_DOCUMENTS // domains)
    order = np.lexsort((-scores, labels))
    sizes = np.bincount(labels, minlength=domains)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[rank < quota])
