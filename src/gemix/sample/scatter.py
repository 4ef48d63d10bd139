"""First pass over the documents: each chosen one goes, as often as it is taken, to the output files' scratch rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gemix.corpus.rows import Batch
from gemix.corpus.shards import Shard
from gemix.labels.documents import labelled_batches
from gemix.labels.labelled import tokens_of
from gemix.labels.spill import SpillWriter, is_spill, spill_path
from gemix.runtime.atomic import atomic_path
from gemix.runtime.errors import GemixError
from gemix.sample.budget import Budget
from gemix.sample.order import position, position_hash, selection_hash, stretched
from gemix.sample.select import Selection


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
    rates: list[float] | None
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
        with atomic_path(spill_path(self.work, shard)) as tmp:
            writer = SpillWriter(tmp, self.key, self.files)
            chosen = set(self.selection.rows.get(shard.name, ()))
            columns = ("id", "domain", "bytes", "tokens")
            for batch, table in labelled_batches(shard, self.labels, self.text_key, self.id_key, columns, True):
                domains, tokens = table["domain"].to_pylist(), tokens_of(table, self.rates).tolist()
                for row, domain, count in zip(_rows(batch), domains, tokens, strict=True):
                    self._take(writer, shard, row, domain, count, row.row - 1 in chosen)
                advance(len(batch))
            writer.close()
        return b""

    def _take(self, writer: SpillWriter, shard: Shard, row: Row, domain: int | None, tokens: int, chosen: bool) -> None:
        budget = self.budgets.get(-1 if domain is None else domain)
        if budget is None:
            return
        bar = self.selection.bar.get(budget.domain, 0)
        copies = budget.full + (chosen or (bar > 0 and self._choose(row.id) < bar))
        if not copies:
            return
        document, size = self._encode(shard, row, budget), len((row.text or "").encode())
        for copy in range(copies):
            place = position(self._place(document, copy), copy, budget.full, budget.epochs)
            if budget.phases:
                place = stretched(place, budget.phases)
            file = min(int(place * self.files), self.files - 1)
            writer.add(file, (place, budget.domain, tokens, size, document))

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


def _rows(batch: Batch) -> Iterator[Row]:
    columns = batch.ids.to_pylist(), batch.texts.to_pylist(), batch.extras or []
    for i, (document_id, text, extras) in enumerate(zip(*columns, strict=True)):
        yield Row(batch.first_row + i, document_id, text, extras)
