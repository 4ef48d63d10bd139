"""The seed sample: the documents that the teacher reads, chosen by a hash of their places."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemix.corpus.bad_rows import BadRows
from gemix.corpus.formats import Shard
from gemix.corpus.reader import Batch, read_batches
from gemix.corpus.window import Window
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import progress

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "text": pa.string(),
        "shard": pa.string(),
        "row": pa.int64(),
        "characters": pa.int64(),
        "bytes": pa.int64(),
        "meta": pa.string(),
    }
)
# Of SplitMix64 (Steele, Lea and Flood 2014): the step from a row to the next, and what mixes the bits.
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
_TABLE_ROWS = 1 << 16  # rows of one chunk of the table: keeps each string array far below Arrow's 2 GB


class ShardTotals(NamedTuple):
    """What one shard holds; `documents` and `bytes` (of text) are those of its good rows."""

    name: str
    rows: int
    documents: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SeedSample:
    """The sample (`SCHEMA`, in the order of the hash), the totals of every shard, the bad rows met on the way."""

    table: pa.Table
    shards: list[ShardTotals]
    bad: BadRows


class _Document(NamedTuple):
    """A row of the table behind its hash: documents sort by hash, then by place."""

    hash: int
    shard: str
    row: int
    id: str
    text: str
    characters: int
    bytes: int
    meta: str


def sample_seed(
    shards: Sequence[Shard],
    *,
    documents: int | None = None,
    size: int | None = None,
    seed: int = 0,
    window: Window,
    text_key: str = "text",
    id_key: str = "id",
) -> SeedSample:
    """Scan the corpus once and keep the documents whose places have the smallest hashes, see `place_hashes`.

    Give one of `documents` (how many to keep) and `size` (keep, in the order of the hash, until so many bytes of text
    are reached). The choice is one of documents, whatever they are called: ids that repeat do not sway it. It depends
    on the names of the shards and the order of their rows, not on what else is read. Memory is that of about two
    samples, whatever the size of the corpus.

    Returns:
        The table has id, text (the window that models read), shard, row (1-based), characters and bytes (of the full
        text) and meta (a JSON object of the other columns), sorted by the hash.

    Raises:
        GemixError: unreadable input, or not one good document in it.

    """
    if (documents is None) == (size is None):
        raise ValueError("give either documents or size")
    limit = documents if size is None else size
    if limit is None or limit < 1:
        raise GemixError(f"the seed sample needs at least 1 document or byte, not {limit}")
    buffer = _Smallest(limit, by_bytes=documents is None)
    bad = BadRows()
    totals = []
    with progress("scan") as advance:
        for shard in shards:
            rows = good = total = 0
            for batch in read_batches(shard, text_key=text_key, id_key=id_key, with_extras=True):
                sizes = pc.binary_length(batch.good_texts).to_numpy(zero_copy_only=False)
                _offer(buffer, batch, sizes, shard, seed, window)
                bad.add_batch(shard.path, batch)
                rows += len(batch)
                good += len(sizes)
                total += int(sizes.sum())
                advance(len(batch))
            totals.append(ShardTotals(shard.name, rows, good, total))
    if not any(shard.documents for shard in totals):
        found = f"all {bad.total:,} rows are bad:\n{bad.describe()}" if bad.total else "no row at all"
        raise GemixError(f"no document with a text in {_names(shards)}: {found}")
    return SeedSample(_table(buffer.result()), totals, bad)


class _Smallest:
    """Holds the smallest documents offered whose weights add up to `limit`, and at most as many again."""

    def __init__(self, limit: int, by_bytes: bool) -> None:
        self.limit = limit
        self.by_bytes = by_bytes
        self.bar: int | None = None  # no document with a larger hash can be in the result
        self._kept: list[_Document] = []
        self._weight = 0
        self._room = 2 * limit

    def add(self, document: _Document) -> None:
        self._kept.append(document)
        self._weight += self._weigh(document)
        if self._weight > self._room:
            self._prune()

    def result(self) -> list[_Document]:
        self._prune()
        return self._kept

    def _prune(self) -> None:
        self._kept.sort()
        self._weight = 0
        for i, document in enumerate(self._kept):
            self._weight += self._weigh(document)
            if self._weight >= self.limit:
                del self._kept[i + 1 :]
                self.bar = document.hash
                break
        self._room = self._weight + self.limit

    def _weigh(self, document: _Document) -> int:
        return document.bytes if self.by_bytes else 1


def place_hashes(shard: str, first_row: int, rows: int, seed: int) -> NDArray[np.uint64]:
    """Return a hash of each of consecutive rows, (rows,) uint64, uniform: of the shard's name, the row and the seed."""
    start = hashlib.blake2b(shard.encode(), digest_size=8, key=str(seed).encode(), person=b"gemix:seed").digest()
    found = np.uint64(int.from_bytes(start)) + np.arange(first_row, first_row + rows, dtype=np.uint64) * _STEP
    for shift, factor in _MIX:
        found = (found ^ (found >> np.uint64(shift))) * np.uint64(factor)
    return found


def _offer(buffer: _Smallest, batch: Batch, sizes: NDArray[np.int64], shard: Shard, seed: int, window: Window) -> None:
    good = np.flatnonzero(batch.texts.is_valid())
    hashes = place_hashes(shard.name, batch.first_row, len(batch), seed)[good]
    near = np.arange(len(good)) if buffer.bar is None else np.flatnonzero(hashes <= np.uint64(buffer.bar))
    for at, value, size in zip(good[near].tolist(), hashes[near].tolist(), sizes[near].tolist(), strict=True):
        if buffer.bar is None or value <= buffer.bar:
            text = batch.texts[at].as_py()
            meta = _json(batch.extras[at] if batch.extras else {})
            place = (shard.name, batch.first_row + at, batch.ids[at].as_py())
            buffer.add(_Document(value, *place, window(text), len(text), size, meta))


def _json(extras: dict[str, object]) -> str:
    """Return a JSON object with sorted keys: NaN as null, bytes as base64, other values that JSON lacks as text."""
    return msgspec.json.encode(extras, enc_hook=str, order="deterministic").decode()


def _table(documents: list[_Document]) -> pa.Table:
    slices = (documents[i : i + _TABLE_ROWS] for i in range(0, len(documents), _TABLE_ROWS))
    batches = [
        pa.RecordBatch.from_pydict({name: [getattr(d, name) for d in part] for name in SCHEMA.names}, SCHEMA)
        for part in slices
    ]
    return pa.Table.from_batches(batches, SCHEMA)


def _names(shards: Sequence[Shard]) -> str:
    shown = ", ".join(str(shard.path) for shard in shards[:3])
    return shown + (f" and {len(shards) - 3:,} more" if len(shards) > 3 else "")
