"""The rows of a sidecar, handed out in step with the rows of its shard."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from gemix.labels.exchange.convert import Labels
from gemix.labels.labelled import other_row, read_sidecar
from gemix.labels.markers import sidecar_path
from gemix.runtime.errors import GemixError


class LabelRows:
    """A sidecar, read from front to back."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        columns = ["id", "domain", "probability", "tokens", "reason"]
        self._batches = read_sidecar(labels.folder, labels.shard, columns)
        self._rest: pa.RecordBatch | None = None
        self._row = 0

    def take(self, n: int) -> pa.Table:
        """Return the next `n` rows.

        Raises:
            GemixError: there are fewer.

        """
        pieces: list[pa.RecordBatch] = []
        missing = n
        while missing:
            batch = self._rest if self._rest is not None else next(self._batches, None)
            if batch is None:
                raise self._lengths_differ()
            piece = batch.slice(0, missing)
            pieces.append(piece)
            self._rest = batch.slice(len(piece)) if len(piece) < len(batch) else None
            missing -= len(piece)
        self._row += n
        return pa.Table.from_batches(pieces)

    def check(self, table: pa.Table, ids: pa.Array) -> None:
        """Make sure that the rows that were taken last have these ids.

        Raises:
            GemixError: they have not.

        """
        differ = pc.not_equal(table["id"].combine_chunks(), ids.cast(pa.string()))
        if pc.any(differ).as_py():
            i = pc.index(differ, True).as_py()
            row = self._row - len(table) + 1 + i
            raise other_row(self._labels.shard, row, ids[i].as_py(), self._path, table["id"][i].as_py())

    def take_for(self, ids: pa.Array) -> pa.Table:
        """Return the next rows, which must have these ids: `take` and `check`."""
        table = self.take(len(ids))
        self.check(table, ids)
        return table

    def end(self) -> None:
        """Make sure that no row is left.

        Raises:
            GemixError: there is one.

        """
        if any(len(batch) for batch in self.rest()):
            raise self._lengths_differ()

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Yield what is left."""
        rest, self._rest = self._rest, None
        return chain([] if rest is None else [rest], self._batches)

    def _lengths_differ(self) -> GemixError:
        return GemixError(f"{self._labels.shard.path} and {self._path} have not the same number of rows")

    @property
    def _path(self) -> Path:
        return sidecar_path(self._labels.folder, self._labels.shard.name)
