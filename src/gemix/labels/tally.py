"""What is counted while a shard is labelled, for its marker."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemix.corpus.bad_rows import BadRows
from gemix.corpus.rows import Batch
from gemix.corpus.shards import Shard
from gemix.labels.counts import LIMIT, Cells, ColumnCounts, add_cell, value_hash
from gemix.labels.months import month_of
from gemix.labels.reading import Reading
from gemix.tokens.estimate import Counted

MILLIONTHS: Final = 1_000_000  # probabilities are summed as integers: sums of floats depend on their order
LONGEST: Final = 200  # characters of a value; what is longer is cut
_UNREADABLE: Final = object()


class Tally:
    """Counts by domain, and by domain and column where there is a column to count by."""

    def __init__(self, shard: Shard, n_domains: int, reading: Reading) -> None:
        self.rows = 0
        self.bad = BadRows()
        self.documents = np.zeros(n_domains, np.int64)
        self.tokens = np.zeros(n_domains, np.int64)
        self.bytes = np.zeros(n_domains, np.int64)
        self.counted = None if reading.counts_all else Counted.none(n_domains)
        self.confidence = np.zeros(n_domains, np.int64)
        self.confidence_squares = np.zeros(n_domains, np.int64)
        self.by_source = _ColumnTally(reading.source_key, n_domains, _source) if reading.source_key else None
        self.by_month = _ColumnTally(reading.date_key, n_domains, _month) if reading.date_key else None
        self._name = Path(shard.name).parent / shard.path.name  # the same wherever the corpus lies

    def add(
        self,
        batch: Batch,
        labels: NDArray[Any],
        probabilities: NDArray[Any],
        sizes: NDArray[np.int64],
        tokens: NDArray[np.int64],
    ) -> None:
        """Count a batch; the arrays have one entry per good row, -1 for tokens that were not counted."""
        self.rows += len(batch)
        self.bad.add_batch(self._name, batch)
        if self.counted is not None:
            for i in np.flatnonzero(tokens >= 0):
                self.counted.add(int(labels[i]), int(tokens[i]), int(sizes[i]))
            tokens = np.maximum(tokens, 0)
        exact = probabilities.astype(np.float64)
        for total, values in (
            (self.documents, 1),
            (self.tokens, tokens),
            (self.bytes, sizes),
            (self.confidence, np.rint(exact * MILLIONTHS).astype(np.int64)),
            (self.confidence_squares, np.rint(exact * exact * MILLIONTHS).astype(np.int64)),
        ):
            np.add.at(total, labels, values)
        columns = [column for column in (self.by_source, self.by_month) if column is not None]
        if columns:
            extras = batch.extras or []
            good = [extras[i] for i in np.flatnonzero(batch.texts.is_valid())]
            counts = np.stack([np.ones_like(tokens), tokens, sizes], axis=1)
            for column in columns:
                column.add([extra.get(column.counts.column) for extra in good], labels, counts)

    def fields(self) -> dict[str, Any]:
        """Return the fields of a marker that are counts."""
        names = ("documents", "tokens", "bytes", "confidence", "confidence_squares")
        return {name: getattr(self, name).tolist() for name in names} | {
            "rows": self.rows,
            "bad": self.bad,
            "counted": self.counted,
            "by_source": self.by_source and self.by_source.finish(),
            "by_month": self.by_month and self.by_month.finish(),
        }


class _ColumnTally:
    """Counts by one column; never more than twice `LIMIT` values in memory."""

    def __init__(self, column: str, n_domains: int, read: Callable[[Any], Any]) -> None:
        self.counts = ColumnCounts(column)
        self._n_domains = n_domains
        self._read = read
        self._bar = 1 << 64

    def add(self, values: Sequence[Any], labels: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Count documents by their values; `counts` is (n, 3): 1, tokens, bytes."""
        codes: dict[Any, int] = {}
        code = np.fromiter((codes.setdefault(self._read(value), len(codes)) for value in values), np.int64, len(values))
        keys, places = np.unique(code * self._n_domains + labels, return_inverse=True)
        sums = np.zeros((len(keys), 3), np.int64)
        np.add.at(sums, places, counts)
        cells = [self._cells(value) for value in codes]
        for key, row in zip(keys.tolist(), sums.tolist(), strict=True):
            add_cell(cells[key // self._n_domains], key % self._n_domains, row)
        if len(self.counts.values) > 2 * LIMIT:
            self._bar = self.counts.trim(self._bar)

    def finish(self) -> ColumnCounts:
        """Return what has been counted, in its one form."""
        self.counts.trim(self._bar)
        return self.counts.ordered()

    def _cells(self, value: Any) -> Cells:
        if value is None:
            return self.counts.missing
        if value is _UNREADABLE:
            return self.counts.unreadable
        if value not in self.counts.values and value_hash(value) > self._bar:
            return self.counts.other
        return self.counts.values.setdefault(value, {})


def _source(value: Any) -> Any:
    """Return the text to count by; numbers and truth values as JSON writes them."""
    if value is None or isinstance(value, str):
        return value if value is None else value[:LONGEST]
    return msgspec.json.encode(value).decode() if isinstance(value, int | float) else _UNREADABLE


def _month(value: Any) -> Any:
    return None if value is None else month_of(value) or _UNREADABLE
