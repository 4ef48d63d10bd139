"""Bad rows: counted by reason, the first few named, and a limit on their share."""

import math
from pathlib import Path

import msgspec
import numpy as np

from gemix.corpus.rows import Batch, Reason
from gemix.runtime.errors import GemixError

EXAMPLES = 3  # kept per reason
# One row stands for all that follows it in the file.
DAMAGE = (Reason.TRUNCATED, Reason.CORRUPT)


class Example(msgspec.Struct, frozen=True):
    """One bad row: the file as the user named it, and its 1-based row (line number)."""

    file: str
    row: int

    def __str__(self) -> str:
        """Return "file:row"."""
        return f"{self.file}:{self.row}"


class BadRows(msgspec.Struct):
    """Counts of bad rows by reason, and the first few of each. A msgspec struct: markers hold it as JSON."""

    counts: dict[Reason, int] = msgspec.field(default_factory=dict)
    examples: dict[Reason, list[Example]] = msgspec.field(default_factory=dict)

    def add(self, file: str | Path, row: int, reason: Reason) -> None:
        """Count one bad row of `file`."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(Example(str(file), row))

    def add_batch(self, file: str | Path, batch: Batch) -> None:
        """Count the bad rows of a batch of `file`."""
        for i in np.flatnonzero(batch.reasons.is_valid()).tolist():
            self.add(file, batch.first_row + i, Reason(batch.reasons[i].as_py()))

    def merge(self, other: "BadRows") -> None:
        """Add the counts of `other`; its examples come after those already here."""
        for reason, count in other.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
            self.examples[reason] = (self.examples.get(reason, []) + other.examples.get(reason, []))[:EXAMPLES]

    @property
    def total(self) -> int:
        """The number of bad rows."""
        return sum(self.counts.values())

    def describe(self) -> str:
        """Return one line per reason, most frequent first: count, meaning of what is lost, first rows as file:row."""
        lines = []
        for reason, count in sorted(self.counts.items(), key=lambda item: (-item[1], item[0])):
            note = " (the rest of each file cannot be read)" if reason in DAMAGE else ""
            rows = ", ".join(map(str, self.examples[reason])) + (", ..." if count > len(self.examples[reason]) else "")
            lines.append(f"  {reason}: {count:,}{note}: {rows}")
        return "\n".join(lines)

    def check(self, total_rows: int, max_fraction: float) -> None:
        """Do nothing if at most `max_fraction` of `total_rows` rows are bad.

        Raises:
            GemixError: more are; the message has the counts by reason and the first rows of each.

        """
        if self.total <= max_fraction * total_rows:
            return
        share = self.total / total_rows
        needed = math.ceil(share * 1000) / 1000
        raise GemixError(
            f"{self.total:,} of {total_rows:,} rows ({100 * share:.2g} %) are bad, more than the limit of "
            f"{100 * max_fraction:g} %:\n{self.describe()}\n"
            f"Repair or remove them, or accept that they stay without a label: --max-bad-fraction {needed:g}"
        )
