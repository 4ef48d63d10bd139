import bz2
import gzip
import json
import random
import struct
import tracemalloc
from collections.abc import Iterable

import pytest
import zstandard
from corpus_data import read_all, reasons

from gemix.corpus.compression import CHUNK_BYTES, read_chunks
from gemix.corpus.reader import Reason, read_batches
from gemix.corpus.shards import Shard
from gemix.runtime.errors import GemixError

ROWS = 400
LINES = [json.dumps({"id": i, "text": f"{i} " + f"word{i * i} " * 20}).encode() + b"\n" for i in range(ROWS)]


def compress(suffix: str, data: bytes) -> bytes:
    return {".gz": gzip.compress, ".zst": zstandard.compress, ".bz2": bz2.compress}[suffix[6:]](data)


def shard_of(tmp_path, suffix: str, data: bytes) -> Shard:
    path = tmp_path / f"s{suffix}"
    path.write_bytes(data)
    return Shard("s", path)


def flush_at_each_line(suffix: str) -> list[bytes]:
    """Compress LINES so that the bytes up to each line's end decode to exactly these lines."""
    if suffix == ".jsonl.gz":
        import zlib

        c = zlib.compressobj(wbits=31)
        return [c.compress(line) + c.flush(zlib.Z_SYNC_FLUSH) for line in LINES] + [c.flush()]
    c = zstandard.ZstdCompressor().compressobj()
    flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return [c.compress(line) + c.flush(flush) for line in LINES] + [c.flush()]


def test_concatenated_frames_are_one_file(tmp_path, compressed_format):
    middle = len(LINES) // 2
    data = compress(compressed_format, b"".join(LINES[:middle])[:-5]) + compress(compressed_format, b"")
    data += compress(compressed_format, b"".join(LINES[:middle])[-5:] + b"".join(LINES[middle:]))
    assert [row[0] for row in read_all(shard_of(tmp_path, compressed_format, data))] == [str(i) for i in range(ROWS)]


def test_skippable_zstd_frames_are_skipped(tmp_path):
    skippable = struct.pack("<II", 0x184D2A50, 4) + b"abcd"
    data = skippable + zstandard.compress(LINES[0]) + skippable + zstandard.compress(LINES[1]) + skippable
    assert reasons(shard_of(tmp_path, ".jsonl.zst", data)) == [None, None]


def test_gzip_may_be_padded_with_zeros(tmp_path):
    assert reasons(shard_of(tmp_path, ".jsonl.gz", gzip.compress(LINES[0]) + bytes(5000))) == [None]


def test_a_long_window_is_readable(tmp_path):
    params = zstandard.ZstdCompressionParameters.from_level(3, window_log=31, enable_ldm=True)
    data = zstandard.ZstdCompressor(compression_params=params).compressobj()
    assert reasons(shard_of(tmp_path, ".jsonl.zst", data.compress(LINES[0]) + data.flush())) == [None]


@pytest.mark.parametrize("compressed_format", [".jsonl.gz", ".jsonl.zst"])
def test_a_cut_at_any_byte_keeps_the_rows_before_it_and_is_one_truncated_row(tmp_path, compressed_format):
    pieces = flush_at_each_line(compressed_format)
    data = b"".join(pieces)
    shard = shard_of(tmp_path, compressed_format, data)
    assert reasons(shard) == [None] * ROWS
    edge = len(b"".join(pieces[:200]))
    for cut in (*range(edge - 40, edge + 40), len(data) - 1, 1, 2, 5):
        shard.path.write_bytes(data[:cut])
        rows = read_all(shard)
        assert rows[-1] == (f"s:{len(rows)}", None, Reason.TRUNCATED)
        assert [row[0] for row in rows[:-1]] == [str(i) for i in range(len(rows) - 1)]
        assert all(row[2] is None for row in rows[:-1])
        if cut == edge:  # on a line boundary
            assert len(rows) == 201


def test_a_cut_between_frames_cannot_be_seen_but_one_inside_the_second_is(tmp_path, compressed_format):
    first, second = compress(compressed_format, b"".join(LINES[:3])), compress(compressed_format, b"".join(LINES[3:6]))
    assert reasons(shard_of(tmp_path, compressed_format, first)) == [None] * 3
    rows = reasons(shard_of(tmp_path, compressed_format, first + second[: len(second) // 2]))
    assert rows[:3] == [None] * 3
    assert rows[-1] is Reason.TRUNCATED


def test_bzip2_that_is_cut_keeps_the_blocks_before_it(tmp_path):
    lines = [json.dumps({"id": i, "text": random.Random(i).randbytes(40_000).hex()}).encode() + b"\n" for i in range(9)]
    data = bz2.compress(b"".join(lines), 1)
    shard = shard_of(tmp_path, ".jsonl.bz2", data)
    assert reasons(shard) == [None] * 9
    for cut in (len(data) // 2, len(data) - 1):
        shard.path.write_bytes(data[:cut])
        rows = reasons(shard)
        assert rows[:-1] == [None] * (len(rows) - 1)
        assert rows[-1] is Reason.TRUNCATED
        assert len(rows) > 2


def test_corruption_keeps_the_rows_before_it_and_is_one_corrupt_row(tmp_path, compressed_format):
    frames = [compress(compressed_format, line) for line in LINES]
    for damage in (b"garbage", frames[3][:12] + bytes(b ^ 0x5A for b in frames[3][12:])):
        rows = reasons(shard_of(tmp_path, compressed_format, b"".join([*frames[:3], damage, *frames[4:]])))
        assert rows == [None] * 3 + [Reason.CORRUPT]


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path, compressed_format):
    """The checksum covers the content: whatever is wrong with the bytes, no altered text is taken for good."""
    if compressed_format == ".jsonl.zst":
        data = zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(LINES[:20]))
    else:
        data = compress(compressed_format, b"".join(LINES[:20]))
    shard = shard_of(tmp_path, compressed_format, data)
    good = read_all(shard)
    assert len(good) == 20
    noticed = 0
    for i in range(10, len(data), 7):
        shard.path.write_bytes(data[:i] + bytes([data[i] ^ 0xFF]) + data[i + 1 :])
        rows = read_all(shard)
        noticed += rows[-1][2] in (Reason.CORRUPT, Reason.TRUNCATED)
        assert rows == good or rows[-1][2] is not None
    assert noticed


@pytest.mark.parametrize("content", [b"PK\x03\x04 something else", b"{}", b"x"])
def test_a_file_that_is_not_compressed_is_an_error(tmp_path, compressed_format, content):
    shard = shard_of(tmp_path, compressed_format, content * 30)
    with pytest.raises(GemixError, match=rf"s\{compressed_format}: not a (gz|zst|bz2) file"):
        read_all(shard)


def peak_bytes(stream: Iterable) -> int:
    tracemalloc.start()
    try:
        for _ in stream:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_huge_line_needs_little_more_than_its_bytes_and_its_text(tmp_path, compressed_format):
    text = random.Random(0).randbytes(10_000_000).hex()
    line = json.dumps({"text": text}).encode() + b"\n"
    shard = shard_of(tmp_path, compressed_format, compress(compressed_format, LINES[0] + line + LINES[1]))
    assert [len(row[1]) for row in read_all(shard)][1] == len(text)
    assert peak_bytes(read_batches(shard)) < 2.5 * len(line)


@pytest.mark.parametrize("compressed_format", [".jsonl.zst", ".jsonl.bz2"])
def test_memory_does_not_grow_with_the_file(tmp_path, compressed_format):
    """A file of some KB that holds 300 MB."""
    packer = bz2.BZ2Compressor() if compressed_format == ".jsonl.bz2" else zstandard.ZstdCompressor().compressobj()
    zeros = bytes(1 << 20)
    shard = shard_of(tmp_path, compressed_format, b"".join(packer.compress(zeros) for _ in range(300)) + packer.flush())
    assert shard.path.stat().st_size < 20_000
    assert peak_bytes(read_chunks(shard)) < 50_000_000
    assert max(map(len, read_chunks(shard))) <= CHUNK_BYTES


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" " * 999 + b"\n"])
def test_memory_does_not_grow_with_blank_lines(tmp_path, end):
    """A zstd file of some KB that holds 100 MB of them."""
    c = zstandard.ZstdCompressor().compressobj()
    blank = end * (1_000_000 // len(end))
    pieces = [c.compress(LINES[0]), *(c.compress(blank) for _ in range(100)), c.flush()]
    shard = shard_of(tmp_path, ".jsonl.zst", b"".join(pieces))
    assert reasons(shard) == [None]
    assert peak_bytes(read_batches(shard)) < 60_000_000


def test_a_missing_file_is_named(tmp_path, jsonl_format):
    shard = Shard("s", tmp_path / f"gone{jsonl_format}")
    with pytest.raises(GemixError, match=r"cannot read .*gone.*No such file"):
        read_all(shard)


def test_a_failing_disk_is_named(tmp_path, monkeypatch):
    class Failing:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, _):
            raise OSError(5, "Input/output error")

    shard = shard_of(tmp_path, ".jsonl.gz", b"")
    monkeypatch.setattr("builtins.open", lambda *_, **__: Failing())
    with pytest.raises(GemixError, match=r"cannot read .*s\.jsonl\.gz: Input/output error"):
        read_all(shard)
