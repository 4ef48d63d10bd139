"""Counting: the n-grams of the validation sets in every domain, once for all mixtures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemix.proxy.dataset import ProxyData
from gemix.proxy.documents import some_documents
from gemix.proxy.interface import Floats
from gemix.proxy.ngram.counts import Sparse, SparseColumns
from gemix.proxy.ngram.mixture_kernel import Counts, Grams
from gemix.proxy.ngram.model import MixtureModel
from gemix.proxy.ngram.smoothing import Smoothing, fit_smoothing
from gemix.proxy.ngram.trie import Nodes, Trie
from gemix.runtime.progress import progress
from gemix.runtime.threads import in_order

_TUNING = 200_000  # tokens of training text that decide the smoothing, at most
_TUNING_SHARE = 0.05  # of a domain


@dataclass(frozen=True)
class ValidNgrams:
    """The longest n-grams of V validation sets, numbered from 0 as the rows of `MixtureModel.blocks`.

    Attributes:
        ngrams: for each set, the n-gram that ends at each of its tokens, (tokens,) int32.
        shares: (n-grams, V) the n-gram's share of the set's tokens.

    """

    ngrams: list[Nodes]
    shares: Sparse


def count_ngrams(data: ProxyData, order: int, valid_tokens: int) -> tuple[MixtureModel, ValidNgrams]:
    """Count, and fit the smoothing on the way.

    The smoothing is what makes some training text most likely under the counts of all other text of all domains. That
    text is a few whole documents of each domain; they are counted with the others, and subtracted for the fit alone.
    """
    trie = Trie(order, data.end)
    tops = [trie.insert(some_documents(tokens, data.end, valid_tokens)) for tokens in data.held_out]
    kept = trie.size
    limits = [int(min(_TUNING / len(data.train), _TUNING_SHARE * len(tokens))) for tokens in data.train]
    tuning = [some_documents(t, data.end, limit) for t, limit in zip(data.train, limits, strict=True) if len(t)]
    tuned = [trie.insert(tokens) for tokens in tuning]
    # Contexts come first; the longest n-grams are none.
    lengths = trie.lengths[:kept]
    places = np.argsort(lengths == order, kind="stable")
    contexts = int((lengths < order).sum())
    events, followed = SparseColumns(kept), SparseColumns(contexts)
    others_events, others_contexts = np.zeros(trie.size, np.int64), np.zeros(trie.size, np.int64)
    for tokens in tuning:
        found = trie.count(tokens)
        others_events -= found.events
        others_contexts -= found.contexts
    with progress("count n-grams", sum(map(len, data.train)), "tokens") as advance:
        domains = [slice(k, k + 1) for k in range(len(data.train))]
        for found in in_order(lambda domain: trie.count(data.train[domain.start], advance), domains):
            events.add(found.events[places], found.event_documents[places])
            followed.add(found.contexts[places[:contexts]], found.context_documents[places[:contexts]])
            others_events += found.events
            others_contexts += found.contexts
    smoothing = _fit(trie, np.concatenate(tuned), others_events, others_contexts, data.vocabulary)
    number = np.empty(kept, np.int32)
    number[places] = np.arange(kept, dtype=np.int32)
    grams = Grams(number[trie.prefix[places]], number[trie.suffix[places]], lengths[places])
    model = MixtureModel(grams, _counts(events), _counts(followed), smoothing, data.vocabulary)
    ngrams = [number[top] - np.int32(contexts) for top in tops]
    shares = SparseColumns(kept - contexts, np.float64)
    for own in ngrams:
        shares.add(np.bincount(own, minlength=kept - contexts) / len(own))
    return model, ValidNgrams(ngrams, shares.by_rows())


def _counts(columns: SparseColumns) -> Counts:
    starts, domains, (occurrences, documents) = columns.by_rows()
    return Counts(starts, domains, occurrences, documents)


def _fit(trie: Trie, tops: Nodes, events: NDArray[np.int64], contexts: NDArray[np.int64], vocabulary: int) -> Smoothing:
    """Fit to the tokens at which the n-grams `tops` end, with these counts of other text."""
    seen: list[Any] = []
    before: list[Any] = []
    for _ in range(trie.order):
        seen.append(events[tops])
        before.append(contexts[trie.prefix[tops]])
        tops = trie.suffix[tops]
    return fit_smoothing(_floats(reversed(seen)), _floats(reversed(before)), vocabulary)


def _floats(rows: Any) -> Floats:
    return np.array(list(rows), np.float64)
