"""First pass over the documents: each chosen one goes, as often as it is taken, to the output files' scratch rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gemix.corpus.reader import read_batches
from gemix.corpus.shards import Shard
from gemix.labels.labelled import other_row, read_sidecar
from gemix.labels.markers import sidecar_path
from gemix.labels.spill import SpillWriter, is_spill
from gemix.runtime.atomic import atomic_path
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_stat
from gemix.sample.budget import Budget
from gemix.sample.order import position, position_hash, selection_hash
from gemix.sample.select import Selection

_REPORT_EVERY = 1000  # rows


class Row(NamedTuple):
    """A row of a shard: its document, if it has one."""

    row: int
    id: str
    text: str | None
    extras: dict[str, Any]


@dataclass
class Scatter:
    """Makes the scratch file of one shard; picklable."""

    labels: Path
    work: Path
    key: str
    budgets: dict[int, Budget]
    selection: Selection
    files: int
    seed: int
    text_key: str
    id_key: str
    domain_key: str

    def standing(self, shard: Shard) -> bytes | None:
        """Return an empty marker if the scratch file is there."""
        return b"" if is_spill(spill_path(self.work, shard), self.key) else None

    def make(self, shard: Shard, advance: Callable[[int], None]) -> bytes:
        """Write the scratch file."""
        before = file_stat(shard.path)
        with atomic_path(spill_path(self.work, shard)) as tmp:
            writer = SpillWriter(tmp, self.key, self.files)
            chosen = set(self.selection.rows.get(shard.name, ()))
            rows = 0
            for row, domain, tokens in self._labelled(shard):
                self._take(writer, shard, row, domain, tokens, rows in chosen)
                rows += 1
                if rows % _REPORT_EVERY == 0:
                    advance(_REPORT_EVERY)
            writer.close()
            advance(rows % _REPORT_EVERY)
            if file_stat(shard.path) != before:
                raise GemixError(f"{shard.path} changed while it was read; label it again when it is complete")
        return b""

    def _labelled(self, shard: Shard) -> Iterator[tuple[Row, int | None, int | None]]:
        """Yield each row with its domain and tokens: row i of the sidecar belongs to row i of the shard."""
        for row, label in zip_longest(self._rows(shard), self._label_rows(shard)):
            if row is None or label is None:
                raise GemixError(f"{shard.path} and {self._sidecar(shard)} have not the same number of rows")
            label_id, domain, tokens = label
            if row.id != label_id or (row.text is None) != (domain is None):
                raise other_row(shard, row.row, row.id, self._sidecar(shard), label_id)
            yield row, domain, tokens

    def _rows(self, shard: Shard) -> Iterator[Row]:
        for batch in read_batches(shard, text_key=self.text_key, id_key=self.id_key, with_extras=True):
            extras = batch.extras or []
            for i, (document_id, text) in enumerate(zip(batch.ids.to_pylist(), batch.texts.to_pylist(), strict=True)):
                yield Row(batch.first_row + i, document_id, text, extras[i])

    def _label_rows(self, shard: Shard) -> Iterator[tuple[str, int | None, int | None]]:
        for batch in read_sidecar(self.labels, shard, ["id", "domain", "tokens"]):
            yield from zip(*(batch[name].to_pylist() for name in ("id", "domain", "tokens")), strict=True)

    def _sidecar(self, shard: Shard) -> Path:
        return sidecar_path(self.labels, shard.name)

    def _take(
        self, writer: SpillWriter, shard: Shard, row: Row, domain: int | None, tokens: int | None, chosen: bool
    ) -> None:
        budget = self.budgets.get(-1 if domain is None else domain)
        if budget is None:
            return
        bar = self.selection.bar.get(budget.domain, 0)
        copies = budget.full + (chosen or (bar > 0 and self._choose(row.id) < bar))
        if not copies:
            return
        document = self._encode(shard, row, budget)
        for copy in range(copies):
            place = position(self._place(document, copy), copy, budget.full, budget.epochs)
            file = min(int(place * self.files), self.files - 1)
            writer.add(file, (place, budget.domain, tokens or 0, document))

    def _encode(self, shard: Shard, row: Row, budget: Budget) -> bytes:
        for name in (self.domain_key, f"{self.domain_key}_name"):
            if name in row.extras or name in (self.id_key, self.text_key):
                raise GemixError(
                    f"{shard.path}:{row.row}: the document has a {name!r} of its own; "
                    "choose another name for the domain: --domain-key NAME"
                )
        domain = {self.domain_key: budget.domain, f"{self.domain_key}_name": budget.name}
        return msgspec.json.encode({self.id_key: row.id, self.text_key: row.text} | row.extras | domain, enc_hook=str)

    @cached_property
    def _choose(self) -> Callable[[str], int]:
        return selection_hash(self.seed)

    @cached_property
    def _place(self) -> Callable[[bytes, int], float]:
        return position_hash(self.seed)


def spill_path(work: Path, shard: Shard) -> Path:
    """Return where the scratch file of a shard lies."""
    return work / f"{shard.name}.arrow"
