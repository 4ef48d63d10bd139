"""The domains to mix: any partition of a corpus with a count of tokens."""

import csv
import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.mix.box import Box, Floats, epoch_box, make_box
from gemix.mix.domain_ids import domain_key, domain_number

FILE_NAME: Final = "domains.csv"
# Columns with one value in all rows: the fingerprint of the tokenizer, and what gave the domains their numbers.
COUNTER: Final = "tokenizer"
IDENTITY: Final = "partition"
EXCLUDED: Final = "excluded"  # yes, or empty


@dataclass(frozen=True)
class Partition:
    """The domains of a corpus.

    Attributes:
        keys: K unique keys that everything joins on (see `gemix.mix.domain_ids`).
        documents: (K,) int64, or None where they were not counted.
        tokens: (K,) int64.
        floor, cap: (K,) float64, bounds on the weights that the table states.
        titles: K names for people; None where the keys are names.
        bytes: (K,) int64 of UTF-8 text, or None where they were not counted.
        counter: fingerprint of the tokenizer; None where the table does not say.
        identity: fingerprint of what gave the domains their numbers, so that those of two partitions are not taken
            for each other; None where the keys are names.
        excluded: (K,) bool, the domains that no mixture may use; None: all may be used.
        tokens_low, tokens_high: (K,) int64, the 95 % interval of tokens that were estimated; None where the table has
            none, and equal to tokens where all were counted.

    """

    keys: list[str]
    documents: NDArray[np.int64] | None
    tokens: NDArray[np.int64]
    floor: Floats
    cap: Floats
    titles: list[str] | None = None
    bytes: NDArray[np.int64] | None = None
    counter: str | None = None
    identity: str | None = None
    excluded: NDArray[np.bool_] | None = None
    tokens_low: NDArray[np.int64] | None = None
    tokens_high: NDArray[np.int64] | None = None

    @property
    def names(self) -> list[str]:
        """K names for people."""
        return self.keys if self.titles is None else self.titles

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the domains, their counts and bounds; a new name of a domain does not change it."""
        counts = [self.keys, None if self.documents is None else self.documents.tolist(), self.tokens.tolist()]
        content = [*counts, self.floor.tolist(), self.cap.tolist(), self.counter, self.identity]
        content.append(self._excluded.tolist())
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def _excluded(self) -> NDArray[np.bool_]:
        return np.zeros(len(self.keys), bool) if self.excluded is None else self.excluded

    @property
    def shares(self) -> Floats:
        """Natural shares of tokens, (K,)."""
        return np.asarray(self.tokens / self.tokens.sum())

    def box(self, max_epochs: float | None = None, budget_tokens: float | None = None) -> Box:
        """Return where mixtures may lie; a domain that has no tokens, or is excluded, has no weight.

        Args:
            max_epochs: passes over a domain that are allowed; needs a budget.
            budget_tokens: tokens that training will see.

        Raises:
            ValueError: no mixture is possible, or epochs without a budget.

        """
        cap = np.where((self.tokens > 0) & ~self._excluded, self.cap, 0.0)
        if max_epochs is None:
            return make_box(self.keys, self.floor, cap)
        if budget_tokens is None:
            raise ValueError("a limit on epochs needs the budget in tokens")
        return epoch_box(self.keys, self.tokens, max_epochs, budget_tokens, self.floor, cap)


def read_partition(path: Path) -> Partition:
    """Read a table of domains: CSV with the columns domain and tokens.

    There may be name, documents, bytes, tokens_low, tokens_high, tokenizer, partition, excluded, cap and floor, too.
    Where `domain` holds whole numbers they are the domains of a run, and `name` is what people call them; else
    `domain`, or a `name` alone, is the key.

    Raises:
        ValueError: a missing column, a duplicate, or a bad number; the message names the file and the row.

    """
    rows, columns = read_csv(path, path.read_bytes())
    key = "domain" if "domain" in columns else "name"
    for column in (key, "tokens"):
        if column not in columns:
            raise ValueError(f"{path}: no column {column!r}; there are {', '.join(columns)}")
    if not rows:
        raise ValueError(f"{path}: no domains")
    numbered = key == "domain" and all(row[key].isdecimal() for _, row in rows)
    seen: dict[str, int] = {}
    for line, row in rows:
        if not row[key]:
            raise ValueError(f"{path}, row {line}: the domain has no {key}")
        known = domain_key(int(row[key])) if numbered else row[key]
        if known in seen:
            raise ValueError(f"{path}, row {line}: domain {known!r} stands in row {seen[known]} already")
        seen[known] = line
    tokens = [_count(path, line, row["tokens"], "tokens") for line, row in rows]
    if sum(tokens) == 0:
        raise ValueError(f"{path}: the domains have no tokens")
    counts = {
        column: np.array([_count(path, line, row[column], column) for line, row in rows], np.int64)
        for column in ("documents", "bytes", "tokens_low", "tokens_high")
        if column in columns
    }
    bounds = {
        column: np.array([_weight(path, line, row.get(column, ""), column, default) for line, row in rows])
        for column, default in (("floor", 0.0), ("cap", 1.0))
    }
    titles = [row["name"] or known for known, (_, row) in zip(seen, rows, strict=True)] if "name" in columns else None
    return Partition(
        list(seen),
        counts.get("documents"),
        np.array(tokens, np.int64),
        bounds["floor"],
        bounds["cap"],
        titles,
        counts.get("bytes"),
        _common(path, rows, COUNTER),
        _common(path, rows, IDENTITY),
        _flags(path, rows) if EXCLUDED in columns else None,
        counts.get("tokens_low"),
        counts.get("tokens_high"),
    )


def write_partition(partition: Partition) -> str:
    """Return the table as CSV text that `read_partition` reads back; bounds only where there are any."""
    numbers = [domain_number(key) for key in partition.keys]
    columns: dict[str, Sequence[Any]] = {"domain": partition.keys if None in numbers else numbers}
    if partition.titles is not None:
        columns["name"] = partition.titles
    for name in ("documents", "bytes", "tokens", "tokens_low", "tokens_high"):
        counts = getattr(partition, name)
        if counts is not None:
            columns[name] = counts.tolist()
    for name, value in ((COUNTER, partition.counter), (IDENTITY, partition.identity)):
        if value is not None:
            columns[name] = [value] * len(numbers)
    for name, bounds, default in (("floor", partition.floor, 0.0), ("cap", partition.cap, 1.0)):
        if np.any(bounds != default):
            columns[name] = [repr(float(bound)) for bound in bounds]
    if partition.excluded is not None and partition.excluded.any():
        columns[EXCLUDED] = ["yes" if out else "" for out in partition.excluded]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def read_csv(path: Path, data: bytes) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    """Return the rows of a CSV file with their numbers (1 is the header), and its columns.

    Raises:
        ValueError: it is not UTF-8, has no header, a column twice, or a row of another length.

    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from None
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    columns: list[str] = []
    try:
        for cells in table:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if not columns:
                columns = cells
                if len(set(columns)) < len(columns):
                    twice = next(c for c in columns if columns.count(c) > 1)
                    raise ValueError(f"{path}: column {twice!r} stands twice in the header")
                continue
            if len(cells) != len(columns):
                raise ValueError(f"{path}, row {table.line_num}: {len(cells)} cells under {len(columns)} columns")
            rows.append((table.line_num, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise ValueError(f"{path}, row {table.line_num}: {error}") from None
    if not columns:
        raise ValueError(f"{path}: empty, not even a header")
    return rows, columns


def _common(path: Path, rows: Sequence[tuple[int, dict[str, str]]], column: str) -> str | None:
    """Return the one value of a column, None where there is none."""
    values = {row.get(column, "") for _, row in rows}
    if len(values) > 1:
        raise ValueError(f"{path}: the column {column} must hold one value, not {', '.join(sorted(map(repr, values)))}")
    return values.pop() or None


def _flags(path: Path, rows: Sequence[tuple[int, dict[str, str]]]) -> NDArray[np.bool_]:
    for line, row in rows:
        if row[EXCLUDED] not in ("yes", "", "no"):
            raise ValueError(f"{path}, row {line}: {EXCLUDED} must be yes, no or empty, not {row[EXCLUDED]!r}")
    return np.array([row[EXCLUDED] == "yes" for _, row in rows])


def _count(path: Path, line: int, cell: str, column: str) -> int:
    try:
        number = float(cell)
        if not (math.isfinite(number) and number == int(number) and 0 <= number < 2**63):
            raise ValueError
        return int(cell) if cell.isdigit() else int(number)
    except ValueError:
        raise ValueError(f"{path}, row {line}: {column} must be a whole number >= 0, not {cell!r}") from None


def _weight(path: Path, line: int, cell: str, column: str, default: float) -> float:
    if not cell:
        return default
    try:
        number = float(cell)
        if not 0 <= number <= 1:
            raise ValueError
    except ValueError:
        raise ValueError(f"{path}, row {line}: {column} must be a number from 0 to 1, not {cell!r}") from None
    return number
