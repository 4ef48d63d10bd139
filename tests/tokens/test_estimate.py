import numpy as np
import pytest

from gemix.tokens.estimate import Counted, estimate_tokens


def counted(k: int, *documents: tuple[int, int, int]) -> Counted:
    """Sums over documents of domain, tokens and bytes."""
    found = Counted.none(k)
    for document in documents:
        found.add(*document)
    return found


def test_a_domain_that_was_counted_whole_is_exact() -> None:
    found = estimate_tokens([2, 0], [50, 0], counted(2, (0, 3, 20), (0, 9, 30)))
    assert (found.tokens, found.low, found.high) == ([12, 0], [12, 0], [12, 0])


def test_the_ratio_and_its_interval() -> None:
    sample = [(10, 40), (12, 41), (30, 100), (8, 30)]
    found = estimate_tokens([400], [20_000], counted(1, *((0, y, x) for y, x in sample)))
    y, x = np.array(sample, float).T
    rate = y.sum() / x.sum()
    error = np.sqrt(((y - rate * x) ** 2).sum() / 3 * 4 * (1 - x.sum() / 20_000)) / x.sum()
    half = 3.182446 * error * 20_000
    assert found.tokens == [round(20_000 * rate)]
    assert found.low[0] == pytest.approx(20_000 * rate - half, abs=1.1)
    assert found.high[0] == pytest.approx(20_000 * rate + half, abs=1.1)


def test_a_domain_without_a_sample_goes_by_the_rate_of_all_and_says_so() -> None:
    found = estimate_tokens([500, 900], [50_000, 8_000], counted(2, *[(0, 20 + i % 3, 100) for i in range(10)]))
    assert found.tokens[1] == pytest.approx(8_000 * 0.209, abs=1)
    assert found.low[1] <= found.tokens[1] / 4 + 1
    assert found.high[1] >= found.tokens[1] * 4 - 4
    assert (found.high[0] - found.low[0]) / found.tokens[0] < 0.1


def test_where_no_document_of_a_corpus_was_counted_the_interval_holds_every_kind_of_text() -> None:
    found = estimate_tokens([3], [1_000_000], Counted.none(1))
    assert (found.low, found.tokens, found.high) == ([62_500], [250_000], [1_000_000])


def test_sums_add_up_in_any_order() -> None:
    a, b = counted(2, (0, 1, 5), (1, 2, 7)), counted(2, (1, 10**10, 10**11))
    assert a + b == b + a == counted(2, (0, 1, 5), (1, 2, 7), (1, 10**10, 10**11))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    sizes = np.maximum(rng.lognormal(7, 1, 20_000), 20).astype(int)
    tokens = np.maximum(sizes * rng.normal(0.25, 0.04, len(sizes)), 1).astype(int)
    held = 0
    for _ in range(300):
        chosen = np.flatnonzero(rng.random(len(sizes)) < 1 / 200)
        sums = counted(1, *((0, int(tokens[i]), int(sizes[i])) for i in chosen))
        found = estimate_tokens([len(sizes)], [int(sizes.sum())], sums)
        held += found.low[0] <= tokens.sum() <= found.high[0]
    assert held / 300 > 0.9
