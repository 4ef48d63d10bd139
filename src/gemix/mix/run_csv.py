"""CSV tables of runs as people have them: of spreadsheets and data frames, with words beside the numbers."""

import csv
import hashlib
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from gemix.mix.box import Floats
from gemix.mix.partition import read_csv
from gemix.mix.tables import listed

IDS: Final = ("run", "run_id", "id", "index")
_LABELS: Final = ("name", "index")  # olmix keeps them beside the id
_ROWS: Final = re.compile(r"|Unnamed: \d+(\.\d+)*")  # what pandas calls an index without a name
_MISSING: Final = ("", "nan", "na", "n/a", "#n/a", "null", "none", "-")
_DELIMITERS: Final = (",", ";", "\t")
_DECIMAL_COMMA: Final = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*%?\s*")


@dataclass(frozen=True)
class RunColumns:
    """A table of runs, column by column.

    Attributes:
        ids: n ids as they stand there; neither checked to be there nor to be unique.
        lines: n line numbers in the file; 1 is the header.
        numbers: name -> (n,) float64, NaN where a cell is empty or says that nothing is there.
        notes: what was left out, in words.
        sha256: of the file.

    """

    ids: list[str]
    lines: list[int]
    numbers: dict[str, Floats]
    notes: list[str]
    sha256: str


def read_columns(path: Path, numbered: bool = False) -> RunColumns:
    """Read a table of runs: an id and numbers, in UTF-8 or a spreadsheet's UTF-16.

    Commas, semicolons or tabs part the cells; where commas do not, they may be decimal. A cell may end in %. Ids are
    in the column run, run_id, id or index, else in the index of a data frame (`Unnamed: 0`, or no name), else in the
    first column of words that differ. Other columns of words are left out, with a note.

    Args:
        path: of the file.
        numbered: whether runs without any ids may go by their place, 1, 2, ...

    Raises:
        ValueError: as `read_csv`; no ids; a word in a column of numbers.

    """
    data = path.read_bytes()
    rows, columns = read_csv(path, _plain(path, data))
    cells = {name: [row[name] for _, row in rows] for name in columns}
    lines = [line for line, _ in rows]
    words = [name for name in columns if _is_words(cells[name])]
    key = next((name for known in IDS for name in columns if name.casefold() == known), None)
    index = [name for name in columns if _ROWS.fullmatch(name)]
    if key is None:
        unique = [name for name in words if len(set(cells[name])) == len(rows) and all(cells[name])]
        key = next(iter([name for name in index if any(cells[name])] + unique), None)
    if key is None and not numbered:
        raise ValueError(f"{path}: no column of ids ({', '.join(IDS)}); there are {listed(columns)}")
    out = {key, *index, *words, *_LABELS}
    numbers = {
        name: np.array([_number(path, line, cell, name) for line, cell in zip(lines, cells[name], strict=True)])
        for name in columns
        if name not in out
    }
    left = [name for name in words if name not in (key, *index, *_LABELS)]
    notes = [f"{path.name}: columns without numbers are left out: {listed(left, 10)}"] if left else []
    if key is None:
        notes.append(f"{path.name}: no column of ids, runs go by their place")
    ids = [str(i + 1) for i in range(len(rows))] if key is None else cells[key]
    return RunColumns(ids, lines, numbers, notes, hashlib.sha256(data).hexdigest())


def _plain(path: Path, data: bytes) -> bytes:
    """Return the file with cells parted by commas and decimal points, every line where it was."""
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is neither UTF-8 nor UTF-16: {error}") from None
    head, _, rest = text.partition("\n")
    told = re.fullmatch(r"sep=(.)\s*", head)  # Excel's way to say it
    if told:
        text, head = "\n" + rest, rest.lstrip().partition("\n")[0]
    # The header decides; what stands in quotes parts nothing.
    delimiter = told[1] if told else max(_DELIMITERS, key=re.sub(r'"[^"]*"', "", head).count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(f"{path}, row {reader.line_num}: {error}") from None
    used = max((i + 1 for row in rows for i, cell in enumerate(row) if cell.strip()), default=0)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        kept = row[:used]  # spreadsheets end lines in empty cells
        if delimiter != ",":
            kept = [cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in kept]
        writer.writerow(kept)
    return out.getvalue().encode()


def _is_words(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell.casefold() not in _MISSING]
    return bool(filled) and all(_parsed(cell) is None for cell in filled)


def _parsed(cell: str) -> float | None:
    if cell.casefold() in _MISSING:
        return math.nan
    try:
        return float(f"{cell[:-1].strip()}e-2" if cell.endswith("%") else cell)
    except ValueError:
        return None


def _number(path: Path, line: int, cell: str, column: str) -> float:
    number = _parsed(cell)
    if number is None:
        raise ValueError(f"{path}, row {line}: {column} must be a number or empty, not {cell!r}")
    return number
