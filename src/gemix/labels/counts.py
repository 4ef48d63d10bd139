"""Documents, tokens and bytes by the values of a column and by domain: bounded, and the same in whatever order."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import msgspec

LIMIT = 10_000  # values with counts of their own
Cells = dict[int, list[int]]  # domain -> [documents, tokens, bytes]
_NO_BAR = 1 << 64


class ColumnCounts(msgspec.Struct, forbid_unknown_fields=True):
    """The counts of one column. A msgspec struct: markers hold it as JSON.

    A column may have more values than anybody wants to count. The `LIMIT` values whose hash is smallest keep counts of
    their own (a bottom-k sample, Cohen and Kaplan 2007), the rest is one sum. Which values these are does not depend on
    the order of rows or shards, so the counts of a value that is kept are always all there are.

    Attributes:
        column: its name in the corpus.
        values: the counts of each value.
        other: those of all further values; {} if there are none.
        missing: those of the documents without the column or with null in it.
        unreadable: those of the documents whose value cannot be counted by: no text, or no date.

    """

    column: str
    values: dict[str, Cells] = {}
    other: Cells = {}
    missing: Cells = {}
    unreadable: Cells = {}

    def merge(self, more: "ColumnCounts") -> None:
        """Add the counts of other documents."""
        bar = min(self._bar(), more._bar())
        for own, cells in ((self.other, more.other), (self.missing, more.missing), (self.unreadable, more.unreadable)):
            _add(own, cells)
        for value, cells in more.values.items():
            _add(self.values.setdefault(value, {}), cells)
        self.trim(bar)

    def trim(self, bar: int | None = None) -> int:
        """Keep the values up to the hash `bar`, at most `LIMIT`; return the hash up to which values are kept."""
        bar = self._bar() if bar is None else bar
        if len(self.values) <= LIMIT and bar == _NO_BAR:
            return bar
        kept = sorted((value_hash(value), value) for value in self.values)
        kept = [pair for pair in kept if pair[0] <= bar]
        if len(kept) > LIMIT:
            kept = kept[:LIMIT]
            bar = kept[-1][0]
        if len(kept) < len(self.values):
            for value in self.values.keys() - {value for _, value in kept}:
                _add(self.other, self.values.pop(value))
        return bar

    def estimate(self, rates: Sequence[float]) -> None:
        """Put tokens = bytes x the domain's tokens a byte for those that were counted, of a sample of the documents."""
        for cells in (*self.values.values(), self.other, self.missing, self.unreadable):
            for domain, counts in cells.items():
                counts[1] = round(counts[2] * rates[domain])

    def ordered(self) -> "ColumnCounts":
        """Return the same counts, values and domains sorted: equal counts then have equal JSON."""
        values = {value: _ordered(self.values[value]) for value in sorted(self.values)}
        return ColumnCounts(self.column, values, *map(_ordered, (self.other, self.missing, self.unreadable)))

    def _bar(self) -> int:
        return max(map(value_hash, self.values)) if self.other else _NO_BAR


@lru_cache(maxsize=4 * LIMIT)
def value_hash(value: str) -> int:
    """Return 64 bits of a hash."""
    return int.from_bytes(blake2b(value.encode(), digest_size=8).digest())


def add_cell(cells: Cells, domain: int, counts: list[int]) -> None:
    """Add [documents, tokens, bytes] of a domain."""
    own = cells.setdefault(domain, [0, 0, 0])
    for i, count in enumerate(counts):
        own[i] += count


def _add(cells: Cells, more: Cells) -> None:
    for domain, counts in more.items():
        add_cell(cells, domain, counts)


def _ordered(cells: Cells) -> Cells:
    return dict(sorted(cells.items()))
