from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.proxy.documents import document_ends, some_documents
from gemix.proxy.ngram import trie as trie_module
from gemix.proxy.ngram.smoothing import fit_smoothing
from gemix.proxy.ngram.trie import Trie

END = 7
documents = st.lists(st.lists(st.integers(0, 6), max_size=8), min_size=1, max_size=12)


def stream(docs: list[list[int]], kind: type = np.uint16) -> np.ndarray:
    return np.array([token for document in docs for token in [*document, END]], kind)


def padded(document: list[int], length: int) -> list[tuple[int, ...]]:
    """The n-gram of this length that ends at each token."""
    tokens = [END] * (length - 1) + [*document, END]
    return [tuple(tokens[i : i + length]) for i in range(len(document) + 1)]


def gram_of(trie: Trie, node: int, last: dict[int, int]) -> tuple[int, ...]:
    return () if node == 0 else (*gram_of(trie, int(trie.prefix[node]), last), last[node])


@given(documents, documents, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_a_dictionary(known: list[list[int]], read: list[list[int]], order: int) -> None:
    trie = Trie(order, END)
    top = trie.insert(stream(known))
    names: dict[int, tuple[int, ...]] = {0: ()}
    found = [gram for document in known for gram in padded(document, order)]
    for node, gram in zip(top.tolist(), found, strict=True):
        for cut in range(order):  # suffixes of the longest name all others
            assert names.setdefault(node, gram[cut:]) == gram[cut:]
            node = int(trie.suffix[node])
        assert node == 0
    assert len({gram for node, gram in names.items() if len(gram) == order}) == len(set(found))
    tally = trie.count(stream(read))
    for node, gram in names.items():
        n = len(gram)
        assert trie.lengths[node] == n
        if n:
            per_document = [Counter(padded(document, n))[gram] for document in read]
            assert tally.events[node] == sum(per_document)
            assert tally.event_documents[node] == sum(count > 0 for count in per_document)
        if n < order:
            # A context of n tokens before each token; of the last document tokens only the padding is before the first.
            before = [Counter(g[:-1] for g in padded(document, n + 1))[gram] for document in read]
            assert tally.contexts[node] == sum(before)
            assert tally.context_documents[node] == sum(count > 0 for count in before)


def test_pieces_and_types_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    docs = [random.integers(0, 7, random.integers(0, 30)).tolist() for _ in range(200)]
    trie = Trie(4, END)
    top, tally = trie.insert(stream(docs)), trie.count(stream(docs))
    monkeypatch.setattr(trie_module, "_PIECE", 17)
    other = Trie(4, END)
    assert (other.insert(stream(docs, np.uint32)) == top).all()
    assert all((a == b).all() for a, b in zip(other.count(stream(docs, np.uint32)), tally, strict=True))


def test_a_trie_grows() -> None:
    tokens = np.random.default_rng(0).integers(0, 60_000, 100_000).astype(np.uint16)
    trie = Trie(2, 65_535)
    for piece in np.array_split(tokens, 7):
        trie.insert(piece)
    pairs = {
        pair
        for piece in np.array_split(tokens, 7)
        for pair in zip(piece[:-1].tolist(), piece[1:].tolist(), strict=True)
    }
    firsts = {(65_535, int(piece[0])) for piece in np.array_split(tokens, 7)}
    assert trie.size == 1 + 1 + len(set(tokens.tolist())) + len(pairs | firsts)
    assert (trie.prefix[1:] < np.arange(1, trie.size)).all()
    assert (trie.suffix[1:] < np.arange(1, trie.size)).all()


def test_some_documents_are_whole_and_the_same_each_time() -> None:
    docs = [[i % 7] * (i % 5 + 1) for i in range(400)]
    tokens = stream(docs)
    part = some_documents(tokens, END, 300)
    assert 290 < len(part) <= 300
    assert part[-1] == END
    assert (part == some_documents(tokens, END, 300)).all()
    whole = {tuple(document) for document in docs}
    ends = document_ends(part, END)
    assert all(tuple(part[a : b - 1].tolist()) in whole for a, b in zip([0, *ends[:-1]], ends, strict=True))
    assert (
        len(some_documents(tokens, END, 1)) == len(stream([docs[0]]))
        or len(document_ends(some_documents(tokens, END, 1), END)) == 1
    )
    assert (some_documents(tokens, END, len(tokens)) == tokens).all()


def test_the_smoothing_is_the_best_there_is() -> None:
    """No step from the optimum helps, whatever the parameter."""
    random = np.random.default_rng(1)
    contexts = np.stack([np.full(500, 5000.0), random.integers(0, 300, 500), random.integers(0, 4, 500)])
    events = np.floor(contexts * random.beta(1, 4, contexts.shape))
    fitted = fit_smoothing(events, contexts, 50)

    def loss(strength: np.ndarray, growth: np.ndarray) -> float:
        p = np.full(500, 1 / 50)
        for c, n, m, gamma in zip(events, contexts, strength, growth, strict=True):
            evidence = n**gamma * (n > 0)
            trust = evidence / (evidence + m)
            p = trust * np.divide(c, n, out=np.zeros(500), where=n > 0) + (1 - trust) * p
        prior = ((np.log(strength) - 1.6) / 2) ** 2 + ((growth - 0.35) / 0.3) ** 2
        return prior.sum() / 1000 - np.log(p).mean()

    best = loss(fitted.strength, fitted.growth)
    for i in range(3):
        for factor in (0.9, 1.1):
            step = np.where(np.arange(3) == i, factor, 1.0)
            assert loss(fitted.strength * step, fitted.growth) >= best - 1e-7
            assert loss(fitted.strength, np.clip(fitted.growth * step, 0.05, 1)) >= best - 1e-7
