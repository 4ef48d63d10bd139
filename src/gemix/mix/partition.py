"""The domains to mix: any partition of a corpus with a count of tokens."""

import csv
import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gemix.mix.box import Box, Floats, epoch_box, make_box


@dataclass(frozen=True)
class Partition:
    """The domains of a corpus.

    Attributes:
        names: K unique names, the key that everything joins on.
        documents: (K,) int64, or None where they were not counted.
        tokens: (K,) int64.
        floor, cap: (K,) float64, bounds on the weights that the table states.
        sha256: of the table's bytes; "" when there is no file.

    """

    names: list[str]
    documents: NDArray[np.int64] | None
    tokens: NDArray[np.int64]
    floor: Floats
    cap: Floats
    sha256: str = ""

    @property
    def shares(self) -> Floats:
        """Natural shares of tokens, (K,)."""
        return np.asarray(self.tokens / self.tokens.sum())

    def box(self, max_epochs: float | None = None, budget_tokens: float | None = None) -> Box:
        """Return where mixtures may lie; a domain without tokens has no weight.

        Args:
            max_epochs: passes over a domain that are allowed; needs a budget.
            budget_tokens: tokens that training will see.

        Raises:
            ValueError: no mixture is possible, or epochs without a budget.

        """
        cap = np.where(self.tokens > 0, self.cap, 0.0)
        if max_epochs is None:
            return make_box(self.names, self.floor, cap)
        if budget_tokens is None:
            raise ValueError("a limit on epochs needs the budget in tokens")
        return epoch_box(self.names, self.tokens, max_epochs, budget_tokens, self.floor, cap)


def read_partition(path: Path) -> Partition:
    """Read a table of domains: CSV with the columns domain and tokens, and optionally documents, name, cap and floor.

    The key of a domain is its `name` where there is such a column, else its `domain`.

    Raises:
        ValueError: a missing column, a duplicate, or a bad number; the message names the file and the row.

    """
    data = path.read_bytes()
    rows, columns = read_csv(path, data)
    key = "name" if "name" in columns else "domain"
    for column in (key, "tokens"):
        if column not in columns:
            raise ValueError(f"{path}: no column {column!r}; there are {', '.join(columns)}")
    if not rows:
        raise ValueError(f"{path}: no domains")
    seen: dict[str, int] = {}
    for line, row in rows:
        name = row[key]
        if not name:
            raise ValueError(f"{path}, row {line}: the domain has no {key}")
        if name in seen:
            raise ValueError(f"{path}, row {line}: domain {name!r} stands in row {seen[name]} already")
        seen[name] = line
    tokens = [_count(path, line, row["tokens"], "tokens") for line, row in rows]
    if sum(tokens) == 0:
        raise ValueError(f"{path}: the domains have no tokens")
    documents = None
    if "documents" in columns:
        documents = np.array([_count(path, line, row["documents"], "documents") for line, row in rows], np.int64)
    bounds = {
        column: np.array([_weight(path, line, row.get(column, ""), column, default) for line, row in rows])
        for column, default in (("floor", 0.0), ("cap", 1.0))
    }
    sha256 = hashlib.sha256(data).hexdigest()
    return Partition(list(seen), documents, np.array(tokens, np.int64), bounds["floor"], bounds["cap"], sha256)


def write_partition(partition: Partition) -> str:
    """Return the table as CSV text that `read_partition` reads back."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["domain", *(["documents"] if partition.documents is not None else []), "tokens", "floor", "cap"])
    for k, name in enumerate(partition.names):
        documents = [int(partition.documents[k])] if partition.documents is not None else []
        bounds = [repr(float(partition.floor[k])), repr(float(partition.cap[k]))]
        table.writerow([name, *documents, int(partition.tokens[k]), *bounds])
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
