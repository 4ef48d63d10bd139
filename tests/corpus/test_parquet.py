from datetime import date, datetime
from decimal import Decimal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_data import read_all

from gemix.corpus import parquet
from gemix.corpus.reader import Reason, read_batches
from gemix.corpus.shards import Shard
from gemix.runtime.errors import GemixError


def shard_of(tmp_path, table, **options) -> Shard:
    path = tmp_path / "s.parquet"
    pq.write_table(pa.table(table) if isinstance(table, dict) else table, path, **options)
    return Shard("s", path)


def not_utf8(kind: pa.DataType) -> pa.Array:
    """Two values, "ok" and one that is not UTF-8, which Arrow lets through even in a column of strings."""
    return pa.array([b"ok", b"caf\xe9"], pa.binary()).view(kind)


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.large_string()),
    ],
    ids=str,
)
def test_every_kind_of_text_column_reads_the_same(tmp_path, kind):
    values = ["é€\0", None, "", " \n", "last"]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        values = [v and v.encode() if v != "" else b"" for v in values]
    if pa.types.is_dictionary(kind):
        column = pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    else:
        column = pa.array(values, kind)
    assert read_all(shard_of(tmp_path, {"text": column})) == [
        ("s:1", "é€\0", None),
        ("s:2", None, Reason.MISSING_TEXT),
        ("s:3", None, Reason.EMPTY_TEXT),
        ("s:4", None, Reason.EMPTY_TEXT),
        ("s:5", "last", None),
    ]


@pytest.mark.parametrize(
    "column",
    [
        not_utf8(pa.string()),
        not_utf8(pa.binary()),
        not_utf8(pa.binary()).dictionary_encode(),
        pa.array([b"ok", b"\xff\xff"], pa.binary(2)),
    ],
)
def test_text_that_is_not_utf8_is_one_bad_row(tmp_path, column):
    shard = shard_of(tmp_path, {"text": column, "id": ["a", "b"]})
    assert read_all(shard) == [("a", "ok", None), ("s:2", None, Reason.INVALID_UTF8)]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([1, None]), Reason.TEXT_NOT_STRING),
        (pa.array([["a"], None]), Reason.TEXT_NOT_STRING),
        (pa.array([{"a": "b"}, None]), Reason.TEXT_NOT_STRING),
        (pa.nulls(2), Reason.MISSING_TEXT),
    ],
)
def test_a_text_column_of_another_type(tmp_path, column, reason):
    assert [row[2] for row in read_all(shard_of(tmp_path, {"text": column}))] == [reason, Reason.MISSING_TEXT]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array(["x", ""]), ["x", "s:2"]),
        (pa.array([7, None]), ["7", "s:2"]),
        (pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"]),
        (pa.array([1.5, float("nan")]), ["1.5", "s:2"]),
        (pa.array([Decimal("1.50"), None]), ["1.50", "s:2"]),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pa.array([b"x", b"\xff\x01"]), ["x", "ff01"]),
        (pa.array([bytes(16), None], pa.uuid()), ["00000000-0000-0000-0000-000000000000", "s:2"]),
        (pa.array([True, False]), ["s:1", "s:2"]),
        (pa.array([["x"], None]), ["s:1", "s:2"]),
    ],
)
def test_ids(tmp_path, ids, expected):
    assert [row[0] for row in read_all(shard_of(tmp_path, {"text": ["a", "b"], "id": ids}))] == expected


def test_rows_are_counted_across_row_groups_and_batches(tmp_path):
    table = pa.table({"text": [f"t{i}" for i in range(100)], "uid": range(100)})
    shard = shard_of(tmp_path, table, row_group_size=7)
    rows = read_all(shard, id_key="uid", batch_rows=10)
    assert rows == [(str(i), f"t{i}", None) for i in range(100)]


def test_extras_have_a_json_form(tmp_path):
    columns = {
        "text": ["a", None],
        "integer": [1, 2],
        "nan": [float("nan"), 1.0],
        "list": [[1, 2], []],
        "struct": [{"a": None}, None],
        "naive": pa.array([datetime(2020, 1, 2, 3, 4, 5), None], pa.timestamp("s")),
        "nanoseconds": pa.array([1, None], pa.timestamp("ns")),
        "zoned": pa.array([0, None], pa.timestamp("ms", tz="Mars/Olympus")),
        "year_10000": pa.array([10**18, None], pa.timestamp("us")),
        "date": pa.array([date(2020, 1, 2), None]),
        "time": pa.array([1_000_000_001, None], pa.time64("ns")),
        "duration": pa.array([5, None], pa.duration("ns")),
        "decimal": [Decimal("1.50"), None],
        "bytes": [b"\xff", None],
        "category": pa.array(["c", None]).dictionary_encode(),
        "not_utf8": pa.array([b"caf\xe9", b""], pa.binary()).view(pa.string()),
        "far_in_list": pa.array([[10**18], None], pa.list_(pa.timestamp("us"))),
    }
    (batch,) = read_batches(shard_of(tmp_path, columns), with_extras=True)
    assert batch.extras[1] == {}
    assert msgspec.json.decode(msgspec.json.encode(batch.extras[0])) == {
        "integer": 1,
        "nan": None,
        "list": [1, 2],
        "struct": {"a": None},
        "naive": "2020-01-02 03:04:05.000",  # Parquet has no unit of seconds
        "nanoseconds": "1970-01-01 00:00:00.000000001",
        "zoned": "1970-01-01 00:00:00.000Z",
        "year_10000": batch.extras[0]["year_10000"],
        "date": "2020-01-02",
        "time": "00:00:01.000000001",
        "duration": "5 ns",
        "decimal": "1.50",
        "bytes": "/w==",
        "category": "c",
        "not_utf8": "caf\ufffd",
        "far_in_list": None,
    }
    assert isinstance(batch.extras[0]["year_10000"], str)


def test_without_extras_other_columns_are_not_read(tmp_path, monkeypatch):
    shard = shard_of(tmp_path, {"text": ["a"], "id": ["i"], "huge": ["x"]})
    seen = []
    iter_batches = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile, "iter_batches", lambda *a, **k: seen.append(k["columns"]) or iter_batches(*a, **k)
    )
    (batch,) = read_batches(shard)
    assert (batch.extras, seen) == (None, [["text", "id"]])


def test_of_a_repeated_column_the_last_counts_and_dots_are_part_of_a_name(tmp_path):
    table = pa.table([["a"], ["b"], ["i"]], names=["text", "text", "meta.id"])
    assert read_all(shard_of(tmp_path, table), id_key="meta.id") == [("i", "b", None)]


def test_batches_are_small_where_rows_are_large(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_BYTES", 1 << 16)
    shard = shard_of(tmp_path, {"text": [f"{i}" * 20_000 for i in range(10)]}, use_dictionary=False)
    assert max(len(batch) for batch in read_batches(shard)) <= 4


def test_a_file_without_rows(tmp_path):
    assert read_all(shard_of(tmp_path, {"text": pa.array([], pa.string())})) == []


def test_a_missing_text_column_names_file_and_columns(tmp_path):
    with pytest.raises(GemixError, match=r"s\.parquet: no column 'text'; it has 'content', 'url'"):
        read_all(shard_of(tmp_path, {"content": ["a"], "url": ["b"]}))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"{}" * 100, b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_is_not_parquet(tmp_path, content):
    path = tmp_path / "s.parquet"
    path.write_bytes(content)
    with pytest.raises(GemixError, match=r"cannot read .*s\.parquet"):
        read_all(Shard("s", path))


def test_a_damaged_parquet_file_names_the_row_it_came_to(tmp_path):
    table = pa.table({"text": [f"text number {i * i}" for i in range(1000)]})
    shard = shard_of(tmp_path, table, row_group_size=500, compression="zstd", use_dictionary=False)
    group = pq.ParquetFile(shard.path).metadata.row_group(1).column(0)
    data = bytearray(shard.path.read_bytes())
    middle = group.data_page_offset + group.total_compressed_size // 2
    data[middle : middle + 50] = bytes(50)
    shard.path.write_bytes(data)
    with pytest.raises(GemixError, match=r"cannot read .*s\.parquet after row 500: "):
        read_all(shard, batch_rows=500)


def test_a_cut_parquet_file(tmp_path):
    shard = shard_of(tmp_path, {"text": ["a"] * 1000})
    shard.path.write_bytes(shard.path.read_bytes()[:-20])
    with pytest.raises(GemixError, match=r"cannot read .*s\.parquet"):
        read_all(shard)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(GemixError, match=r"cannot read .*gone\.parquet: "):
        read_all(Shard("s", tmp_path / "gone.parquet"))
