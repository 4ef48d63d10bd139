import bz2
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from gemix.corpus.reader import Batch, Reason, read_batches
from gemix.corpus.shards import Shard, resolve_shards


def write_bytes(path: Path, data: bytes) -> Shard:
    """Write JSON lines content in the format that the name asks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pack = {".gz": gzip.compress, ".zst": zstandard.compress, ".zstd": zstandard.compress, ".bz2": bz2.compress}
    data = pack.get(path.suffix, bytes)(data)
    path.write_bytes(data)
    return resolve_shards([path])[0]


def write_rows(path: Path, rows: list[dict]) -> Shard:
    if path.suffix == ".parquet":
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
        return resolve_shards([path])[0]
    return write_bytes(path, b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def read_all(shard: Shard, **options) -> list[tuple[str, str | None, Reason | None]]:
    """Return (id, text, reason) of every row and check what holds for every batch."""
    rows = []
    for batch in read_batches(shard, **options):
        check_batch(batch)
        assert batch.first_row == len(rows) + 1
        rows.extend(zip(*columns(batch), strict=True))
    return rows


def columns(batch: Batch) -> tuple[list[str], list[str | None], list[Reason | None]]:
    """Return ids, texts and reasons as Python values."""
    found = [reason and Reason(reason) for reason in batch.reasons.to_pylist()]
    return batch.ids.to_pylist(), batch.texts.to_pylist(), found


def check_batch(batch: Batch) -> None:
    for column in (batch.ids, batch.texts, batch.reasons):
        assert column.type in (pa.string(), pa.large_string())
        column.validate(full=True)
        assert len(column) == len(batch)
    assert batch.ids.null_count == 0
    assert batch.texts.is_null().equals(batch.reasons.is_valid())


def reasons(shard: Shard, **options) -> list[Reason | None]:
    return [reason for _, _, reason in read_all(shard, **options)]
