import hashlib
import json
import random
import tempfile
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_data import write_bytes, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.corpus import seed as seed_module
from gemix.corpus.seed import SCHEMA, SeedSample, ShardTotals, sample_seed
from gemix.corpus.shards import Shard, resolve_shards
from gemix.corpus.window import Window
from gemix.runtime.errors import GemixError

FORMATS = [".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"]


def sample(shards: list[Shard], **options) -> SeedSample:
    return sample_seed(shards, **{"window": Window(50)} | options)


def digest(row_id: str, seed: int = 0) -> bytes:
    return hashlib.blake2b(row_id.encode(), digest_size=8, key=str(seed).encode()).digest()


def corpus_rows(n: int) -> list[dict]:
    return [{"id": f"doc-{i}", "text": f"text {i} " + "word " * (i % 7), "source": i % 3} for i in range(n)]


def content(result: SeedSample) -> list[dict]:
    """The table without the columns that say where a row lies."""
    return result.table.drop_columns(["shard", "row"]).to_pylist()


def test_the_sample_is_the_documents_with_the_smallest_hashes(tmp_path):
    rows = corpus_rows(500)
    result = sample([write_rows(tmp_path / "s.jsonl", rows)], documents=20, seed=3)
    assert result.table.schema == SCHEMA
    assert result.table["id"].to_pylist() == sorted((row["id"] for row in rows), key=lambda i: digest(i, 3))[:20]


def test_columns_of_the_table(tmp_path):
    long = "  one\ttwo \n" * 100
    shard = write_rows(tmp_path / "s.jsonl", [{"id": 5, "text": long, "b": [1, None], "a": "é", "n": float("nan")}])
    (row,) = sample([shard], documents=1, window=Window(10)).table.to_pylist()
    assert row == {
        "id": "5",
        "text": "one two on",
        "shard": "s",
        "row": 1,
        "characters": len(long),
        "bytes": len(long),
        "meta": '{"a":"é","b":[1,null],"n":null}',
    }


def test_meta_of_parquet_values_that_json_lacks(tmp_path):
    columns = {"text": ["t"], "when": [datetime(2020, 1, 2)], "raw": [b"\xff"], "x": [float("nan")]}
    pq.write_table(pa.table(columns), tmp_path / "s.parquet")
    (meta,) = sample(resolve_shards([tmp_path]), documents=1).table["meta"].to_pylist()
    assert json.loads(meta) == {"when": "2020-01-02 00:00:00.000000", "raw": "/w==", "x": None}


def test_totals_and_bad_rows_cover_the_whole_corpus(tmp_path):
    first = write_rows(tmp_path / "a.jsonl.gz", [{"text": "one two"}, {"text": ""}, {"text": "three"}])
    second = write_bytes(tmp_path / "b.jsonl", b'{"text": "four"}\nbad\n')
    result = sample([first, second], documents=1)
    assert result.shards == [ShardTotals("a", 3, 2, 12), ShardTotals("b", 2, 1, 4)]
    assert result.bad.counts == {"empty_text": 1, "bad_json": 1}
    assert str(result.bad.examples["bad_json"][0]) == f"{tmp_path / 'b.jsonl'}:2"


def test_a_size_in_bytes_takes_documents_until_it_is_reached(tmp_path):
    rows = corpus_rows(300)
    shard = write_rows(tmp_path / "s.jsonl", rows)
    for budget in (1, 50, 333):
        sizes = sample([shard], size=budget).table["bytes"].to_pylist()
        assert sum(sizes) >= budget > sum(sizes[:-1])
    everything = sample([shard], size=10**9).table
    assert everything.num_rows == 300
    part = sample([shard], size=333).table
    assert part == everything.slice(0, part.num_rows)


def test_a_larger_sample_begins_with_the_smaller_one_and_seeds_differ(tmp_path):
    shard = write_rows(tmp_path / "s.jsonl", corpus_rows(300))
    small, large = (sample([shard], documents=n).table["id"].to_pylist() for n in (30, 100))
    assert large[:30] == small
    assert sample([shard], documents=30, seed=1).table["id"].to_pylist() != small
    assert len(sample([shard], documents=1000).table) == 300


def test_memory_is_that_of_the_sample_not_of_the_corpus(tmp_path, monkeypatch):
    kept = []
    prune = seed_module._Smallest._prune
    monkeypatch.setattr(seed_module._Smallest, "_prune", lambda self: kept.append(len(self._kept)) or prune(self))
    shard = write_rows(tmp_path / "s.jsonl", corpus_rows(20_000))
    assert len(sample([shard], documents=50).table) == 50
    assert max(kept) <= 101
    # Most documents never get as far as the buffer: each of its rounds takes longer than the one before.
    assert len(kept) < 20


# Few ids, so that duplicates are common; few texts, so that duplicates agree in part.
rows_strategy = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["a", "b", "c", "é", "x:1", "7", "8", "9"]),
            "text": st.sampled_from(
                ["one", "two words", "two  words", "far longer than the window is " * 9, " ", "\0"]
            ),
            "n": st.sampled_from([0, 1, 2.5, -1e300, None]),
        }
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(rows_strategy, st.randoms(use_true_random=False), st.integers(1, 12), st.booleans())
def test_shuffling_and_splitting_over_shards_and_formats_changes_nothing(rows, rng, limit, by_bytes):
    if all(row["text"].isspace() for row in rows):
        rows.append({"id": "z", "text": "good", "n": None})
    # One type for the column in every format: Parquet has no mixed ones.
    rows = [row | {"n": None if row["n"] is None else float(row["n"])} for row in rows]
    size = {"size": limit} if by_bytes else {"documents": limit}
    with tempfile.TemporaryDirectory() as folder:
        whole = sample([write_rows(Path(folder) / "whole.jsonl", rows)], **size)
        shuffled = rng.sample(rows, len(rows))
        cuts = sorted(rng.choices(range(len(rows) + 1), k=rng.randint(0, 3)))
        shards = []
        for i, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
            if start < end:
                shards.append(write_rows(Path(folder) / f"part{i}{rng.choice(FORMATS)}", shuffled[start:end]))
        rng.shuffle(shards)
        parts = sample(shards, **size)
    assert content(parts) == content(whole)
    assert sum(s.documents for s in parts.shards) == whole.shards[0].documents
    assert sum(s.bytes for s in parts.shards) == whole.shards[0].bytes
    assert parts.bad.counts == whole.bad.counts


def test_shard_and_row_say_where_a_document_lies(tmp_path):
    rows = corpus_rows(200)
    random.Random(0).shuffle(rows)
    shards = [write_rows(tmp_path / f"{i}{suffix}", rows[i::4]) for i, suffix in enumerate(FORMATS)]
    for row in sample(shards, documents=40).table.to_pylist():
        assert rows[int(row["shard"]) :: 4][row["row"] - 1]["id"] == row["id"]


def test_documents_without_an_id_get_one_from_their_place(tmp_path):
    shard = write_rows(tmp_path / "s.jsonl", [{"text": "a"}, {"text": "b"}])
    assert sorted(sample([shard], documents=9).table["id"].to_pylist()) == ["s:1", "s:2"]


def test_tables_of_several_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(seed_module, "_TABLE_ROWS", 7)
    table = sample([write_rows(tmp_path / "s.jsonl", corpus_rows(30))], documents=20).table
    assert (table.num_rows, table["id"].num_chunks) == (20, 3)


def test_a_corpus_of_bad_rows_is_an_error_with_the_reasons(tmp_path):
    shard = write_bytes(tmp_path / "s.jsonl", b'{"text": ""}\nbad\n{"text": " "}\n')
    with pytest.raises(GemixError) as caught:
        sample([shard], documents=5)
    assert str(caught.value) == (
        f"no document with a text in {shard.path}: all 3 rows are bad:\n"
        f"  empty_text: 2: {shard.path}:1, {shard.path}:3\n  bad_json: 1: {shard.path}:2"
    )


def test_an_empty_corpus_is_an_error(tmp_path):
    shards = [write_bytes(tmp_path / f"{i}.jsonl", b"") for i in range(5)]
    with pytest.raises(GemixError, match=r"no document with a text in .*0\.jsonl, .* and 2 more: no row at all"):
        sample(shards, documents=5)


@pytest.mark.parametrize("size", [{"documents": 0}, {"size": -1}])
def test_a_sample_of_nothing_is_refused(tmp_path, size):
    with pytest.raises(GemixError, match="at least 1"):
        sample([write_rows(tmp_path / "s.jsonl", corpus_rows(3))], **size)


@pytest.mark.parametrize("size", [{}, {"documents": 1, "size": 1}])
def test_one_size_has_to_be_given(size):
    with pytest.raises(ValueError, match="either"):
        sample([], **size)
