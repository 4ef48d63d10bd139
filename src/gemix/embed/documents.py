"""All documents through an embedder, in parts that a killed run keeps."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gemix.embed.base import Embedder, FittedEmbedder, Vectors, unit_rows
from gemix.runtime.atomic import atomic_path, remove_leftovers, write_json
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import content_hash
from gemix.runtime.progress import progress

Float64 = npt.NDArray[np.float64]
SPACE: Final = "space"  # the folder beside the vectors that keeps what an embedder was fitted to


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """What `embed_documents` left in the folder.

    Attributes:
        path: the `.npy`, float16 unit rows (len(rows), dimension).
        rows: int64, ascending: which documents the rows belong to; the others have no vector.
        dimension: numbers a vector.
        mean: float64 (dimension,), what was subtracted before the rows became unit again; None without centring.
        computed: documents that this call embedded, the others were there already.

    """

    path: Path
    rows: npt.NDArray[np.int64]
    dimension: int
    mean: Float64 | None
    computed: int


def embed_documents(
    documents: pa.Table, embedder: Embedder, folder: Path, *, centre: bool = False, chunk_rows: int = 512
) -> EmbedResult:
    """Embed all documents into `folder/seed.npy` and note in `folder/config.json` how.

    Every `chunk_rows` documents become one part in `folder/parts`. A later call with the same documents and embedder
    goes on from the parts that are there, and returns at once where all is done; the parts are removed at the end. The
    bytes are those of an uninterrupted call. Memory: one part.

    Args:
        documents: see `Embedder`.
        embedder: see `make_embedder`.
        folder: made if it is not there; one call at a time.
        centre: subtract the mean of all vectors (float64) and make them unit again.
        chunk_rows: documents a part.

    Raises:
        GemixError: no documents; an embedder that returns NaN, infinity or vectors of different lengths, or nothing but
            zeros; a folder that cannot be written.

    """
    if not documents.num_rows:
        raise GemixError("there are no documents to embed")
    facts = {
        "format": 2,
        "embedder": embedder.fingerprint(),
        "documents": _hash(documents),
        "rows": documents.num_rows,
        "part_rows": chunk_rows,
    }
    result = _finished(folder, facts, centre)
    if result is None:
        parts = _Parts(folder / "parts", documents, chunk_rows)
        parts.open(facts)
        computed = parts.compute(embedder)
        result = _write(folder, parts, facts, centre, embedder.name, computed)
    shutil.rmtree(folder / "parts", ignore_errors=True)
    return result


class _Parts:
    """The vectors of the documents, float32, one `.npy` for each slice of the table; `config.json` says of what."""

    def __init__(self, folder: Path, documents: pa.Table, rows: int) -> None:
        self.folder, self.documents, self.rows = folder, documents, rows
        self.starts = range(0, documents.num_rows, rows)

    def open(self, facts: dict[str, Any]) -> None:
        """Keep what is there if it was made of the same, else start over."""
        if _read_json(self.folder / "config.json") != facts:
            shutil.rmtree(self.folder, ignore_errors=True)
            write_json(self.folder / "config.json", facts)
        remove_leftovers(self.folder)

    def compute(self, embedder: Embedder) -> int:
        """Make the missing parts and return how many documents that took."""
        missing = [start for start in self.starts if self._load(start) is None]
        total = sum(self._chunk(start).num_rows for start in missing)
        if missing:
            embedder.prepare(self.documents)
            if isinstance(embedder, FittedEmbedder):
                embedder.save(self.folder.parent / SPACE)
            with progress(f"embed ({embedder.name})", total) as advance:
                for start in missing:
                    chunk = self._chunk(start)
                    vectors = embedder.embed(chunk)
                    _check(vectors, chunk, embedder.name)
                    with atomic_path(self._path(start)) as tmp, open(tmp, "wb") as file:
                        np.save(file, np.asarray(vectors, np.float32))
                    advance(chunk.num_rows)
        return total

    def __iter__(self) -> Iterator[Vectors]:
        """Yield the parts in order; compute() comes first."""
        dimension = None
        for start in self.starts:
            part = self._load(start)
            if part is None:
                raise GemixError(f"{self._path(start)} was damaged by another process")
            if part.shape[1] != (dimension := dimension or part.shape[1]):
                raise GemixError(
                    f"the embedder gave vectors of {dimension} numbers up to document {start} "
                    f"and of {part.shape[1]} after it"
                )
            yield part

    def _load(self, start: int) -> Vectors | None:
        try:
            part: Vectors = np.load(self._path(start), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return part if part.ndim == 2 and len(part) == self._chunk(start).num_rows else None

    def _chunk(self, start: int) -> pa.Table:
        return self.documents.slice(start, self.rows)

    def _path(self, start: int) -> Path:
        return self.folder / f"{start // self.rows:06d}.npy"


def _check(vectors: Vectors, chunk: pa.Table, name: str) -> None:
    if vectors.ndim != 2 or len(vectors) != chunk.num_rows or not vectors.shape[1]:
        raise GemixError(f"{name} gave an array of shape {vectors.shape} for {chunk.num_rows} documents")
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        row = chunk.slice(int(bad[0]), 1).to_pylist()[0]
        place = f" ({row['shard']}:{row['row']})" if {"shard", "row"} <= row.keys() else ""
        raise GemixError(f"{name}: the vector of document {row['id']!r}{place} has NaN or infinity in it")


def _write(folder: Path, parts: _Parts, facts: dict[str, Any], centre: bool, name: str, computed: int) -> EmbedResult:
    mean = _mean(parts) if centre else None
    rows: list[int] = []
    dimension = 0
    for start, part in zip(parts.starts, parts, strict=True):
        rows += (start + np.flatnonzero(_final(part, mean).any(axis=1))).tolist()
        dimension = part.shape[1]
    if not rows:
        what = "all documents have the same vector" if mean is not None and mean.any() else "all vectors are zero"
        raise GemixError(f"{name}: {what}, so there is nothing to cluster")
    path = folder / "seed.npy"
    # Written in order, not through a memory map: a full disk is an error then, not a crash.
    with atomic_path(path) as tmp, open(tmp, "wb") as file:
        header = {"descr": "<f2", "fortran_order": False, "shape": (len(rows), dimension)}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            unit = _final(part, mean)
            file.write(unit[unit.any(axis=1)].astype("<f2").tobytes())
    dropped = np.setdiff1d(np.arange(facts["rows"]), rows).tolist()
    extra = {"centre": centre, "mean": None if mean is None else mean.tolist()}
    config = {**facts, **extra, "dimension": dimension, "dropped": dropped, "xxh3": content_hash(path)}
    write_json(folder / "config.json", config)
    return EmbedResult(path, np.array(rows, np.int64), dimension, mean, computed)


def _finished(folder: Path, facts: dict[str, Any], centre: bool) -> EmbedResult | None:
    """Return the result of an earlier call if it was the same and its file is unharmed."""
    config, path = _read_json(folder / "config.json"), folder / "seed.npy"
    if not config or {**config, **facts, "centre": centre} != config or not path.exists():
        return None
    if content_hash(path) != config["xxh3"]:
        return None
    rows = np.setdiff1d(np.arange(facts["rows"]), config["dropped"])
    mean = None if config["mean"] is None else np.array(config["mean"], np.float64)
    return EmbedResult(path, rows, config["dimension"], mean, 0)


def _mean(parts: _Parts) -> Float64:
    """Return the mean of all vectors but zeros (those documents have none)."""
    total, count = 0.0, 0
    for part in parts:
        x = part[part.any(axis=1)].astype(np.float64)
        total = total + x.sum(axis=0)
        count += len(x)
    return np.asarray(total) / max(count, 1)


def _final(part: Vectors, mean: Float64 | None) -> Vectors:
    """Return the rows as they go to the file: unit, or zero where there is no vector."""
    if mean is None:
        return unit_rows(part)
    return unit_rows(np.where(part.any(axis=1, keepdims=True), part - mean, 0.0))


def _hash(documents: pa.Table) -> str:
    """Return the blake2b hash of what embedders read, independent of how the table is cut into Arrow chunks."""
    digest = hashlib.blake2b(digest_size=16)
    columns = [name for name in ("id", "text", "shard", "row") if name in documents.column_names]
    for start in range(0, documents.num_rows, 1024):
        digest.update(json.dumps(documents.select(columns).slice(start, 1024).to_pydict()).encode())
    return digest.hexdigest()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
