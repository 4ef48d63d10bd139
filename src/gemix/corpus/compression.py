"""Bytes of plain and compressed files in bounded pieces; a damaged tail is reported, never taken for the end."""

import bz2
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import zstandard

from gemix.corpus.formats import Compression, Shard
from gemix.corpus.rows import Reason
from gemix.runtime.errors import GemixError
from gemix.runtime.storage import open_binary

CHUNK_BYTES: Final = 1 << 20
# Read at a time: the decoders hand out all that their input holds. Of zstd 4 bytes may stand for 128 KiB, so that one
# call gives at most 32 MiB; of gzip one byte stands for a thousand at most, and bzip2 can be asked for less.
_BITES: Final[dict[Compression, int]] = {"zst": 1 << 10, "gz": 1 << 13, "bz2": 1 << 13}
_MAGIC: Final = {"gz": b"\x1f\x8b", "bz2": b"BZh", "zst": zstandard.FRAME_HEADER}


class DamagedError(Exception):
    """The stream ends here: everything before was handed out, what follows cannot be read."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def read_chunks(shard: Shard) -> Iterator[bytes]:
    """Yield the decompressed content of a JSON lines shard: all members, frames and streams that follow each other.

    Raises:
        DamagedError: the compressed stream is cut off or corrupt.
        GemixError: unreadable, or not compressed as its name says.

    """
    try:
        with open(shard.path, "rb") as file:
            if shard.compression:
                size = _BITES[shard.compression]
                yield from _decompress(shard, iter(lambda: file.read(size), b""))
            else:
                yield from iter(lambda: file.read1(CHUNK_BYTES), b"")
    except OSError as error:
        raise GemixError(f"cannot read {shard.path}: {error.strerror or error}") from error


def read_head(shard: Shard, size: int) -> tuple[bytes, bool]:
    """Return the first bytes of what a JSON lines shard holds, about `size` of them, and whether they are all.

    Of a file that is damaged there they end before the damage.

    Raises:
        OSError: unreadable.
        GemixError: not compressed as its name says.

    """
    with open_binary(shard.path) as file:
        packed = file.read(size)
        whole = len(packed) < size
    if not shard.compression:
        return packed, whole
    bite = _BITES[shard.compression]
    bites = (packed[start : start + bite] for start in range(0, len(packed), bite))
    head = bytearray()
    try:
        for chunk in _decompress(shard, bites):
            head += chunk
            if len(head) >= size:
                return bytes(head[:size]), False
    except DamagedError:
        whole = False
    return bytes(head), whole


def _decompress(shard: Shard, bites: Iterable[bytes]) -> Iterator[bytes]:
    kind = shard.compression
    frame: Any = None  # of zstd, a gzip member or a bzip2 stream: a file may hold several
    frames = 0
    magic = b""
    for bite in bites:
        data = bite
        magic = magic or data[:4]
        while data:
            if frame is None:
                if frames and kind == "gz":
                    data = data.lstrip(b"\0")  # padding is allowed between and after members
                    if not data:
                        break
                frame = _new_frame(kind)
                frames += 1
            try:
                yield from _outputs(frame, data)
            except (zlib.error, zstandard.ZstdError, OSError) as error:
                if frames == 1 and not _has_magic(magic, kind):
                    raise GemixError(f"{shard.path}: not a {kind} file ({error})") from error
                raise DamagedError(Reason.CORRUPT) from error
            data = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame = None
    if frame is not None:
        raise DamagedError(Reason.TRUNCATED)


def _outputs(frame: Any, data: bytes) -> Iterator[bytes]:
    """Yield what a frame makes of the data, in chunks."""
    if isinstance(frame, bz2.BZ2Decompressor):  # 40 bytes may stand for 45 MB, but it can be asked for less
        yield frame.decompress(data, CHUNK_BYTES)
        while not (frame.eof or frame.needs_input):
            yield frame.decompress(b"", CHUNK_BYTES)
        return
    output = frame.decompress(data)
    for start in range(0, len(output), CHUNK_BYTES):
        yield output[start : start + CHUNK_BYTES]


def _new_frame(kind: Compression) -> Any:
    if kind == "gz":
        return zlib.decompressobj(wbits=31)
    if kind == "bz2":
        return bz2.BZ2Decompressor()
    # Files made with `zstd --long=31` need the largest window.
    return zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()


def _has_magic(start: bytes, kind: str) -> bool:
    skippable = kind == "zst" and 0x184D2A50 <= int.from_bytes(start, "little") <= 0x184D2A5F
    return skippable or start.startswith(_MAGIC[kind])
