"""Keywords of domains and of groups of domains from word statistics alone: class-based TF-IDF.

Grootendorst 2022 (BERTopic, arXiv 2203.05794): the weight of term t in class c is tf_tc log(1 + A / f_t), with tf the
share of t among the terms of c, f_t how often t occurs in all classes and A the mean number of terms a class.
An occurrence is a document here, so that one document that repeats itself does not name a domain.
"""

import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Statistics settle long before this; the vocabulary of bigrams would go on growing.
_MAX_DOCUMENTS: Final = 20_000
_CANDIDATES: Final = 200
# A term must be this many times as frequent inside the domain as outside: what is everywhere names nothing.
_MIN_LIFT: Final = 2.0
# A bigram replaces its words when it makes up this share of the rarer one's documents.
_PHRASE_SHARE: Final = 0.5
# What remains of English contractions when the apostrophe is not a letter.
_CONTRACTIONS: Final = "don ve ll re isn aren wasn weren doesn didn hasn haven hadn won wouldn couldn shouldn mustn ain"


@dataclass(frozen=True, slots=True)
class TermCounts:
    """How many documents of each domain hold each term.

    Attributes:
        terms: V of them, sorted.
        rows: one a domain, each (1, V) float64, sparse.
        sizes: documents that were counted of each domain, (K,).

    """

    terms: list[str]
    rows: list[Any]
    sizes: NDArray[np.intp]


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
    weigh = _Weights(counts)
    return [weigh.keywords(*one, len(counts.rows), count) for one in zip(counts.rows, counts.sizes, strict=True)]


def node_keywords(counts: TermCounts, children: NDArray[np.intp], count: int = 10) -> list[list[str]]:
    """Return the keywords of every inner node of a tree: of its documents against all others.

    Args:
        counts: of the K leaves.
        children: the two nodes that each merge joins, (K - 1, 2): leaves are 0 .. K - 1, merge t makes node K + t.
        count: keywords a node at most. The root has none, since there is nothing to set it apart from.

    """
    weigh = _Weights(counts)
    known = dict(enumerate(zip(counts.rows, counts.sizes, strict=True)))
    leaves, found = len(counts.rows), []
    for t, (a, b) in enumerate(children.tolist()):
        # A node is the child of one other: its counts are not needed again.
        (row_a, size_a), (row_b, size_b) = known.pop(a), known.pop(b)
        known[leaves + t] = row_a + row_b, size_a + size_b
        # Among the classes that are left once the node is made, it is one.
        classes = leaves - t - 1
        found.append(weigh.keywords(*known[leaves + t], classes, count) if classes > 1 else [])
    return found


class _Weights:
    """Class-based TF-IDF of one class against all counted documents."""

    def __init__(self, counts: TermCounts) -> None:
        self.terms = counts.terms
        self.total = np.zeros(len(counts.terms))
        for row in counts.rows:
            self.total[row.indices] += row.data
        self.documents = int(counts.sizes.sum())

    def keywords(self, row: Any, size: int, classes: int, count: int) -> list[str]:
        """Return the keywords of a class with these counts, (1, V), of `size` documents, being one of `classes`."""
        index, inside = row.indices, row.data
        total = self.total[index]
        weights = inside / max(inside.sum(), 1) * np.log1p(self.total.sum() / classes / total)
        outside = (total - inside) / max(self.documents - size, 1)
        weights[inside / max(size, 1) < _MIN_LIFT * outside] = 0.0
        # By weight, then by the term: rows keep terms in order.
        order = np.lexsort((index, -weights))[:_CANDIDATES]
        return _distinct_terms([(self.terms[index[i]], inside[i]) for i in order.tolist() if weights[i] > 0], count)


def _most_typical(labels: NDArray[np.integer[Any]], scores: Floats, domains: int) -> NDArray[np.intp]:
    """Return at most _MAX_DOCUMENTS rows, the same number at most for each domain, ascending."""
    quota = max(50, _MAX_DOCUMENTS // domains)
    order = np.lexsort((-scores, labels))
    sizes = np.bincount(labels, minlength=domains)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[rank < quota])


def count_terms(texts: Sequence[str], labels: NDArray[np.integer[Any]], scores: Floats, domains: int) -> TermCounts:
    """Count the terms of every domain; arguments as for `class_keywords`."""
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    rows = _most_typical(labels, scores, domains)
    read, labels = [texts[i] for i in rows.tolist()], labels[rows]
    sizes = np.bincount(labels, minlength=domains)
    vectorizer = CountVectorizer(
        ngram_range=(1, 2),
        binary=True,
        min_df=min(5, max(1, len(read) // 200)),
        stop_words=sorted(ENGLISH_STOP_WORDS.union(_CONTRACTIONS.split())),
        token_pattern=_word_pattern(),
        dtype=np.float64,
    )
    try:
        matrix = vectorizer.fit_transform(read)
    except ValueError:  # no term is left: empty texts, or stop words only
        return TermCounts([], [csr_array((1, 0))] * domains, sizes)
    members = csr_array((np.ones(len(read)), (labels, np.arange(len(read)))), shape=(domains, len(read)))
    summed = csr_array(members @ matrix)
    return TermCounts(vectorizer.get_feature_names_out().tolist(), [summed[[k]] for k in range(domains)], sizes)


@lru_cache(maxsize=1)
def _word_pattern() -> str:
    """Two or more letters of any script, with their combining marks, which are no letters to `re`: Hindi has many."""
    marks = "".join(
        re.escape(chr(code)) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M"
    )
    return rf"[^\W\d_](?:[^\W\d_]+|[{marks}]+)+"


def _distinct_terms(candidates: list[tuple[str, float]], count: int) -> list[str]:
    """Take terms in their order, one for each set of variants (a phrase and its words, a word and its plural).

    Args:
        candidates: terms by falling weight, with how many documents hold each.
        count: how many to take at most.

    """
    held = dict(candidates)
    kept: list[str] = []
    for term, documents in candidates:
        if len(kept) == count:
            break
        words = {_singular(word) for word in term.split()}
        if len(words) <= term.count(" "):  # "blog blogs"
            continue
        rivals = [other for other in kept if words & {_singular(word) for word in other.split()}]
        if not rivals:
            kept.append(term)
        elif " " in term and all(" " not in other and documents >= _PHRASE_SHARE * held[other] for other in rivals):
            kept[kept.index(rivals[0])] = term
            kept = [term for term in kept if term not in rivals[1:]]
    return kept


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
