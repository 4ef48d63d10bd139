"""Labels join documents whatever their ending: the copy has the ending, and the lines, of its file."""

import bz2
import json
from pathlib import Path

import pytest
import zstandard

from gemix.corpus.compression import read_chunks
from gemix.corpus.formats import Shard
from gemix.labels.exchange.lines import open_lines


@pytest.mark.parametrize("ending", [".json", ".ndjson.gz", ".jsonl.zstd", ".json.zst", ".jsonl.bz2"])
def test_lines_are_written_as_they_are_read(tmp_path: Path, ending: str) -> None:
    lines = b"".join(json.dumps({"id": i, "text": "x" * i}).encode() + b"\n" for i in range(100))
    written = []
    for i in range(2):
        shard = Shard("a", tmp_path / f"{i}{ending}")
        with open_lines(shard.path, shard.format) as file:
            file.write(lines)
        assert b"".join(read_chunks(shard)) == lines
        written.append(shard.path.read_bytes())
    assert written[0] == written[1]


def test_others_read_what_is_written(tmp_path: Path) -> None:
    for ending, unpack in ((".json.bz2", bz2.decompress), (".json.zstd", zstandard.ZstdDecompressor().stream_reader)):
        with open_lines(tmp_path / "file", ending) as file:
            file.write(b"{}\n")
        found = unpack((tmp_path / "file").read_bytes())
        assert (found if isinstance(found, bytes) else found.read()) == b"{}\n"
