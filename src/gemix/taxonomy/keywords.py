"""Keywords and names of domains from word statistics alone: class-based TF-IDF.

Grootendorst 2022 (BERTopic, arXiv 2203.05794): the weight of term t in class c is tf_tc log(1 + A / f_t), with tf the
share of t among the terms of c, f_t how often t occurs in all classes and A the mean number of terms a class.
An occurrence is a document here, so that one document that repeats itself does not name a domain.
"""

import re
import sys
import unicodedata
from collections.abc import Sequence
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
_NAME_KEYWORDS: Final = 3
# What remains of English contractions when the apostrophe is not a letter.
_CONTRACTIONS: Final = "don ve ll re isn aren wasn weren doesn didn hasn haven hadn won wouldn couldn shouldn mustn ain"


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
    rows = _most_typical(labels, scores, domains)
    terms, counts, sizes = _document_counts([texts[i] for i in rows.tolist()], labels[rows], domains)
    if not terms:
        return [[] for _ in range(domains)]
    total = counts.sum(axis=0)
    in_class = counts.sum(axis=1, keepdims=True)
    weights = counts / np.maximum(in_class, 1) * np.log1p(in_class.mean() / total)
    inside = counts / np.maximum(sizes, 1)[:, None]
    outside = (total - counts) / np.maximum(sizes.sum() - sizes, 1)[:, None]
    weights[inside < _MIN_LIFT * outside] = 0.0
    index = {term: i for i, term in enumerate(terms)}
    return [_distinct_terms(terms, index, weights[k], counts[k], count) for k in range(domains)]


def keyword_names(keywords: Sequence[Sequence[str]]) -> list[str]:
    """Name each domain by its first keywords, as many as it takes for no two names to be equal.

    Args:
        keywords: of every domain, heaviest first.

    Returns:
        Names such as "recipe-sugar-oven", lower-case letters and hyphens, all different; "domain-03" for a domain
        without keywords.

    """
    digits = max(2, len(str(len(keywords) - 1)))
    names: list[str] = []
    taken: set[str] = set()
    for k, words in enumerate(keywords):
        fallback = f"domain-{k:0{digits}d}"
        slugs = [word.replace(" ", "-") for word in words]
        lengths = range(min(_NAME_KEYWORDS, len(slugs)), len(slugs) + 1)
        candidates = ["-".join(slugs[:n]) for n in lengths if n] + [fallback]
        # A fallback is free by construction: keywords hold no digits.
        name = next(name for name in candidates if name not in taken)
        names.append(name)
        taken.add(name)
    return names


def _most_typical(labels: NDArray[np.integer[Any]], scores: Floats, domains: int) -> NDArray[np.intp]:
    """Return at most _MAX_DOCUMENTS rows, the same number at most for each domain, ascending."""
    quota = max(50, _MAX_DOCUMENTS // domains)
    order = np.lexsort((-scores, labels))
    sizes = np.bincount(labels, minlength=domains)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[rank < quota])


def _document_counts(
    texts: list[str], labels: NDArray[np.integer[Any]], domains: int
) -> tuple[list[str], Floats, NDArray[np.intp]]:
    """Return terms, the documents of each domain that hold each term, (K, terms), and documents a domain, (K,)."""
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    sizes = np.bincount(labels, minlength=domains)
    vectorizer = CountVectorizer(
        ngram_range=(1, 2),
        binary=True,
        min_df=min(5, max(1, len(texts) // 200)),
        stop_words=sorted(ENGLISH_STOP_WORDS.union(_CONTRACTIONS.split())),
        token_pattern=_word_pattern(),
        dtype=np.float64,
    )
    try:
        matrix = vectorizer.fit_transform(texts)
    except ValueError:  # no term is left: empty texts, or stop words only
        return [], np.empty((domains, 0)), sizes
    members = csr_array((np.ones(len(texts)), (labels, np.arange(len(texts)))), shape=(domains, len(texts)))
    return vectorizer.get_feature_names_out().tolist(), (members @ matrix).toarray(), sizes


@lru_cache(maxsize=1)
def _word_pattern() -> str:
    """Two or more letters of any script, with their combining marks, which are no letters to `re`: Hindi has many."""
    marks = "".join(
        re.escape(chr(code)) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M"
    )
    return rf"[^\W\d_](?:[^\W\d_]+|[{marks}]+)+"


def _distinct_terms(terms: list[str], index: dict[str, int], weights: Floats, counts: Floats, count: int) -> list[str]:
    """Take terms by falling weight, one for each set of variants (a phrase and its words, a word and its plural)."""
    kept: list[str] = []
    for i in np.argsort(-weights, kind="stable")[:_CANDIDATES].tolist():
        if weights[i] <= 0 or len(kept) == count:
            break
        words = {_singular(word) for word in terms[i].split()}
        if len(words) <= terms[i].count(" "):  # "blog blogs"
            continue
        rivals = [other for other in kept if words & {_singular(word) for word in other.split()}]
        if not rivals:
            kept.append(terms[i])
        elif " " in terms[i] and all(
            " " not in other and counts[i] >= _PHRASE_SHARE * counts[index[other]] for other in rivals
        ):
            kept[kept.index(rivals[0])] = terms[i]
            kept = [term for term in kept if term not in rivals[1:]]
    return kept


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
