"""The documents of a labelled corpus: rows of shards in step with the rows of their sidecars, checked against them."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from gemix.corpus.reader import read_batches
from gemix.corpus.rows import Batch
from gemix.corpus.shards import Shard
from gemix.labels.labelled import other_row, read_sidecar
from gemix.labels.markers import sidecar_path
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_stat

COLUMNS: Final = ("id", "domain", "probability", "bytes", "tokens", "reason")


class LabelRows:
    """A sidecar, read from front to back."""

    def __init__(self, shard: Shard, folder: Path, columns: Sequence[str] = COLUMNS) -> None:
        self._shard = shard
        self._path = sidecar_path(folder, shard.name)
        self._batches = read_sidecar(folder, shard, list(columns))
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
            raise other_row(self._shard, row, ids[i].as_py(), self._path, table["id"][i].as_py())

    def take_for(self, ids: pa.Array) -> pa.Table:
        """Return the next rows, which must have these ids: `take` and `check`."""
        table = self.take(len(ids))
        self.check(table, ids)
        return table

    def take_with(self, batch: Batch) -> pa.Table:
        """Return the next rows, which must be those of a batch: the same ids, and a label just where there is a text.

        Raises:
            GemixError: they are not.

        """
        table = self.take_for(batch.ids)
        differ = pc.not_equal(batch.texts.is_null(), table["domain"].combine_chunks().is_null())
        if pc.any(differ).as_py():
            i = pc.index(differ, True).as_py()
            raise other_row(self._shard, batch.first_row + i, batch.ids[i].as_py(), self._path, table["id"][i].as_py())
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
        return GemixError(f"{self._shard.path} and {self._path} have not the same number of rows")


def labelled_batches(
    shard: Shard,
    folder: Path,
    text_key: str,
    id_key: str,
    columns: Sequence[str] = ("id", "domain"),
    with_extras: bool = False,
) -> Iterator[tuple[Batch, pa.Table]]:
    """Yield the rows of a shard, a batch at a time, beside those of its sidecar; memory is that of a batch.

    Args:
        shard: the documents.
        folder: of the labels.
        text_key: column of the text.
        id_key: column of the id.
        columns: of the sidecar, id and domain among them.
        with_extras: whether the other columns of the documents are read, too.

    Raises:
        GemixError: the shard cannot be read, changes meanwhile, or has other rows than its sidecar.

    """
    before = file_stat(shard.path)
    rows = LabelRows(shard, folder, columns)
    for batch in read_batches(shard, text_key=text_key, id_key=id_key, with_extras=with_extras):
        yield batch, rows.take_with(batch)
    rows.end()
    if file_stat(shard.path) != before:
        raise GemixError(f"{shard.path} changed while it was read; label it again when it is complete")
