"""What is wrong with a corpus is said before any work, all of it at once."""

import json
from pathlib import Path

import pytest
from corpus_data import write_bytes, write_rows

from gemix.corpus.check import check_shards
from gemix.corpus.shards import resolve_shards
from gemix.runtime.errors import GemixError

ROWS = [{"doc_id": i, "text": f"text {i}", "source": "web"} for i in range(5)]


def lines(rows: list[dict]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def refusal(folder: Path, *keys: str) -> str:
    with pytest.raises(GemixError) as caught:
        check_shards(resolve_shards([folder]), *keys)
    return str(caught.value)


def test_a_good_corpus_passes(tmp_path):
    for name in ("a.jsonl", "b.json.gz", "c.ndjson.bz2", "d.jsonl.zstd", "e.parquet"):
        write_rows(tmp_path / name, ROWS)
    write_bytes(tmp_path / "blank.jsonl", b"\n\n")
    write_bytes(tmp_path / "empty.jsonl.gz", b"")
    check_shards(resolve_shards([tmp_path]))


def test_all_broken_files_are_named_with_their_reasons(tmp_path):
    write_rows(tmp_path / "good.jsonl", ROWS)
    (tmp_path / "a.jsonl.gz").write_bytes(lines(ROWS))
    (tmp_path / "b.jsonl.bz2").write_bytes(lines(ROWS))
    path = write_rows(tmp_path / "c.parquet", ROWS).path
    path.write_bytes(path.read_bytes()[:-20])
    write_bytes(tmp_path / "d.jsonl.zst", json.dumps(ROWS).encode())
    message = refusal(tmp_path)
    assert message.startswith("4 of 5 files cannot be read:\n")
    for name, reason in {
        "a.jsonl.gz": "not a gz",
        "b.jsonl.bz2": "not a bz2",
        "c": "footer",
        "d": "a JSON array",
    }.items():
        assert any(name in line and reason in line for line in message.splitlines()), (name, message)


def test_twenty_broken_files_are_named_and_the_others_counted(tmp_path):
    for i in range(23):
        (tmp_path / f"{i:02}.parquet").write_bytes(b"PAR1")
    message = refusal(tmp_path)
    assert message.count(".parquet") == 20
    assert message.endswith("and 3 more")


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n \n"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.ndjson.gz"])
def test_an_array_is_refused_for_what_it_is(tmp_path, name, before, indent):
    write_bytes(tmp_path / name, before + json.dumps(ROWS, indent=indent).encode())
    assert f"{name}: a JSON array; write one document a line" in refusal(tmp_path)


def test_an_object_over_several_lines_is_refused_for_what_it_is(tmp_path):
    write_bytes(tmp_path / "a.jsonl", json.dumps(ROWS[0], indent=2).encode())
    assert "over several lines" in refusal(tmp_path)


def test_parquet_without_the_text_is_named_with_its_columns(tmp_path):
    write_rows(tmp_path / "a.parquet", ROWS)
    write_rows(tmp_path / "b.parquet", [{"body": "x"}])
    assert "b.parquet: no column 'text'; it has 'body'" in refusal(tmp_path)


@pytest.mark.parametrize("suffix", [".jsonl", ".json.gz", ".parquet"])
def test_a_misspelt_column_is_refused_with_the_nearest(tmp_path, suffix):
    write_rows(tmp_path / f"a{suffix}", ROWS)
    assert "--id-key doc_idd: no document has this column; the nearest is 'doc_id'" in refusal(
        tmp_path, "text", "doc_idd"
    )
    assert "--text-key Text: no document has this column; the nearest is 'text'" in refusal(tmp_path, "Text")
    message = refusal(tmp_path, "text", "id", "sorce")
    assert "--source-key sorce: no document has this column; the nearest is 'source'" in message
    check_shards(resolve_shards([tmp_path]), "text", "doc_id", "source")


def test_a_column_of_some_files_is_no_misspelt_one(tmp_path):
    write_rows(tmp_path / "a.jsonl", ROWS)
    write_rows(tmp_path / "b.jsonl", [{"text": "x"}])
    check_shards(resolve_shards([tmp_path]), "text", "doc_id")


def test_a_column_of_few_rows_is_found_far_from_the_beginning(tmp_path):
    rows = [{"text": "x" * 1000} for _ in range(2000)]
    write_rows(tmp_path / "a.jsonl.zst", [*rows, {"text": "x", "key": 1}])
    check_shards(resolve_shards([tmp_path]), "text", "key")


def test_a_column_that_only_other_files_of_the_corpus_have_is_none_that_is_misspelt(tmp_path):
    first = write_rows(tmp_path / "a.jsonl", [{"text": "x"}])
    second = write_rows(tmp_path / "b.parquet", ROWS)
    check_shards([first], "text", "doc_id", others=[first, second])
    with pytest.raises(GemixError, match="doc_idd"):
        check_shards([first], "text", "doc_idd", others=[first, second])


def test_empty_files_hide_no_misspelt_column(tmp_path):
    write_rows(tmp_path / "a.jsonl", ROWS)
    write_bytes(tmp_path / "b.jsonl", b"")
    write_bytes(tmp_path / "c.jsonl.gz", b"\n\n")
    assert "the nearest is 'doc_id'" in refusal(tmp_path, "text", "docid")


def test_a_column_is_not_missed_where_the_first_rows_say_nothing(tmp_path):
    write_rows(tmp_path / "a.jsonl", [{"text": "x" * 1_000_000, "key": 1}])
    check_shards(resolve_shards([tmp_path]), "text", "key")
