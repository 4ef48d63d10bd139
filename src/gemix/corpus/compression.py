"""Bytes of plain, gzip and zstd files in bounded pieces; a damaged tail is reported, never taken for the end."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from gemix.corpus.rows import Reason
from gemix.corpus.shards import Shard
from gemix.runtime.errors import GemixError

CHUNK_BYTES = 1 << 20
# A zstd block of 4 bytes may stand for 128 KiB and the decoder hands out all that its input holds: small bites keep the
# output of one call below 128 MiB.
BITE_BYTES = 1 << 12


class DamagedError(Exception):
    """The stream ends here: everything before was handed out, what follows cannot be read."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def read_chunks(shard: Shard) -> Iterator[bytes]:
    """Yield the decompressed content of a JSON lines shard: concatenated gzip members and zstd frames included.

    Raises:
        DamagedError: the compressed stream is cut off or corrupt.
        GemixError: unreadable, or not compressed as its name says.

    """
    try:
        with open(shard.path, "rb") as file:
            if shard.format == ".jsonl":
                yield from iter(lambda: file.read1(CHUNK_BYTES), b"")
            else:
                yield from _decompress(shard, iter(lambda: file.read(BITE_BYTES), b""))
    except OSError as error:
        raise GemixError(f"cannot read {shard.path}: {error.strerror or error}") from error


def _decompress(shard: Shard, bites: Iterator[bytes]) -> Iterator[bytes]:
    kind = shard.format.rpartition(".")[2]
    frame: Any = None  # of zstd, or a gzip member: a file may hold several
    frames = 0
    for data in bites:
        while data:
            if frame is None:
                if frames and kind == "gz":
                    data = data.lstrip(b"\0")  # padding is allowed between and after members
                    if not data:
                        break
                frame = _new_frame(kind)
                frames += 1
            try:
                output = frame.decompress(data)
            except (zlib.error, zstandard.ZstdError) as error:
                if frames == 1 and not _has_magic(shard.path, kind):
                    raise GemixError(f"{shard.path}: not a {kind} file ({error})") from error
                raise DamagedError(Reason.CORRUPT) from error
            for start in range(0, len(output), CHUNK_BYTES):
                yield output[start : start + CHUNK_BYTES]
            data = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame = None
    if frame is not None:
        raise DamagedError(Reason.TRUNCATED)


def _new_frame(kind: str) -> Any:
    if kind == "gz":
        return zlib.decompressobj(wbits=31)
    # Files made with `zstd --long=31` need the largest window.
    return zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()


def _has_magic(path: Path, kind: str) -> bool:
    with open(path, "rb") as file:
        magic = file.read(4)
    if kind == "gz":
        return magic[:2] == b"\x1f\x8b"
    return magic == zstandard.FRAME_HEADER or 0x184D2A50 <= int.from_bytes(magic, "little") <= 0x184D2A5F
