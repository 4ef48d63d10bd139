import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proxy.transformer_corpora import VOCABULARY, cycle, noise, proxy_data

from gemix.proxy.transformer.batches import Assignment, Batches, Windows
from gemix.runtime.errors import GemixError

WEIGHTS = st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1.0)), min_size=1, max_size=12).filter(any)


@settings(deadline=None)
@given(WEIGHTS, st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_every_beginning_keeps_to_the_mixture(weights, takes):
    w = np.array(weights) / sum(weights)
    assignment = Assignment(w)
    terms = np.concatenate([assignment.take(n) for n in takes])
    counts = np.cumsum(np.eye(len(w))[terms], axis=0) if len(terms) else np.zeros((0, len(w)))
    n = np.arange(1, len(terms) + 1)[:, None]
    alive = max((w > 0).sum(), 2)
    assert np.abs(counts - n * w).max(initial=0) <= 1 - 1 / (2 * alive - 2) + 1e-9
    assert not counts[:, w == 0].any()


def test_hard_weights_over_many_terms():
    w = np.array([0.5, 0.25, 0.125, 0.0625, 0.0624, 0.0001])
    counts = np.cumsum(np.eye(6)[Assignment(w).take(20_000)], axis=0)
    assert np.abs(counts - np.arange(1, 20_001)[:, None] * w).max() < 0.9 + 1e-9


@pytest.mark.parametrize(("n", "context"), [(100, 10), (103, 10), (57, 16)])
def test_an_epoch_reads_every_window_once(n, context):
    windows = Windows(np.arange(n, dtype=np.uint16), context, (3, 1))
    epochs = [[windows.next() for _ in range(n // context)] for _ in range(3)]
    assert windows.epochs == pytest.approx(3 * (n // context) * context / n)
    for epoch in epochs:
        assert all(len(w) == context + 1 and (np.diff(w.astype(int)) % n == 1).all() for w in epoch)
        predicted = np.concatenate([w[1:] for w in epoch])
        assert len(set(predicted.tolist())) == len(predicted)
    assert not all(np.array_equal(a, b) for a, b in zip(epochs[0], epochs[1], strict=True))


def test_a_domain_shorter_than_a_window_is_read_around():
    windows = Windows(np.arange(4, dtype=np.uint16), 10, (0,))
    window = windows.next().astype(int)
    assert len(window) == 11
    assert (np.diff(window) % 4 == 1).all()
    assert windows.epochs == 2.5


def test_one_seed_reads_domains_in_one_order_whatever_the_mixture():
    data = proxy_data({"a": noise(600, 1), "b": noise(600, 2)})

    def read(mixture, seed):
        batches = Batches(data, np.array(mixture), 20, seed)
        rows, domains = map(np.concatenate, zip(*[batches.next(8) for _ in range(6)], strict=True))
        return [{tuple(r) for r in rows[domains == k]} for k in (0, 1)], rows, domains, batches.epochs

    half, rows, domains, epochs = read([0.5, 0.5], 7)
    again, same_rows, same_domains, _ = read([0.5, 0.5], 7)
    more, *_ = read([0.25, 0.75], 7)
    other, *_ = read([0.5, 0.5], 8)
    assert np.array_equal(rows, same_rows)
    assert np.array_equal(domains, same_domains)
    assert rows.dtype == np.int64
    assert rows.max() < VOCABULARY
    assert half == again
    assert half[0] > more[0]
    assert half[1] < more[1]
    assert half != other
    assert np.bincount(domains).tolist() == [24, 24]
    assert epochs == pytest.approx([24 * 20 / 600] * 2)
    assert sorted(domains[:8]) != list(domains[:8])


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        ([1.0], "a mixture of 2 domains"),
        ([0.5, 0.6], "add up to 1, not 1.1"),
        ([-0.1, 1.1], "smallest -0.1"),
        ([0.5, 0.5], "'b' has no training text"),
        ([np.nan, 1], "add up to 1"),
    ],
)
def test_bad_mixtures_are_refused(mixture, message):
    data = proxy_data({"a": cycle(50, 1, 5), "b": cycle(0, 1, 5)}, {"v": cycle(9, 1, 5)})
    with pytest.raises(GemixError, match=message):
        Batches(data, np.array(mixture), 8, 0)
    with pytest.raises(GemixError, match="a seed is at least 0, not -1"):
        Batches(data, np.array([1, 0]), 8, -1)
    assert Batches(data, np.array([1, 0]), 8, 0).next(2)[1].tolist() == [0, 0]
