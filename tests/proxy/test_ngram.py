from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proxy.ngram_reference import END, Documents, Reference
from support import SUBJECTS, make_documents

from gemix.mix.box import make_box
from gemix.mix.strategies.mixmin import mixmin
from gemix.proxy.dataset import Part, ProxyData
from gemix.proxy.ngram import NgramProxy
from gemix.proxy.tokenised import divide, tokenise
from gemix.runtime.errors import GemixError
from gemix.tokens.held_out import held_out
from gemix.tokens.tokenizer import train_tokenizer

VOCABULARY = 5


def make_data(domains: list[Documents], valid: list[Documents], vocabulary: int = VOCABULARY) -> ProxyData:
    """The data of documents without their ends."""

    def stream(documents: Documents) -> np.ndarray:
        return np.array([token for document in documents for token in [*document, END]], np.uint16)

    def parts(sets: list[Documents], letter: str) -> list[Part]:
        return [
            Part(name=f"{letter}{i}", documents=len(s), tokens=len(stream(s)), bytes=len(stream(s)))
            for i, s in enumerate(sets)
        ]

    return ProxyData(
        vocabulary,
        END,
        parts(domains, "d"),
        [stream(d) for d in domains],
        parts(valid, "v"),
        [stream(v) for v in valid],
        "fingerprint",
    )


def documents(tokens: np.ndarray) -> Documents:
    return [d[:-1].tolist() for d in np.split(tokens, np.flatnonzero(tokens == END) + 1) if len(d)]


def random_documents(random: np.random.Generator, n: int, bias: Sequence[float], longest: int = 12) -> Documents:
    """Documents in which each token depends on the one before."""
    documents = []
    for _ in range(n):
        tokens = [int(random.choice([1, 2, 3, 4], p=bias))]
        for _ in range(int(random.integers(0, longest))):
            follow = tokens[-1] % 4 + 1
            tokens.append(follow if random.random() < 0.6 else int(random.choice([1, 2, 3, 4], p=bias)))
        documents.append(tokens)
    return documents


BIASES = ([0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7], [0.25, 0.25, 0.25, 0.25])
# Every context of two tokens with every token behind it.
EVERYTHING = [[a, b, v] for a in range(1, 5) for b in range(1, 5) for v in range(1, 5)] + [
    [a, b] for a in range(1, 5) for b in range(1, 5)
]


@pytest.fixture(scope="module")
def small() -> tuple[NgramProxy, list[Documents], list[Documents]]:
    random = np.random.default_rng(0)
    domains = [random_documents(random, n, bias) for n, bias in zip((30, 20, 40), BIASES, strict=True)]
    valid = [random_documents(random, 8, BIASES[0]), random_documents(random, 8, BIASES[1]), EVERYTHING]
    return NgramProxy(make_data(domains, valid)), domains, valid


def reference(proxy: NgramProxy, domains: list[Documents], order: int = 3) -> Reference:
    return Reference(domains, order, VOCABULARY, proxy.smoothing.strength.tolist(), proxy.smoothing.growth.tolist())


def sizes(domains: list[Documents]) -> np.ndarray:
    return np.array([sum(len(document) + 1 for document in d) for d in domains], float)


mixtures = (
    st.lists(st.floats(0, 1), min_size=3, max_size=3)
    .filter(lambda w: sum(w) > 1e-3)
    .map(lambda w: np.array(w) / sum(w))
)


@given(mixtures, st.integers(1, 5000))
@settings(max_examples=25, deadline=None)
def test_losses_are_those_of_the_formulas(small, w: np.ndarray, budget: int) -> None:
    proxy, domains, valid = small
    naive = reference(proxy, domains)
    passes = budget * w / sizes(domains)
    assert proxy.train(w, budget) == pytest.approx(
        [naive.loss(v, passes) for v in valid[:2]] + [naive.loss(valid[2], passes)], abs=1e-9
    )


@pytest.mark.parametrize("order", [1, 2, 4, 5])
def test_losses_are_those_of_the_formulas_for_every_order(small, order: int) -> None:
    _, domains, valid = small
    proxy = NgramProxy(make_data(domains, valid), order)
    naive = reference(proxy, domains, order)
    w = np.array([0.2, 0.5, 0.3])
    passes = 300 * w / sizes(domains)
    assert proxy.train(w, 300) == pytest.approx([naive.loss(v, passes) for v in valid], abs=1e-9)


def probabilities(proxy: NgramProxy, passes: np.ndarray) -> dict[tuple[int, ...], float]:
    """The sum over the vocabulary of P(v | a b), for all a and b, from the set that has everything."""
    logs = np.concatenate([logs for _, logs in proxy._model.blocks(passes[:, None])])[:, 0]
    own = np.exp(logs[proxy._valid.ngrams[2]])
    sums: dict[tuple[int, ...], float] = {}
    at = 0
    for document in EVERYTHING:
        context = tuple(document[:2])
        sums[context] = sums.get(context, 0.0) + own[at + 2]  # the token behind the context, or the end
        at += len(document) + 1
    return sums


@given(st.lists(st.one_of(st.just(0.0), st.floats(1, 50)), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_probabilities_sum_to_one_where_domains_are_read_whole(small, passes: list[float]) -> None:
    sums = probabilities(small[0], np.array(passes))
    assert len(sums) == 16
    assert list(sums.values()) == pytest.approx([1.0] * 16, abs=1e-12)


@given(st.lists(st.one_of(st.floats(0, 3), st.floats(0, 0.01)), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_mean_logarithms_never_claim_more_than_probabilities(small, passes: list[float]) -> None:
    assert max(probabilities(small[0], np.array(passes)).values()) <= 1 + 1e-9


def test_reading_some_domains_whole_is_the_model_of_their_text(small) -> None:
    proxy, domains, valid = small
    both = reference(proxy, [domains[0] + domains[2]])
    T = sizes(domains)
    w = np.array([T[0], 0, T[2]]) / (T[0] + T[2])
    losses = proxy.train(w, int(T[0] + T[2]))
    assert losses == pytest.approx([both.loss(v, [1.0]) for v in valid], abs=1e-9)


def test_a_pure_mixture_is_the_model_of_that_domain_alone(small) -> None:
    proxy, domains, valid = small
    for k in range(3):
        losses = proxy.train(np.eye(3)[k], int(sizes(domains)[k]))
        alone = reference(proxy, [domains[k]])
        assert losses == pytest.approx([alone.loss(v, [1.0]) for v in valid], abs=1e-9)


def test_repetition_is_no_new_evidence(small) -> None:
    proxy, domains, _ = small
    T = sizes(domains)
    for w, tokens in ((np.eye(3)[1], T[1]), (T / T.sum(), T.sum())):
        assert proxy.train(w, int(4 * tokens)) == pytest.approx(proxy.train(w, int(tokens)), abs=1e-12)


def test_losses_are_continuous_where_repetition_begins(small) -> None:
    proxy, domains, _ = small
    T = sizes(domains)
    for k in range(3):
        at = np.full(3, (1 - T[k] / 1000) / 2)
        at[k] = T[k] / 1000  # one pass over domain k at 1,000 tokens
        step = 1e-9 * (np.eye(3)[k] - np.eye(3)[(k + 1) % 3])
        below, here, above = (proxy.train(at + s * step, 1000) for s in (-1, 0, 1))
        assert below == pytest.approx(here, abs=1e-5)
        assert above == pytest.approx(here, abs=1e-5)


@pytest.fixture(scope="module")
def text() -> ProxyData:
    documents = make_documents(1500)
    texts = [d["text"] for d in documents]
    names = list(SUBJECTS)
    labels = np.array([names.index(d["subject"]) for d in documents])
    tokens = tokenise(texts, train_tokenizer(texts, 400))
    masks = {name: labels == k for k, name in enumerate(names)}
    return divide(tokens, labels, names, held_out(texts, 0.1), masks)


def test_the_loss_of_a_part_is_about_that_of_random_documents(text: ProxyData) -> None:
    """What the formulas stand for: models that count a random part of each domain. Average counts are far from it."""
    random = np.random.default_rng(3)
    domains = [documents(tokens) for tokens in text.train]
    valid = documents(text.held_out[0])
    proxy = NgramProxy(text)
    smoothing = proxy.smoothing.strength.tolist(), proxy.smoothing.growth.tolist()
    passes = np.array([0.1, 0.2, 0.05, 0.1])
    losses = []
    for _ in range(12):
        read = [d for k in range(4) for d in domains[k] if random.random() < passes[k]]
        losses.append(Reference([read], 3, text.vocabulary, *smoothing).loss(valid, [1.0]))
    T = np.array([len(tokens) for tokens in text.train])
    expected = proxy.train(passes * T / (passes @ T), int(passes @ T))[0]
    average = Reference(domains, 3, text.vocabulary, *smoothing, average_counts=True).loss(valid, passes)
    assert expected == pytest.approx(np.mean(losses), abs=0.1)
    assert np.mean(losses) - average > 2 * abs(expected - np.mean(losses))


def test_more_of_the_matching_domain_lowers_its_loss(text: ProxyData) -> None:
    proxy = NgramProxy(text)
    for k, tokens in enumerate(text.train):
        losses = [proxy.train(np.eye(4)[k], len(tokens) // part)[k] for part in (64, 16, 4, 2, 1)]
        assert (np.diff(losses) < 0).all()
        others = np.full(4, 0.1) + 0.6 * np.eye(4)[k]
        few = np.full(4, 0.3) - 0.2 * np.eye(4)[k]
        assert proxy.train(others, 10_000)[k] < proxy.train(few, 10_000)[k]


def test_every_domain_is_best_modelled_by_its_own_text(text: ProxyData) -> None:
    proxy = NgramProxy(text)
    table = np.array([proxy.train(np.eye(4)[k], 10_000) for k in range(4)])
    assert (table.argmin(axis=0) == np.arange(4)).all()


def test_how_many_are_computed_together_changes_no_bit(text: ProxyData, monkeypatch: pytest.MonkeyPatch) -> None:
    W = np.random.default_rng(0).dirichlet(np.ones(4), 70)
    proxy = NgramProxy(text)
    many = dict(proxy.train_many(W, 30_000, seeds=range(70)))
    assert sorted(many) == list(range(70))
    monkeypatch.setattr("gemix.proxy.ngram.model._TOGETHER", 9)
    monkeypatch.setattr("gemix.proxy.ngram.model._BLOCK", 100)
    again = dict(NgramProxy(text).train_many(W, 30_000))
    for i, w in enumerate(W):
        assert (many[i] == again[i]).all()
        assert (many[i] == proxy.train(w, 30_000, seed=i)).all()


def test_validation_text_is_limited_by_whole_documents(text: ProxyData) -> None:
    proxy = NgramProxy(text, valid_tokens=300)
    tokens = proxy.facts["valid_tokens"]
    assert all(150 < n <= 300 for n in tokens)
    assert NgramProxy(text, valid_tokens=300).train(np.full(4, 0.25), 1000) == pytest.approx(
        proxy.train(np.full(4, 0.25), 1000), abs=0
    )


def test_likelihoods_of_domain_models_serve_mixmin(text: ProxyData) -> None:
    proxy = NgramProxy(text)
    for k, name in enumerate(text.names):
        logs = proxy.log_likelihoods(name)
        assert logs.shape == (text.valid[k].tokens, 4)
        for j, tokens in enumerate(text.train):
            assert -logs[:, j].mean() == pytest.approx(proxy.train(np.eye(4)[j], len(tokens))[k], abs=1e-12)
        assert mixmin(logs, make_box(text.names)).weights.argmax() == k
    with pytest.raises(GemixError, match="no validation set 'nothing'"):
        proxy.log_likelihoods("nothing")


@pytest.mark.parametrize(
    ("w", "budget", "message"),
    [
        ([0.5, 0.5], 100, "3 domains"),
        ([0.5, 0.6, -0.1], 100, "mixture 0"),
        ([0.5, 0.4, 0.2], 100, "add up to 1"),
        ([np.nan, 0.5, 0.5], 100, "mixture 0"),
        ([0.5, 0.25, 0.25], 0, "at least one token"),
    ],
)
def test_wrong_mixtures_are_refused(small, w: list[float], budget: int, message: str) -> None:
    with pytest.raises(GemixError, match=message):
        small[0].train(np.array(w), budget)


def test_domains_without_text_may_have_no_weight() -> None:
    proxy = NgramProxy(make_data([[[1, 2, 3]] * 5, []], [[[1, 2]]]))
    assert np.isfinite(proxy.train(np.array([1.0, 0.0]), 10)).all()
    with pytest.raises(GemixError, match="'d1' has no training text"):
        proxy.train(np.array([0.5, 0.5]), 10)
    with pytest.raises(GemixError, match="'d1' has no training text"):
        proxy.log_likelihoods("v0")


@pytest.mark.parametrize(
    ("domains", "valid", "order", "message"),
    [
        ([[[1]]], [[[1]]], 6, "6 tokens"),
        ([[[1]]], [[]], 3, "'v0'"),
        ([[[1]]], [], 3, "no validation set"),
        ([[], []], [[[1]]], 3, "no domain has any"),
    ],
)
def test_data_without_text_are_refused(
    domains: list[Documents], valid: list[Documents], order: int, message: str
) -> None:
    with pytest.raises(GemixError, match=message):
        NgramProxy(make_data(domains, valid), order)
