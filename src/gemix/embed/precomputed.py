"""Vectors that the user already has: a `.npy` in the order of the corpus, or a Parquet file joined by id."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gemix.embed.base import Embedder, Vectors, unit_rows
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_stat

_BATCH = 1024


class ShardRows(Protocol):
    """A shard's name and its number of physical rows, bad ones included."""

    @property
    def name(self) -> str:
        """Name, as in the column `shard`."""

    @property
    def rows(self) -> int:
        """Number of rows."""


def precomputed(path: Path, shards: Sequence[ShardRows]) -> Embedder:
    """Return the embedder for `path`: `.npy` needs the corpus's shards in order, `.parquet` does not.

    Raises:
        GemixError: another suffix, or the file cannot be used.

    """
    if path.suffix.lower() == ".npy":
        return NpyVectors(path, shards)
    if path.suffix.lower() == ".parquet":
        return ParquetVectors(path)
    raise GemixError(f"precomputed: {path} is neither .npy nor .parquet")


class NpyVectors:
    """Row i of the array belongs to row i of the corpus, its shards read one after the other. Memory-mapped."""

    def __init__(self, path: Path, shards: Sequence[ShardRows]) -> None:
        """Open the array.

        Raises:
            GemixError: it is no (rows, d) array of floats, or its rows are not as many as the corpus's.

        """
        self.name = f"precomputed:{path.name}"
        self._path = path
        self._stat = file_stat(path)
        try:
            self._array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise GemixError(f"{path} is not a readable .npy array: {error}") from error
        if self._array.ndim != 2 or self._array.dtype.kind != "f":
            raise GemixError(f"{path} holds {self._array.dtype} of shape {self._array.shape}, not floats (rows, d)")
        self._first: dict[str, int] = {}
        total = 0
        for shard in shards:
            self._first[shard.name] = total
            total += shard.rows
        if len(self._array) != total:
            raise GemixError(
                f"{path} has {len(self._array):,} rows, but the corpus has {total:,}: one is needed for every row, "
                "unusable ones included, in the order of the shards' names"
            )

    def fingerprint(self) -> dict[str, Any]:
        """Return the file's size and time and where each shard starts in it."""
        stat = self._stat
        return {"name": self.name, "size": stat.size, "mtime_ns": stat.mtime_ns, "first_rows": self._first}

    def prepare(self, documents: pa.Table) -> None:
        """Do nothing: rows are found by position."""

    def embed(self, documents: pa.Table) -> Vectors:
        """Return unit rows, float32 (n, d), by the columns `shard` and `row`."""
        shards, rows = documents["shard"].to_pylist(), documents["row"].to_pylist()
        places = np.array([self._first[shard] + row - 1 for shard, row in zip(shards, rows, strict=True)], np.int64)
        vectors = self._array[places]
        _refuse_infinite(vectors, self._path, places + 1, documents)
        return unit_rows(vectors)


class ParquetVectors:
    """A column `id` and a list column: `embedding`, or the only one of floats. One pass, column-projected.

    The vectors that the documents need go to an unnamed temporary file (4 bytes a number), which `embed` maps.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and choose the column.

        Raises:
            GemixError: it is no Parquet file, or has no such columns.

        """
        self.name = f"precomputed:{path.name}"
        self._path = path
        self._stat = file_stat(path)
        try:
            schema = pq.read_schema(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise GemixError(f"{path} is not a readable Parquet file: {error}") from error
        if "id" not in schema.names:
            raise GemixError(f"{path} has no column 'id' to join by")
        try:
            pa.nulls(0, schema.field("id").type).cast(pa.string())
        except pa.ArrowException as error:
            raise GemixError(f"{path}: the column 'id' is {schema.field('id').type}, not strings or numbers") from error
        self._column = _vector_column(schema, path)
        self._places: dict[str, int] = {}
        self._rows: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._vectors: Any = None

    def fingerprint(self) -> dict[str, Any]:
        """Return the file's size and time and the column's name."""
        return {
            "name": self.name,
            "size": self._stat.size,
            "mtime_ns": self._stat.mtime_ns,
            "column": self._column,
        }

    def prepare(self, documents: pa.Table) -> None:
        """Collect the vectors of these documents.

        Raises:
            GemixError: an id is missing, null or there twice; a vector is null, empty, has nulls in it, or has another
                length than the first.

        """
        wanted = pc.unique(documents["id"].cast(pa.string()))
        self._places = {}
        rows: list[int] = []
        dimension = 0
        spill = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the map of it
        try:
            for first, ids, lists in self._batches():
                used = np.flatnonzero(pc.is_in(ids, value_set=wanted).to_numpy(zero_copy_only=False))
                if not len(used):
                    continue
                vectors = self._dense(lists.take(pa.array(used)), first + used, dimension)
                dimension = vectors.shape[1]
                for row, key in zip((first + used).tolist(), ids.take(pa.array(used)).to_pylist(), strict=True):
                    if key in self._places:
                        raise GemixError(f"{self._path}: id {key!r} in row {row} is there twice")
                    self._places[key] = len(rows)
                    rows.append(row)
                spill.write(vectors.tobytes())
            spill.flush()
        except pa.ArrowException as error:
            raise GemixError(f"{self._path} is damaged: {error}") from error
        except OSError as error:
            raise GemixError(
                f"{self._path}: its vectors do not fit the temporary folder ({error}); set TMPDIR"
            ) from error
        missing = [key for key in wanted.to_pylist() if key not in self._places]
        if missing:
            examples = ", ".join(map(repr, missing[:3]))
            raise GemixError(f"{self._path} has no vector for {len(missing):,} of {len(wanted):,} ids, as {examples}")
        self._rows = np.array(rows, np.int64)
        self._vectors = np.memmap(spill, np.float32, "r", shape=(len(rows), dimension))

    def embed(self, documents: pa.Table) -> Vectors:
        """Return unit rows, float32 (n, d), by the column `id`."""
        places = np.array([self._places[key] for key in documents["id"].to_pylist()], np.int64)
        vectors = self._vectors[places]
        _refuse_infinite(vectors, self._path, self._rows[places], documents)
        return unit_rows(vectors)

    def _batches(self) -> Any:
        """Yield (number of the first row, counted from 1; ids as strings; vectors)."""
        first = 1
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(_BATCH, columns=["id", self._column]):
                ids = batch.column("id").cast(pa.string())
                if ids.null_count:
                    raise GemixError(f"{self._path}: the id in row {first + ids.is_null().index(True).as_py()} is null")
                yield first, ids, batch.column(self._column)
                first += len(batch)

    def _dense(self, lists: pa.Array, rows: npt.NDArray[np.int64], dimension: int) -> npt.NDArray[np.float32]:
        """Return equally long lists as an array (n, d); `dimension` 0 takes the first list's length."""
        if lists.null_count:
            raise GemixError(f"{self._path}: the vector in row {rows[lists.is_null().index(True).as_py()]} is null")
        lengths = pc.list_value_length(lists).to_numpy()
        dimension = dimension or int(lengths[0]) or 1  # an empty first vector is the odd one out
        if (other := np.flatnonzero(lengths != dimension)).size:
            raise GemixError(
                f"{self._path}: the vector in row {rows[other[0]]} has {lengths[other[0]]} numbers, not {dimension}"
            )
        values = lists.flatten()
        if values.null_count:
            at = values.is_null().index(True).as_py() // dimension
            raise GemixError(f"{self._path}: the vector in row {rows[at]} has a null in it")
        dense: npt.NDArray[np.float32] = values.to_numpy().astype(np.float32).reshape(len(lists), dimension)
        return dense


def _vector_column(schema: pa.Schema, path: Path) -> str:
    fits = [field.name for field in schema if _holds_floats(field.type)]
    if "embedding" in schema.names:
        if "embedding" not in fits:
            raise GemixError(f"{path}: the column 'embedding' is {schema.field('embedding').type}, not lists of floats")
        return "embedding"
    if len(fits) != 1:
        found = f"several ({', '.join(fits)})" if fits else "none"
        raise GemixError(f"{path} needs a column 'embedding' or one other list of floats; it has {found}")
    return str(fits[0])


def _holds_floats(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_list and pa.types.is_floating(kind.value_type)


def _refuse_infinite(vectors: npt.NDArray[Any], path: Path, rows: npt.NDArray[np.int64], documents: pa.Table) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        key = documents["id"][int(bad[0])].as_py()
        raise GemixError(f"{path}: the vector in row {rows[bad[0]]} (document {key!r}) has NaN or infinity in it")
