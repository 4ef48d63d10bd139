"""The choice of documents for a partial epoch, against one that has all documents in memory."""

import random
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_data import NAMES, mixture
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.corpus.shards import Shard
from gemix.labels.labelled import LabelledCorpus
from gemix.runtime.errors import GemixError
from gemix.sample import select
from gemix.sample.budget import Budget, token_budgets
from gemix.sample.order import position, position_hash, selection_hash
from gemix.sample.select import Selection, select_documents


class Given:
    """A labelled corpus of which only the sidecars are there."""

    def __init__(self, folder: Path, rows: list[tuple[str, int | None, int | None]], shards: int) -> None:
        self.rows = rows
        self.where: dict[tuple[str, int], tuple[str, int | None, int | None]] = {}
        found = []
        for s in range(shards):
            mine = rows[s::shards]
            ids, domains, tokens = (list(column) for column in zip(*mine, strict=True)) if mine else ([], [], [])
            table = pa.table(
                {
                    "id": pa.array(ids, pa.string()),
                    "domain": pa.array(domains, pa.int32()),
                    "tokens": pa.array(tokens, pa.int64()),
                }
            )
            pq.write_table(table, folder / f"s{s}.parquet")
            found.append(Shard(f"s{s}", Path(f"s{s}.jsonl")))
            self.where |= {(f"s{s}", i): row for i, row in enumerate(mine)}
        self.available = [sum(t or 0 for _, d, t in rows if d == k) for k in range(len(NAMES))]
        markers = {shard.name: SimpleNamespace(rows=1) for shard in found}
        self.corpus = Labelled(folder, found, markers, NAMES, [0] * 4, self.available)

    def chosen(self, selection: Selection, domain: int, seed: int) -> list[tuple[str, int]]:
        """(id, tokens) of the domain's chosen documents, in the order of their hash."""
        compute = selection_hash(seed)
        listed = {(shard, row) for shard, rows in selection.rows.items() for row in rows}
        found = [
            (compute(document), document, tokens)
            for place, (document, k, tokens) in self.where.items()
            if k == domain and (place in listed or compute(document) < selection.bar.get(domain, 0))
        ]
        return [(document, tokens) for _, document, tokens in sorted(found)]


class Labelled(LabelledCorpus):
    rows = 0


def budget(domain: int, available: int, rest: int) -> Budget:
    return Budget(domain, NAMES[domain], 0.5, available, rest, 0, rest)


def make(n: int, seed: int) -> list[tuple[str, int | None, int | None]]:
    rng = random.Random(seed)
    return [
        (f"doc-{i}", None, None) if rng.random() < 0.05 else (f"doc-{i}", rng.randrange(4), rng.randint(1, 50))
        for i in range(n)
    ]


@pytest.mark.parametrize(("bits", "few"), [(12, 4096), (2, 3), (1, 1)])
def test_it_is_the_greedy_choice_in_the_order_of_the_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int, few: int
) -> None:
    """Narrow ranges and short lists force many levels; only how far the end is searched may then differ."""
    monkeypatch.setattr(select, "_RANGE_BITS", bits)
    monkeypatch.setattr(select, "_RANGES", 1 << bits)
    monkeypatch.setattr(select, "_LEVELS", 64 // bits)
    monkeypatch.setattr(select, "_FEW", few)
    given_ = Given(tmp_path, make(800, 1), 3)
    rng = random.Random(2)
    compute = selection_hash(5)
    for _ in range(6):
        budgets = [budget(k, n, rng.randrange(1, n)) for k, n in enumerate(given_.available)]
        selection = select_documents(given_.corpus, budgets, 5, 1)
        for one in budgets:
            order = sorted((compute(d), d, t) for d, k, t in given_.rows if k == one.domain and t is not None)
            left, expected = one.rest, []
            stop = None
            for _, document, tokens in order:
                if tokens <= left:
                    expected.append((document, tokens))
                    left -= tokens
                elif stop is None:
                    stop = len(expected)  # up to here the choice is the whole beginning of the order
            found = given_.chosen(selection, one.domain, 5)
            assert found[:stop] == expected[:stop]
            if few == 4096:
                assert found == expected
            assert set(found) <= set(expected) | {(d, t) for _, d, t in order[stop or 0 :]}
            assert selection.tokens[one.domain] == sum(t for _, t in found) <= one.rest
            assert selection.documents[one.domain] == len(found)
            assert one.rest - selection.tokens[one.domain] < 50  # the longest document


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5))
def test_layout_and_seed(tmp_path_factory: pytest.TempPathFactory, seed: int, one: int, other: int) -> None:
    rows = make(200, seed % 7)
    budgets = None
    found = []
    for shards, order in ((one, 0), (other, 1)):
        random.Random(order).shuffle(rows)
        given_ = Given(tmp_path_factory.mktemp("layout"), list(rows), shards)
        budgets = [budget(k, n, n // 2) for k, n in enumerate(given_.available)]
        selection = select_documents(given_.corpus, budgets, seed, 1)
        found.append([given_.chosen(selection, k, seed) for k in range(4)])
        assert (selection.tokens, selection.documents) == (
            {k: sum(t for _, t in docs) for k, docs in enumerate(found[-1])},
            {k: len(docs) for k, docs in enumerate(found[-1])},
        )
    assert found[0] == found[1]


def test_one_id_for_too_many_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "_SAME_HASH", 5000)
    given_ = Given(tmp_path, [("unknown", 1, 3)] * 5001, 2)
    with pytest.raises(GemixError, match=r"more than 5,000 documents of domain 'law' have the same id.*--id-key"):
        select_documents(given_.corpus, [budget(1, 15_003, 9000)], 0, 1)


def test_many_documents_with_one_id_are_no_obstacle(tmp_path: Path) -> None:
    given_ = Given(tmp_path, [("unknown", 1, 3)] * 5000 + [("b", 2, 1)] * 10, 2)
    selection = select_documents(given_.corpus, [budget(1, 15_000, 9001), budget(2, 10, 4)], 0, 1)
    assert selection.tokens == {1: 9000, 2: 4}
    assert sum(map(len, selection.rows.values())) == 3004
    assert all(rows == sorted(rows) for rows in selection.rows.values())


@given(
    st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any),
    st.lists(st.integers(1, 10**6), min_size=4, max_size=4),
    st.integers(1, 10**7),
    st.integers(1, 6),
)
def test_budgets(parts: list[int], available: list[int], tokens: int, max_epochs: int) -> None:
    weights = [part / sum(parts) for part in parts]
    budgets = token_budgets(mixture(*weights), NAMES, available, tokens, max_epochs)
    assert [one.name for one in budgets] == [name for name, part in zip(NAMES, parts, strict=True) if part]
    for one in budgets:
        owed = one.full * available[one.domain] + one.rest
        assert owed == min(one.target, max_epochs * available[one.domain])
        assert 0 <= one.rest < available[one.domain]
        assert one.full <= max_epochs
        assert abs(one.target - one.weight * tokens) <= 0.5
        assert one.epochs == pytest.approx(owed / available[one.domain])


def test_budgets_of_unknown_and_empty_domains() -> None:
    with pytest.raises(GemixError, match="the labels have not: 'poems'; the labels' domains are domain-00 arts"):
        token_budgets(mixture(0.5, 0.5, names=["law", "poems"]), NAMES, [1] * 4, 10, 1)
    with pytest.raises(GemixError, match=r"gives 0\.25 to domain-02 maths, which has no documents"):
        token_budgets(mixture(0.25, 0.25, 0.25, 0.25), NAMES, [1, 1, 0, 1], 10, 1)
    assert len(token_budgets(mixture(0.5, 0.5, 0, 0), NAMES, [1, 1, 0, 1], 10, 1)) == 2
    with pytest.raises(GemixError, match="at least 1 token and 1 epoch, not 0 and 1"):
        token_budgets(mixture(1.0, 0, 0, 0), NAMES, [1] * 4, 0, 1)


@given(st.binary(max_size=40), st.integers(0, 5), st.floats(0, 1, exclude_max=True))
def test_positions_keep_epochs_apart(document: bytes, full: int, part: float) -> None:
    epochs = full + part
    if not epochs:
        return
    place = position_hash(1)
    last = -1.0
    for copy in range(full + (part > 0)):
        uniform = place(document, copy)
        assert 0 <= uniform < 1
        at = position(uniform, copy, full, epochs)
        assert copy / epochs <= at <= min((copy + 1) / epochs, 1)
        assert at >= last
        last = at


def test_positions_are_uniform() -> None:
    place = position_hash(0)
    values = sorted(place(str(i).encode(), i % 3) for i in range(4000))
    assert max(abs(value - i / 4000) for i, value in enumerate(values)) < 1.95 / 4000**0.5  # Kolmogorov, p = 0.001
    assert all(a < b for a, b in pairwise(values))
