"""One shard in, one sidecar and one marker out."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gemix.corpus.reader import Batch, read_batches
from gemix.corpus.shards import Shard
from gemix.labels.markers import Marker, marker_path, sidecar_path, write_marker
from gemix.labels.parts import Part, part_copy, refuse_change
from gemix.labels.reading import Reading
from gemix.labels.sidecar import SCHEMA, SidecarWriter
from gemix.labels.tally import Tally
from gemix.runtime.atomic import atomic_path
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import FileFingerprint, file_sha256, file_stat, fingerprint
from gemix.runtime.storage import is_remote, local_copy
from gemix.student.base import Student

_BATCH_ROWS: Final = 4096  # what a batch costs whatever its size is spread thin; it also ends at 32 MB


# Long by what its docstring says of the arguments.
def label_shard(
    shard: Shard,
    student: Student,
    out: Path,
    *,
    model: str,
    reading: Reading,
    advance: Callable[[int], None] | None = None,
    part: Part | None = None,
) -> Marker:
    """Label every row of `shard` and return its marker; the sidecar and then the marker appear below `out`.

    The sidecar has the columns of `SCHEMA` and one row per row of the shard, in its order. It depends on nothing but
    the shard, the student, the settings and the version of pyarrow. Memory is bounded: two batches and one row group.

    Args:
        shard: The file to label.
        student: Predicts domain and probability of a text.
        out: Folder of the labels.
        model: Fingerprint of the student (`student_fingerprint`), kept in the marker.
        reading: How documents are read and counted.
        advance: Called after each batch with the number of its bytes of text.
        part: Label this part of the shard alone, under its own name.

    Raises:
        GemixError: the shard cannot be read, changed meanwhile or lies inside `out`, or `out` cannot be written.

    """
    # Else an output could replace an input, and a second run would take the sidecars for shards.
    if not is_remote(shard.path) and Path(os.path.abspath(shard.path)).is_relative_to(os.path.abspath(str(out))):
        raise GemixError(f"{shard.path} lies inside the output folder {out}; choose another output folder")
    name = shard.name if part is None else part.name
    tally = Tally(shard, len(student.domains), reading)
    with (
        local_copy(shard.path) if part is None else part_copy(part) as copy,
        atomic_path(sidecar_path(out, name)) as tmp,
    ):
        source = fingerprint(shard.path, copy) if part is None else _look(part)
        batches = read_batches(
            Shard(shard.name, copy),
            text_key=reading.text_key,
            id_key=reading.id_key,
            with_extras=reading.extras,
            batch_rows=_BATCH_ROWS,
            row_groups=None if part is None else part.row_groups,
        )
        with SidecarWriter(tmp) as sidecar:
            for batch in batches:
                texts = batch.good_texts
                labels, probabilities = _predict(student, texts)
                tokens = _count(batch, texts, shard.name, reading)
                sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
                sidecar.append(_record_batch(batch, labels, probabilities, sizes, tokens))
                tally.add(batch, labels, probabilities, sizes, tokens)
                if advance is not None:
                    advance(int(sizes.sum()))
        sha256 = file_sha256(tmp)
        refuse_change(shard, source)
    marker = Marker(
        schema=4,
        input=source,
        model=model,
        settings=reading.settings,
        sha256=sha256,
        **tally.fields(),
    )
    write_marker(marker_path(out, name), marker)
    return marker


def _look(part: Part) -> FileFingerprint:
    """Return the fingerprint of a part: without a hash, which only the whole file has."""
    stat = file_stat(part.shard.path)
    return FileFingerprint(part.file_name, stat.size, stat.mtime_ns, "")


def _predict(student: Student, texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the most probable domain of each text, (n,) int32, and its probability, (n,) float32."""
    if not len(texts):
        return np.empty(0, np.int32), np.empty(0, np.float32)
    labels, probabilities = student.predict(texts, top=1)
    return labels[:, 0], probabilities[:, 0]


def _count(batch: Batch, texts: pa.Array, shard: str, reading: Reading) -> np.ndarray:
    """Return the tokens of each good row, (n,) int64; -1 where they are not counted."""
    rows = batch.first_row + np.flatnonzero(batch.texts.is_valid())
    chosen = np.flatnonzero(reading.chosen(shard, rows))
    tokens = np.full(len(rows), -1, np.int64)
    tokens[chosen] = reading.counter.count(texts if len(chosen) == len(rows) else texts.take(pa.array(chosen)))
    return tokens


def _record_batch(
    batch: Batch, labels: np.ndarray, probabilities: np.ndarray, sizes: np.ndarray, tokens: np.ndarray
) -> pa.RecordBatch:
    """Return the sidecar's rows; the arrays have one entry per good row."""
    is_bad = batch.reasons.is_valid().to_numpy(zero_copy_only=False)

    def column(name: str, values: np.ndarray) -> pa.Array:
        spread = np.zeros(len(batch), values.dtype)
        spread[~is_bad] = values
        return pa.array(spread, SCHEMA.field(name).type, mask=is_bad | (spread < 0))

    return pa.record_batch(
        [
            batch.ids.cast(pa.string()),
            column("domain", labels),
            column("probability", probabilities),
            column("bytes", sizes),
            column("tokens", tokens),
            batch.reasons,
        ],
        schema=SCHEMA,
    )
