"""Parquet: batches of rows, texts and ids as Arrow holds them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gemix.corpus.formats import Shard
from gemix.corpus.rows import BATCH_BYTES, Batch, Reason, make_batch
from gemix.runtime.errors import GemixError


def read_parquet(
    shard: Shard,
    text_key: str,
    id_key: str,
    with_extras: bool | Sequence[str],
    batch_rows: int,
    row_groups: tuple[int, int] | None = None,
) -> Iterator[Batch]:
    """Yield the batches of a Parquet shard; see `gemix.corpus.reader.read_batches`."""
    row = 0
    try:
        with pq.ParquetFile(shard.path, buffer_size=1 << 20, page_checksum_verification=True) as file:
            names = file.schema_arrow.names
            if text_key not in names:
                raise GemixError(
                    f"{shard.path}: no column {text_key!r}; it has {', '.join(map(repr, names)) or 'none'}"
                )
            wanted = {text_key, id_key, *(with_extras or ())} if with_extras is not True else None
            columns = wanted and [name for name in names if name in wanted]
            rows = min(batch_rows, rows_within_budget(file.metadata))
            first, end = row_groups or (0, file.num_row_groups)
            row = sum(file.metadata.row_group(i).num_rows for i in range(first))
            for arrow in file.iter_batches(rows, range(first, end), columns=columns, use_threads=False):
                yield _convert(arrow, shard, row + 1, text_key, id_key, with_extras)
                row += arrow.num_rows
    except (pa.ArrowException, OSError) as error:
        where = f" after row {row:,}" if row else ""
        message = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0]
        raise GemixError(f"cannot read {shard.path}{where}: {message}") from error


def rows_within_budget(metadata: pq.FileMetaData) -> int:
    """Return how many rows of the file's densest row group fit into one batch."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return min((max(1, BATCH_BYTES * g.num_rows // g.total_byte_size) for g in groups if g.total_byte_size), default=1)


def _convert(
    arrow: pa.RecordBatch, shard: Shard, first_row: int, text_key: str, id_key: str, with_extras: bool | Sequence[str]
) -> Batch:
    columns = dict(zip(arrow.schema.names, arrow.columns, strict=True))  # of a repeated name the last, as in JSON
    texts = _strings(columns.pop(text_key), lambda data: Reason.INVALID_UTF8)
    ids = id_values(columns.pop(id_key, None), arrow.num_rows)
    extras = None
    if with_extras:
        values = {name: _plain(column) for name, column in columns.items()}
        extras = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        extras = extras or [{} for _ in range(arrow.num_rows)]
    return make_batch(shard.name, first_row, ids, texts, extras)


def id_values(column: pa.Array | None, rows: int) -> pa.Array | list[Any]:
    """Return the values of the id column, if there is one, as `make_batch` takes them."""
    if column is None:
        return pa.nulls(rows, pa.string())
    return column.cast(pa.string()) if pa.types.is_integer(column.type) else _strings(column, bytes.hex)


def _strings(column: pa.Array, otherwise: Callable[[bytes], Any]) -> pa.Array | list[Any]:
    """Return strings and bytes as an array of strings if all are UTF-8, which Arrow does not check as it reads.

    Else as a list, with `otherwise` of those that are not; values of other types are a list, too.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_text(column.type) and not _is_binary(column.type):
        return _plain(column)
    try:
        if column.type not in (pa.string(), pa.large_string()):
            return column.cast(pa.large_binary()).cast(pa.large_string())
        column.validate(full=True)
    except pa.ArrowInvalid:
        return [_decode(data, otherwise) for data in column.cast(pa.large_binary()).to_pylist()]
    return column


def _decode(data: bytes | None, otherwise: Callable[[bytes], Any]) -> Any:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return otherwise(data)


def _plain(column: pa.Array) -> list[Any]:
    """Return the values as Python objects that have one JSON form, whatever else is installed.

    Times become text here: Python's own types hold neither nanoseconds nor the year 10,000, and time zones need a
    database. Timestamps with a zone are given in UTC ("...Z").
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode())
    if _is_text(kind):
        return [
            _decode(data, lambda data: data.decode(errors="replace"))
            for data in column.cast(pa.large_binary()).to_pylist()
        ]
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        naive = column.cast(pa.timestamp(kind.unit)).cast(pa.string())
        return pc.binary_join_element_wise(naive, "Z", "").to_pylist()
    if pa.types.is_duration(kind):
        return [None if n is None else f"{n} {kind.unit}" for n in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return column.cast(pa.string()).to_pylist()
    try:
        return column.to_pylist()
    except (ValueError, OverflowError, LookupError):  # inside lists and structs the same limits remain
        return list(map(_value_or_none, column))


def _value_or_none(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, LookupError):
        return None


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )
