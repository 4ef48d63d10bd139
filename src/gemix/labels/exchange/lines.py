"""JSON lines files, plain or compressed by the end of their name; equal lines make equal bytes."""

import bz2
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from gemix.corpus.formats import FORMATS


@contextmanager
def open_lines(path: Path, suffix: str) -> Iterator[BinaryIO]:
    """Yield a binary file whose bytes go to `path`, compressed as `suffix` says (`gemix.corpus.formats`)."""
    kind = FORMATS[suffix]
    with open(path, "wb") as file:
        if kind == "gz":
            with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as stream:
                yield cast(BinaryIO, stream)
        elif kind == "bz2":
            with bz2.BZ2File(file, "wb") as stream:
                yield cast(BinaryIO, stream)
        elif kind == "zst":
            with zstandard.ZstdCompressor(write_checksum=True).stream_writer(file, closefd=False) as stream:
                yield stream
        else:
            yield file


def numbers(column: pa.ChunkedArray) -> list[msgspec.Raw]:
    """Return JSON of numbers, the shortest that reads back as the same float32; "null" where there is none."""
    text = pc.fill_null(pc.cast(column, pa.string()), "null")
    return [msgspec.Raw(value.encode()) for value in text.to_pylist()]


def names_of(column: pa.ChunkedArray, names: list[str]) -> list[Any]:
    """Return the name of each domain number, None for null."""
    return [None if k is None else names[k] for k in column.to_pylist()]
