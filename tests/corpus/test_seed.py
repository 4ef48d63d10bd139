import hashlib
import json
import random
from collections import Counter
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_data import write_bytes, write_rows

from gemix.corpus import seed as seed_module
from gemix.corpus.seed import SCHEMA, SeedSample, ShardTotals, place_hashes, sample_seed
from gemix.corpus.shards import Shard, resolve_shards
from gemix.corpus.window import Window
from gemix.runtime.errors import GemixError

FORMATS = [".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"]


def sample(shards: list[Shard], **options) -> SeedSample:
    return sample_seed(shards, **{"window": Window(50)} | options)


def place_hash(shard: str, row: int, seed: int = 0) -> int:
    """SplitMix64, as its authors wrote it, from a start that is the shard's."""
    keyed = hashlib.blake2b(shard.encode(), digest_size=8, key=str(seed).encode(), person=b"gemix:seed")
    state = (int.from_bytes(keyed.digest(), "big") + row * 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
    return state ^ (state >> 31)


def corpus_rows(n: int) -> list[dict]:
    return [{"id": f"doc-{i}", "text": f"text {i} " + "word " * (i % 7), "source": i % 3} for i in range(n)]


def test_the_sample_is_the_documents_whose_places_have_the_smallest_hashes(tmp_path):
    rows = corpus_rows(2500)  # several batches
    result = sample([write_rows(tmp_path / "s.jsonl", rows)], documents=20, seed=3)
    assert result.table.schema == SCHEMA
    expected = sorted(range(1, 2501), key=lambda row: place_hash("s", row, 3))[:20]
    assert result.table["row"].to_pylist() == expected
    assert result.table["id"].to_pylist() == [rows[row - 1]["id"] for row in expected]


def test_hashes_of_places():
    found = place_hashes("sub/é", 1000, 50, 7)
    assert found.dtype == np.uint64
    assert found.tolist() == [place_hash("sub/é", row, 7) for row in range(1000, 1050)]
    many = np.concatenate([place_hashes(str(i), 1, 1000, 0) for i in range(100)])
    assert len(np.unique(many)) == len(many)
    counts = np.bincount((many >> np.uint64(60)).astype(int), minlength=16)
    assert np.abs(counts / len(many) - 1 / 16).max() < 0.005


@pytest.mark.parametrize("seed", range(5))
def test_ids_that_repeat_in_every_shard_do_not_sway_the_sample(tmp_path, seed):
    """Every shard numbers its rows anew and is sorted by topic."""
    shards = [
        write_rows(tmp_path / f"{i}.jsonl", [{"id": row, "text": "t", "topic": row // 50} for row in range(200)])
        for i in range(30)
    ]
    table = sample(shards, documents=600, seed=seed).table
    assert len(set(table["id"].to_pylist())) > 180
    topics = Counter(json.loads(meta)["topic"] for meta in table["meta"].to_pylist())
    chi_square = sum((topics[topic] - 150) ** 2 / 150 for topic in range(4))
    assert chi_square < 16.3  # one in a thousand lies above
    places = Counter(table["shard"].to_pylist())
    assert sum((places[str(i)] - 20) ** 2 / 20 for i in range(30)) < 58.3


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


def test_the_order_and_the_format_of_shards_change_nothing(tmp_path):
    rows = corpus_rows(400)
    expected = None
    for i, suffixes in enumerate((FORMATS, FORMATS[::-1])):
        folder = tmp_path / str(i)
        for j, suffix in enumerate(suffixes):
            write_rows(folder / f"{j}{suffix}", rows[j::4])
        shards = resolve_shards([folder])
        for given in (shards, shards[::-1]):
            found = sample(given, documents=50).table
            assert expected is None or found == expected
            expected = found


def test_samples_of_parts_give_the_sample_of_the_whole(tmp_path):
    rows = corpus_rows(400)
    shards = [write_rows(tmp_path / f"{i}.jsonl", rows[i::4]) for i in range(4)]
    parts = [sample(shards[i : i + 2], documents=50).table.to_pylist() for i in (0, 2)]
    merged = sorted(parts[0] + parts[1], key=lambda row: place_hash(row["shard"], row["row"]))
    assert merged[:50] == sample(shards, documents=50).table.to_pylist()


def test_bad_rows_shift_nothing(tmp_path):
    lines = [json.dumps(row).encode() for row in corpus_rows(300)]
    good = sample([write_bytes(tmp_path / "a/s.jsonl", b"\n".join(lines))], documents=40).table.to_pylist()
    gone = {row["row"] for row in good[::2]}
    damaged = [b"bad" if i in gone else line for i, line in enumerate(lines, 1)]
    found = sample([write_bytes(tmp_path / "b/s.jsonl", b"\n".join(damaged))], documents=40).table.to_pylist()
    assert found[:20] == good[1::2]


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
