"""Scratch files between the two passes over the documents: one for each input file, cut by output file.

An Arrow file is a row of batches that can be read one by one. Each flush writes one batch for every output file, empty
or not, so the batches of output file j are j, j + n, j + 2n, ... and no index is needed.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from gemix.corpus.shards import Shard
from gemix.runtime.errors import GemixError

SCHEMA = pa.schema(
    [
        ("position", pa.float64()),
        ("domain", pa.int32()),
        ("tokens", pa.int64()),
        ("bytes", pa.int64()),  # of the text
        ("document", pa.large_binary()),  # as its reader wants it
    ]
)
_FLUSH_BYTES = 1 << 26
Row = tuple[float, int, int, int, bytes]


def spill_path(work: Path, shard: Shard) -> Path:
    """Return where the scratch file of a shard lies."""
    return work / f"{shard.name}.arrow"


class SpillWriter:
    """Collects rows by output file and writes them when they come to 64 MB."""

    def __init__(self, path: Path, key: str, files: int) -> None:
        schema = SCHEMA.with_metadata({"key": key})
        self._sink = pa.ipc.new_file(str(path), schema, options=pa.ipc.IpcWriteOptions(compression="zstd"))
        self._rows: list[list[Row]] = [[] for _ in range(files)]
        self._bytes = 0

    def add(self, file: int, row: Row) -> None:
        """Take a row for output file number `file`."""
        self._rows[file].append(row)
        self._bytes += len(row[-1]) + 100
        if self._bytes >= _FLUSH_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left and the end of the file."""
        if self._bytes:
            self._flush()
        self._sink.close()

    def _flush(self) -> None:
        for rows in self._rows:
            columns = zip(*rows, strict=True) if rows else ((),) * len(SCHEMA)
            arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
            self._sink.write_batch(pa.record_batch(arrays, schema=SCHEMA))
            rows.clear()
        self._bytes = 0


def is_spill(path: Path, key: str) -> bool:
    """Return whether a whole scratch file of this sample is there."""
    try:
        with pa.memory_map(str(path)) as source:
            metadata = pa.ipc.open_file(source).schema.metadata
    except (pa.ArrowException, OSError):
        return False
    return metadata is not None and metadata.get(b"key") == key.encode()


def read_spill(path: Path, file: int, files: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows for output file number `file` of `files`.

    Raises:
        GemixError: the scratch file cannot be read.

    """
    try:
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source)
            for i in range(file, reader.num_record_batches, files):
                yield reader.get_batch(i)
    except (pa.ArrowException, OSError) as error:
        raise GemixError(f"cannot read {path}: {error}; delete its folder and run again") from error
