"""Labels into Parquet: the columns that are there, and three more."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gemix.corpus.parquet import id_values, rows_within_budget
from gemix.corpus.rows import Reason, make_batch
from gemix.labels.documents import LabelRows
from gemix.labels.exchange.columns import column_is_taken
from gemix.labels.exchange.convert import Advance, Labels
from gemix.labels.exchange.lines import names_of
from gemix.runtime.errors import GemixError

_GROUP_ROWS = 1 << 16
_GROUP_BYTES = 1 << 26


def join_parquet(labels: Labels, columns: Sequence[str], path: Path, advance: Advance) -> None:
    """Write the shard of `labels` with its labels in `columns`: number, name and probability of the domain.

    Row groups have 65,536 rows, or fewer where 64 MB are reached. The compression is that of the input.

    Raises:
        GemixError: the file has one of the columns already, cannot be read, or does not fit its labels.

    """
    shard = labels.shard
    rows = LabelRows(labels.shard, labels.folder)
    try:
        with pq.ParquetFile(shard.path, buffer_size=1 << 20, page_checksum_verification=True) as file:
            for column in columns:
                if column in file.schema_arrow.names:
                    raise column_is_taken(shard.path, column)
            types = (pa.int32(), pa.string(), pa.float32())
            schema = _schema(file.schema_arrow, [pa.field(*pair) for pair in zip(columns, types, strict=True)])
            with pq.ParquetWriter(path, schema, compression=_compression(file), write_page_checksum=True) as writer:
                group = _Group(writer, schema)
                row = 1
                for batch in file.iter_batches(min(1024, rows_within_budget(file.metadata)), use_threads=False):
                    table = rows.take(len(batch))
                    rows.check(table, _ids(labels, batch, table, row))
                    label = (table["domain"], pa.array(names_of(table["domain"], labels.names), pa.string()))
                    more = [*label, table["probability"]]
                    arrays = [
                        *batch.columns,
                        *(c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in more),
                    ]
                    group.append(pa.record_batch(arrays, schema=schema))
                    row += len(batch)
                    advance(len(batch))
                group.close()
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.filename == str(path):
            raise
        raise GemixError(f"cannot read {shard.path}: {error}") from error
    rows.end()


class _Group:
    """Collects batches until they make a row group, then writes it."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def append(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self.close()

    def close(self) -> None:
        if self._batches:
            # One dictionary for a row group: batches that were read apart have one each.
            table = pa.Table.from_batches(self._batches, self._schema).unify_dictionaries()
            self._writer.write_table(table, row_group_size=self._rows)
        self._batches, self._rows, self._bytes = [], 0, 0


def _ids(labels: Labels, batch: pa.RecordBatch, table: pa.Table, row: int) -> pa.Array:
    """Return the ids as the reader makes them; of bad rows the id is their place."""
    names = batch.schema.names
    # Of a repeated name the last counts, as for the reader.
    column = batch.column(len(names) - 1 - names[::-1].index(labels.id_key)) if labels.id_key in names else None
    texts = [Reason.MISSING_TEXT if is_bad else "-" for is_bad in table["reason"].is_valid().to_pylist()]
    return make_batch(labels.shard.name, row, id_values(column, len(batch)), texts).ids


def _schema(schema: pa.Schema, new: list[pa.Field]) -> pa.Schema:
    # Hugging Face's list of the columns would no longer be right; without it the columns speak for themselves.
    metadata = {key: value for key, value in (schema.metadata or {}).items() if key != b"huggingface"}
    for field in new:
        schema = schema.append(field)
    return schema.with_metadata(metadata or None)


def _compression(file: pq.ParquetFile) -> str:
    """Return the compression of the file's first column, for the writer."""
    metadata = file.metadata
    name = metadata.row_group(0).column(0).compression if metadata.num_row_groups and metadata.num_columns else "ZSTD"
    return {"UNCOMPRESSED": "NONE", "LZ4_RAW": "LZ4"}.get(name, name)
