"""Pools that are cut so that a proxy repeats a domain as often as the real training, and documents that judge apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.mix.partition import Partition
from gemix.proxy.dataset import Part, ProxyData
from gemix.proxy.documents import document_ends, nearest_documents, split_documents
from gemix.proxy.pools import FRESH, fresh, matching
from gemix.runtime.errors import GemixError

END = 9


def stream(documents, seed=0, longest=20):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, longest, documents)
    return np.concatenate([np.append(random.integers(0, END, n), END) for n in lengths]).astype(np.uint16)


def data(documents=(200, 100, 50), valid=60):
    train = [stream(n, i) for i, n in enumerate(documents)]
    held = [stream(valid, 100 + i) for i in range(2)]
    parts = [
        Part(name=f"d{i}", documents=n, tokens=len(t), bytes=3 * len(t))
        for i, (n, t) in enumerate(zip(documents, train, strict=True))
    ]
    sets = [
        Part(name=name, documents=valid, tokens=len(t), bytes=3 * len(t)) for name, t in zip("ab", held, strict=True)
    ]
    return ProxyData(10, END, parts, train, sets, held, "f00")


def partition(tokens):
    names = [f"d{i}" for i in range(len(tokens))]
    return Partition(names, None, np.array(tokens), np.zeros(len(tokens)), np.ones(len(tokens)))


def test_epochs_in_the_proxy_are_those_to_come():
    own = data()
    tokens = [4 * part.tokens for part in own.domains]  # a quarter of the corpus was prepared
    found = matching(own, partition(tokens), tokens=500, budget=5000)
    assert found.factor == pytest.approx(0.1)
    cut = own.cut(found.shares, seed=0)
    for part, whole in zip(cut.domains, tokens, strict=True):
        # w t / pool = w T / tokens, as near as whole documents come
        assert 500 / part.tokens == pytest.approx(5000 / whole, rel=0.1)
    assert not found.short.any()


def test_what_is_not_there_is_said():
    own = data()
    tokens = [10 * own.domains[0].tokens, own.domains[1].tokens, own.domains[2].tokens]
    found = matching(own, partition(tokens), tokens=500, budget=1000)
    assert found.short.tolist() == [True, False, False]
    assert found.shares.tolist() == [1.0, 0.5, 0.5]


@pytest.mark.parametrize(("tokens", "budget"), [(500, None), (500, 500.0), (500, 100.0)])
def test_nothing_is_cut_without_need(tokens, budget):
    own = data()
    found = matching(own, partition([part.tokens for part in own.domains]), tokens, budget)
    assert found.shares.tolist() == [1.0, 1.0, 1.0]
    same = own.cut(found.shares, 0)
    assert all(a is b for a, b in zip(same.train, own.train, strict=True))


def documents_of(tokens):
    return [tuple(document.tolist()) for document in split_documents(tokens, END)]


def test_seeds_draw_pools_of_their_own_from_whole_documents():
    own = data()
    first, again, other = (fresh(own, np.ones(3), seed) for seed in (0, 0, 1))
    assert [part.tokens for part in first.domains] == pytest.approx(
        [FRESH * part.tokens for part in own.domains], rel=0.1
    )
    for a, b, c, whole in zip(first.train, again.train, other.train, own.train, strict=True):
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)
        assert set(documents_of(a)) <= set(documents_of(whole))
    assert first.fingerprint == again.fingerprint
    assert len({first.fingerprint, other.fingerprint, own.fingerprint}) == 3


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.floats(0, 1), st.integers(0, 1000))
def test_no_other_number_of_the_drawn_documents_comes_nearer(n, share, seed):
    tokens = stream(n, seed)
    size = share * len(tokens)
    found = nearest_documents(tokens, END, size, seed)
    lengths = np.diff(document_ends(tokens, END), prepend=0)
    totals = np.cumsum(lengths[np.random.default_rng(seed).permutation(n)])
    assert abs(len(found) - size) == pytest.approx(np.abs(totals - size).min())
    assert found[-1] == END


def test_the_documents_that_judge_a_choice_are_others():
    own = data()
    one, two = own.judged_by(0, 2), own.judged_by(1, 2, pieces=4)
    assert one.valid_names == ["a", "b"]
    assert {name.partition("/")[0] for name in two.valid_names} == {"a", "b"}
    for name, held, whole in zip("ab", one.held_out, own.held_out, strict=True):
        mine = set(documents_of(held))
        theirs = {
            document
            for other, tokens in zip(two.valid_names, two.held_out, strict=True)
            if other.startswith(name)
            for document in documents_of(tokens)
        }
        assert mine.isdisjoint(theirs)
        assert mine | theirs == set(documents_of(whole))


def test_copies_judge_on_one_side():
    own = data()
    copied = np.tile(stream(1, 5), 30)
    held = [np.concatenate([own.held_out[0], copied]), own.held_out[1]]
    both = ProxyData(10, END, own.domains, own.train, own.valid, held, "f01")
    copy = documents_of(copied)[0]
    assert sum(copy in documents_of(both.judged_by(part, 2).held_out[0]) for part in (0, 1)) == 1


def test_too_few_documents_cannot_be_divided():
    own = data(valid=1)
    with pytest.raises(GemixError, match="has too few documents to be divided: hold out more"):
        [own.judged_by(part, 2) for part in (0, 1)]
