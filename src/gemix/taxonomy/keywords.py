"""Keywords of domains and of groups of domains, by evidence: the log-likelihood ratio of documents that hold a term.

Dunning 1993 (Accurate methods for the statistics of surprise and coincidence): with a of A documents inside the domain
and b of B outside holding the term, G2 = 2 (a log(a / E_a) + b log(b / E_b) + the same for those that do not hold it),
E being what is expected if inside and outside were alike.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.taxonomy.terms import TermCounts, count_terms
from gemix.taxonomy.words import is_unspaced

Floats = NDArray[np.float64]

_CANDIDATES: Final = 200
# A term must be this many times as frequent inside the domain as outside: what is everywhere names nothing.
_MIN_LIFT: Final = 3.0
# What nearly all domains have names none of them, see `_spread`.
_MAX_SPREAD: Final = 0.8
# A phrase replaces its words when it makes up this share of the rarer one's documents.
_PHRASE_SHARE: Final = 0.5
# Two words are forms of one when they begin alike: letters in common at least, letters that follow at most.
_STEM: Final = 4
_ENDING: Final = 3


def class_keywords(
    texts: Sequence[str], labels: NDArray[np.integer[Any]], scores: Floats, domains: int, count: int = 10
) -> list[list[str]]:
    """Return the keywords of every domain, heaviest first.

    Args:
        texts: n documents.
        labels: their domains, (n,).
        scores: how typical each is of its domain, (n,); very large domains are described by their highest.
        domains: number of domains K.
        count: keywords a domain at most. A domain without documents or without words of its own has none.

    """
    return domain_keywords(count_terms(texts, labels, scores, domains), count)


def domain_keywords(counts: TermCounts, count: int = 10) -> list[list[str]]:
    """Return the keywords of every domain, heaviest first, at most `count` of each."""
    weigh = _Evidence(counts)
    return [weigh.keywords(*one, count) for one in zip(counts.rows, counts.sizes, strict=True)]


def node_keywords(counts: TermCounts, children: NDArray[np.intp], count: int = 10) -> list[list[str]]:
    """Return the keywords of every inner node of a tree: of its documents against all others.

    Args:
        counts: of the K leaves.
        children: the two nodes that each merge joins, (K - 1, 2): leaves are 0 .. K - 1, merge t makes node K + t.
        count: keywords a node at most. The root has none, since there is nothing to set it apart from.

    """
    weigh = _Evidence(counts)
    known = dict(enumerate(zip(counts.rows, counts.sizes, strict=True)))
    leaves, found = len(counts.rows), []
    for t, (a, b) in enumerate(children.tolist()):
        # A node is the child of one other: its counts are not needed again.
        (row_a, size_a), (row_b, size_b) = known.pop(a), known.pop(b)
        known[leaves + t] = row_a + row_b, size_a + size_b
        found.append(weigh.keywords(*known[leaves + t], count) if t < leaves - 2 else [])
    return found


class _Evidence:
    """Terms of one class of documents against all counted others."""

    def __init__(self, counts: TermCounts) -> None:
        self.terms = counts.terms
        self.total = np.zeros(max(len(counts.terms), 1))
        for row in counts.rows:
            self.total[row.indices] += row.data
        self.documents = int(counts.sizes.sum())
        self.spread = _spread(counts)

    def keywords(self, row: Any, size: int, count: int) -> list[str]:
        """Return the keywords of a class with these counts, (1, V), of `size` documents."""
        index, inside = row.indices, row.data
        outside, others = self.total[index] - inside, self.documents - size
        # Where there is nothing outside, what most documents hold describes the class.
        ratio = log_likelihood(inside, outside, size, others) if others else inside.copy()
        ratio[inside / max(size, 1) < _MIN_LIFT * outside / max(others, 1)] = 0.0
        spread = self.spread[index]
        ratio[spread > _MAX_SPREAD] = 0.0
        # The most evidence; of these ten words those first that are found in few other domains.
        order = sorted(np.flatnonzero(ratio > 0).tolist(), key=lambda i: (-ratio[i], self.terms[index[i]]))[
            :_CANDIDATES
        ]
        candidates = [(self.terms[index[i]], float(inside[i]), float(ratio[i] * np.sqrt(1 - spread[i]))) for i in order]
        kept = set(_distinct_terms([one[:2] for one in candidates], count))
        candidates.sort(key=lambda one: (-one[2], one[0]))
        return [term for term, *_ in candidates if term in kept]


def log_likelihood(inside: Floats, outside: Floats, size: int, others: int) -> Floats:
    """Return G2 of terms that `inside` of `size` and `outside` of `others` documents hold, (V,) >= 0."""
    expected = (inside + outside) / max(size + others, 1)

    def part(found: Floats, share: Floats, of: int) -> Floats:
        return np.where(found > 0, found * np.log(np.maximum(found, 1e-300) / np.maximum(share * of, 1e-300)), 0.0)

    holding = part(inside, expected, size) + part(outside, expected, others)
    lacking = part(size - inside, 1 - expected, size) + part(others - outside, 1 - expected, others)
    return np.maximum(2 * (holding + lacking), 0.0)


def _distinct_terms(candidates: list[tuple[str, float]], count: int) -> list[str]:
    """Take terms in their order, one for each set of variants (a phrase and its words, forms of one word).

    Args:
        candidates: terms by falling weight, with how many documents hold each.
        count: how many to take at most.

    """
    held = dict(candidates)
    kept: list[str] = []
    for term, documents in candidates:
        words = term.split()
        if len(words) == 2 and _is_form(*words):  # "blog blogs"
            continue
        rivals = [other for other in kept if _is_variant(term, other)]
        if not rivals:
            if len(kept) == count:
                break
            kept.append(term)
        elif all(_is_longer(term, other) and documents >= _PHRASE_SHARE * held[other] for other in rivals):
            kept[kept.index(rivals[0])] = term
            kept = [term for term in kept if term not in rivals[1:]]
    return kept


def _is_variant(term: str, other: str) -> bool:
    if is_unspaced(term) or is_unspaced(other):
        return term in other or other in term
    return any(_is_form(a, b) for a in term.split() for b in other.split())


def _is_longer(term: str, other: str) -> bool:
    """Return whether a term is a phrase and the other a word of it, or part of it in a script without spaces."""
    return other in term if is_unspaced(term) else term.count(" ") > other.count(" ")


def _is_form(a: str, b: str) -> bool:
    """Return whether two words are one, or forms of one."""
    if a == b:
        return True
    short, long = sorted((a, b), key=len)
    if len(short) < _STEM:
        return long == short + "s"
    stem = next((i for i, (x, y) in enumerate(zip(short, long, strict=False)) if x != y), len(short))
    return stem >= max(_STEM, len(short) - _ENDING) and len(long) - stem <= _ENDING


def _spread(counts: TermCounts) -> Floats:
    """Return how evenly each term is spread over the domains, (V,), from 0 (one has it) to 1 (all alike).

    The exponential of the entropy of its shares is the number of domains that it is in effect spread over.
    """
    total, entropy = np.zeros(max(len(counts.terms), 1)), np.zeros(max(len(counts.terms), 1))
    for row, size in zip(counts.rows, counts.sizes, strict=True):
        rate = row.data / max(size, 1)
        total[row.indices] += rate
        entropy[row.indices] -= rate * np.log(rate)
    total = np.maximum(total, 1e-300)
    return (np.exp(entropy / total + np.log(total)) - 1) / max((counts.sizes > 0).sum() - 1, 1)
