"""Folders as they really lie on disk: every file once, and nothing passed over in silence."""

import json
import os
from pathlib import Path

import pytest
from corpus_data import write_bytes, write_rows

from gemix.corpus.reader import read_batches
from gemix.corpus.shards import resolve_shards

ROWS = [{"id": i, "text": f"text {i}"} for i in range(4)]


def names(*inputs: Path | str) -> list[str]:
    return [shard.name for shard in resolve_shards(inputs)]


def test_all_endings_are_read(tmp_path: Path) -> None:
    packings = ("", ".gz", ".zst", ".zstd", ".bz2")
    endings = [f".{kind}{packed}" for kind in ("jsonl", "ndjson", "json") for packed in packings]
    for i, ending in enumerate([*endings, ".parquet"]):
        write_rows(tmp_path / f"{i}{ending}", ROWS)
    found = resolve_shards([tmp_path])
    assert sum(len(batch) for shard in found for batch in read_batches(shard)) == 16 * len(ROWS)


def test_what_is_not_read_is_named_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path / "a.jsonl", ROWS)
    for name in ("notes.txt", "b.jsonl.xz", "c.jsonl.tmp-1.json"):
        (tmp_path / name).touch()
    (tmp_path / "report.json").write_text(json.dumps({"schema": 1, "domains": []}, indent=2))
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert names(tmp_path) == ["a"]
    said = capsys.readouterr().err
    assert "not read: 5 files\n" in said
    for name, reason in {
        "notes.txt": "no ending",
        "b.jsonl.xz": "no ending",
        "c.jsonl.tmp-1.json": "temporary",
        "report.json": "over several lines",
        "pipe.jsonl": "neither a file",
    }.items():
        assert any(f"{tmp_path}/{name}: " in line and reason in line for line in said.splitlines()), name


def test_twenty_names_and_a_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path / "a.jsonl", ROWS)
    for i in range(25):
        (tmp_path / f"{i}.csv").touch()
    names(tmp_path)
    said = capsys.readouterr().err
    assert said.count(".csv: ") == 20
    assert "and 5 more" in said


def test_hidden_files_and_folders_are_passed_over_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("part.parquet", "_temporary/0/part.parquet", ".cache/x.jsonl", "_x.jsonl"):
        write_rows(tmp_path / "table" / name, ROWS)
    for item in ("table", "table/*", "table/**/*.*"):
        assert names(item) == ["part"]
        (line,) = capsys.readouterr().err.splitlines()
        assert "passed over" in line
        assert "table/_temporary" in line
    assert names("table/_x.jsonl") == ["_x"]
    assert names("table/_*.jsonl") == ["_x"]


def test_the_log_of_a_delta_table_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path / "part.parquet", ROWS)
    write_bytes(tmp_path / "x.jsonl", b"")
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log/0.json").write_text(json.dumps({"remove": {"path": "part.parquet"}}))
    write_rows(tmp_path / "day=1/y.parquet", ROWS)
    capsys.readouterr()
    for item in (tmp_path, tmp_path / "part.parquet", f"{tmp_path}/*/*.parquet"):
        assert names(item)
        assert capsys.readouterr().err.count(f"warning: {tmp_path}/_delta_log is the log") == 1


def test_a_file_of_many_names_is_read_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path / "hub/blobs/any.parquet", ROWS)
    (tmp_path / "hub/blobs/any.parquet").rename(tmp_path / "hub/blobs/0beef")
    for revision in ("b", "a"):
        link = tmp_path / "hub/snapshots" / revision / "train.parquet"
        link.parent.mkdir(parents=True)
        link.symlink_to("../../blobs/0beef")
    assert names(tmp_path / "hub") == ["snapshots/a/train"]
    said = capsys.readouterr().err
    assert "0beef" not in said
    assert "snapshots/b/train.parquet" in said


def test_of_a_link_and_its_file_the_file_gives_the_name(tmp_path: Path) -> None:
    write_rows(tmp_path / "z/file.jsonl", ROWS)
    (tmp_path / "a.jsonl").symlink_to("z/file.jsonl")
    assert names(tmp_path) == names(tmp_path, tmp_path / "a.jsonl") == ["z/file"]


def test_links_in_circles_end(tmp_path: Path) -> None:
    write_rows(tmp_path / "x.jsonl", ROWS)
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/up").symlink_to("..")
    assert names(tmp_path) == ["x"]
