"""One shard in, one sidecar and one marker out."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gemix.corpus.atomic import atomic_path
from gemix.corpus.bad_rows import BadRows
from gemix.corpus.fingerprint import file_stat, fingerprint
from gemix.corpus.markers import Marker, file_sha256, marker_path, sidecar_path, write_marker
from gemix.corpus.reader import Batch, read_batches
from gemix.corpus.shards import Shard
from gemix.corpus.tokens import TokenCounter
from gemix.errors import GemixError
from gemix.student.base import Student

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("domain", pa.int32()),
        ("probability", pa.float32()),
        ("tokens", pa.int64()),
        ("reason", pa.string()),
    ]
)
# A row group closes with the batch that brings it to either size: memory stays bounded when ids are long, too.
GROUP_ROWS = 1 << 16
GROUP_BYTES = 1 << 26


def label_settings(*, text_key: str, id_key: str, counter: TokenCounter) -> dict[str, str]:
    """Return what, beside input and student, decides the labels of a shard: it stands in the marker."""
    return {"text_key": text_key, "id_key": id_key, "counter": counter.name}


def label_shard(
    shard: Shard,
    student: Student,
    out: Path,
    *,
    model: str,
    text_key: str,
    id_key: str,
    counter: TokenCounter,
    advance: Callable[[int], None] | None = None,
) -> Marker:
    """Label every row of `shard` and return its marker; the sidecar and then the marker appear below `out`.

    The sidecar has the columns of `SCHEMA` and one row per row of the shard, in its order. It depends on nothing but
    the shard, the student, the settings and the version of pyarrow. Memory is bounded: two batches and one row group.

    Args:
        shard: The file to label.
        student: Predicts domain and probability of a text.
        out: Folder of the labels.
        model: Fingerprint of the student (`student_fingerprint`), kept in the marker.
        text_key: Column of the text.
        id_key: Column of the id.
        counter: Counts the tokens of the whole text.
        advance: Called after each batch with the number of its characters.

    Raises:
        GemixError: the shard cannot be read, changed meanwhile or lies inside `out`, or `out` cannot be written.

    """
    # Else an output could replace an input, and a second run would take the sidecars for shards.
    if Path(os.path.abspath(shard.path)).is_relative_to(os.path.abspath(out)):
        raise GemixError(f"{shard.path} lies inside the output folder {out}; choose another output folder")
    source = fingerprint(shard.path)
    tally = _Tally(shard, len(student.domains))
    with atomic_path(sidecar_path(out, shard.name)) as tmp:
        with pq.ParquetWriter(tmp, SCHEMA, compression="zstd", use_dictionary=["domain", "reason"]) as writer:
            group = _Group(writer)
            for batch in read_batches(shard, text_key=text_key, id_key=id_key):
                texts = [text for text in batch.texts if text is not None]
                labels, probabilities = _predict(student, texts)
                tokens = counter.count(texts)
                group.append(_record_batch(batch, labels, probabilities, tokens))
                tally.add(batch, labels, tokens)
                if advance is not None:
                    advance(sum(map(len, texts)))
            group.close()
        sha256 = file_sha256(tmp)
        now = file_stat(shard.path)
        if (now.size, now.mtime_ns) != (source.size, source.mtime_ns):
            raise GemixError(f"{shard.path} changed while it was read; label it again when it is complete")
    marker = Marker(
        schema=1,
        input=source,
        model=model,
        settings=label_settings(text_key=text_key, id_key=id_key, counter=counter),
        rows=tally.rows,
        bad=tally.bad,
        documents=tally.documents.tolist(),
        tokens=tally.tokens.tolist(),
        sha256=sha256,
    )
    write_marker(marker_path(out, shard.name), marker)
    return marker


class _Tally:
    """The counts that the marker keeps."""

    def __init__(self, shard: Shard, n_domains: int) -> None:
        self.rows = 0
        self.bad = BadRows()
        self.documents = np.zeros(n_domains, np.int64)
        self.tokens = np.zeros(n_domains, np.int64)
        self._name = Path(shard.name).parent / shard.path.name  # the same wherever the corpus lies

    def add(self, batch: Batch, labels: np.ndarray, tokens: np.ndarray) -> None:
        self.rows += len(batch)
        self.bad.add_batch(self._name, batch)
        np.add.at(self.documents, labels, 1)
        np.add.at(self.tokens, labels, tokens)


class _Group:
    """Collects batches until they make a row group, then writes it."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def append(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self.close()

    def close(self) -> None:
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=self._rows)
        self._batches, self._rows, self._bytes = [], 0, 0


def _predict(student: Student, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the most probable domain of each text, (n,) int32, and its probability, (n,) float32."""
    if not texts:
        return np.empty(0, np.int32), np.empty(0, np.float32)
    labels, probabilities = student.predict(texts, top=1)
    return labels[:, 0], probabilities[:, 0]


def _record_batch(batch: Batch, labels: np.ndarray, probabilities: np.ndarray, tokens: np.ndarray) -> pa.RecordBatch:
    """Return the sidecar's rows; the arrays have one entry per good row."""
    is_bad = np.array([reason is not None for reason in batch.reasons])

    def column(name: str, values: np.ndarray) -> pa.Array:
        spread = np.zeros(len(batch), values.dtype)
        spread[~is_bad] = values
        return pa.array(spread, SCHEMA.field(name).type, mask=is_bad)

    return pa.record_batch(
        [
            pa.array(batch.ids, pa.string()),
            column("domain", labels),
            column("probability", probabilities),
            column("tokens", tokens),
            pa.array(batch.reasons, pa.string()),
        ],
        schema=SCHEMA,
    )
