from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.labels import counts
from gemix.labels.counts import ColumnCounts, add_cell

LIMIT = 5
documents = st.lists(st.tuples(st.sampled_from("abcdefghijk"), st.integers(0, 2), st.integers(0, 9)), max_size=60)


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "LIMIT", LIMIT)


def count(rows: list[tuple[str, int, int]]) -> ColumnCounts:
    """Count one by one, then trim: what no shard can do that has too many values, but a test can."""
    found = ColumnCounts("source")
    for value, domain, tokens in rows:
        add_cell(found.values.setdefault(value, {}), domain, [1, tokens, 10 * tokens])
    found.trim()
    return found.ordered()


@settings(deadline=None)
@given(documents, st.lists(st.integers(0, 60), max_size=4), st.randoms())
def test_however_documents_are_dealt_out_and_merged_the_counts_are_the_same(rows, cuts, random) -> None:
    whole = count(rows)
    random.shuffle(rows)
    parts = [count(rows[a:b]) for a, b in pairwise([0, *sorted(cuts), 60])]
    total = ColumnCounts("source")
    for part in parts:
        total.merge(part)
    assert msgspec.json.encode(total.ordered()) == msgspec.json.encode(whole)


@given(documents)
def test_values_that_are_kept_have_all_their_documents_and_nothing_is_lost(rows) -> None:
    found = count(rows)
    assert len(found.values) == min(LIMIT, len({value for value, _, _ in rows}))
    for value, cells in found.values.items():
        for domain in range(3):
            mine = [tokens for v, k, tokens in rows if (v, k) == (value, domain)]
            assert cells.get(domain, [0, 0, 0]) == [len(mine), sum(mine), 10 * sum(mine)]
    everything = [cell for cells in (*found.values.values(), found.other) for cell in cells.values()]
    assert sum(cell[0] for cell in everything) == len(rows)
    assert sum(cell[1] for cell in everything) == sum(tokens for _, _, tokens in rows)


def test_json_reads_back() -> None:
    found = count([("a", 0, 3), ("b", 2, 4), ("a", 10, 5)])
    data = msgspec.json.encode(found)
    assert msgspec.json.decode(data, type=ColumnCounts) == found
    assert b'"a":{"0":[1,3,30],"10":[1,5,50]}' in data
