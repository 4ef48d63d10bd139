"""Documents as text, for trainers that tokenise themselves: JSON lines or Parquet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from gemix.runtime.groups import sized_groups
from gemix.trainers.layouts.base import Documents, Part, numbered

_BYTES: Final = np.dtype("u1")
_PIECE: Final = 1 << 26  # bytes of JSON of a row group


@dataclass(frozen=True)
class JsonLines:
    """part-00000.jsonl.zst: the JSON object of a document a line."""

    name: str = "jsonl.zst"

    def dtype(self, vocabulary: int) -> np.dtype[Any]:
        """Return the type of a byte."""
        return _BYTES

    def part(self, number: int) -> str:
        """Return the name of the file."""
        return f"{numbered(number)}.jsonl.zst"

    def files(self, part: str) -> list[str]:
        """Return the one file."""
        return [part]

    def write(self, paths: Sequence[Path], documents: Documents, dtype: np.dtype[Any]) -> None:
        """Write it."""
        with open(paths[0], "wb") as file, zstandard.ZstdCompressor(write_checksum=True).stream_writer(file) as stream:
            for document in documents.tokens:
                stream.write(document.data)
                stream.write(b"\n")

    def closing(self, parts: Sequence[Part], dtype: np.dtype[Any]) -> dict[str, str]:
        """Return nothing."""
        return {}


@dataclass(frozen=True)
class ParquetText:
    """part-00000.parquet: the keys of the JSON objects as columns, the same in all files of all domains.

    Attributes:
        columns: Arrow's own form of the schema; what does not fit its column is JSON in a string.

    """

    name: str = "parquet"
    columns: bytes = b""

    def dtype(self, vocabulary: int) -> np.dtype[Any]:
        """Return the type of a byte."""
        return _BYTES

    def part(self, number: int) -> str:
        """Return the name of the file."""
        return f"{numbered(number)}.parquet"

    def files(self, part: str) -> list[str]:
        """Return the one file."""
        return [part]

    def write(self, paths: Sequence[Path], documents: Documents, dtype: np.dtype[Any]) -> None:
        """Write it; row groups have 64 MB of JSON, or one document."""
        schema = pa.ipc.read_schema(pa.py_buffer(self.columns))
        with pq.ParquetWriter(paths[0], schema, compression="zstd", write_page_checksum=True) as writer:
            for group in sized_groups(documents.tokens, _PIECE):
                rows = [msgspec.json.decode(document.data) for document in group]
                arrays = [_array([row.get(field.name) for row in rows], field.type) for field in schema]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=len(rows))

    def closing(self, parts: Sequence[Part], dtype: np.dtype[Any]) -> dict[str, str]:
        """Return nothing."""
        return {}


def columns_of(rows: Sequence[dict[str, Any]]) -> pa.Schema:
    """Return the columns of JSON objects; one whose values have no common type holds strings."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.schema([(name, _type([row.get(name) for row in rows])) for name in names])


def unify(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return the columns of all schemas, in the order of their first appearance."""
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            known = types.get(field.name, field.type)
            types[field.name] = known if known == field.type else _common(known, field.type)
    return pa.schema(list(types.items()))


def _type(values: list[Any]) -> pa.DataType:
    try:
        found = pa.array(values).type
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return pa.large_string()
    return pa.large_string() if pa.types.is_string(found) else found


def _common(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    try:
        schemas = [pa.schema([("", kind)]) for kind in (a, b)]
        found = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException:
        return pa.large_string()
    # A number and a string have a common type for Arrow, too, but its values do not convert themselves.
    return pa.large_string() if pa.types.is_string(found) or pa.types.is_binary(found) else found


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_large_string(kind):
        return pa.array(values, kind)
    texts = [
        value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode() for value in values
    ]
    return pa.array(texts, kind)
