"""The Parquet file of a shard's labels: its columns, and row groups that depend on nothing but its rows."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("domain", pa.int32()),
        ("probability", pa.float32()),
        ("bytes", pa.int64()),
        ("tokens", pa.int64()),  # null where they were not counted
        ("reason", pa.string()),
    ]
)
# A row group closes with the row that brings it to either size: memory stays bounded when ids are long, too.
GROUP_ROWS = 1 << 16
GROUP_ID_BYTES = 1 << 26


class SidecarWriter:
    """Writes record batches of `SCHEMA`; how rows are dealt out to batches changes no byte of the file."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd", use_dictionary=["domain", "reason"])
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._close_group()
        finally:
            self._writer.close()

    def append(self, batch: pa.RecordBatch) -> None:
        """Write the next rows; all but the last row group are on their way to the disk then."""
        ends = np.cumsum(pc.fill_null(pc.binary_length(batch["id"]), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
        start = 0
        while start < batch.num_rows:
            before = int(ends[start - 1]) if start else 0
            full = int(np.searchsorted(ends, before + GROUP_ID_BYTES - self._bytes)) + 1  # the row that fills the group
            stop = min(full, start + GROUP_ROWS - self._rows, batch.num_rows)
            self._batches.append(batch.slice(start, stop - start))
            self._rows += stop - start
            self._bytes += int(ends[stop - 1]) - before
            if self._rows >= GROUP_ROWS or self._bytes >= GROUP_ID_BYTES:
                self._close_group()
            start = stop

    def _close_group(self) -> None:
        if self._batches:
            # In one piece: the writer ends pages where chunks end.
            table = pa.Table.from_batches(self._batches).combine_chunks()
            self._writer.write_table(table, row_group_size=self._rows)
        self._batches, self._rows, self._bytes = [], 0, 0
