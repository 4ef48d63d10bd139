"""The files of a swarm: tables that grow row by row, and records of what must not change between calls."""

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gemix.mix.partition import read_csv
from gemix.mix.tables import write_csv
from gemix.proxy.interface import Floats
from gemix.runtime.atomic import write_json, write_text
from gemix.runtime.errors import GemixError, first_faults

KEY = "run"
Rows = dict[str, Floats]  # by the id of the run


def read_rows(path: Path, columns: Sequence[str]) -> Rows:
    """Return the rows of a table that `write_rows` or `grow` wrote, bit for bit; none if there is no such file.

    What stands behind the last end of a line is a row that a killed process has not finished: it does not count.

    Raises:
        GemixError: other columns, a run twice, or a cell that is no finite number; names file and row.

    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    data = data[: data.rfind(b"\n") + 1]
    if not data:
        return {}
    rows: Rows = {}
    try:
        lines, found = read_csv(path, data)
        if found != [KEY, *columns]:
            raise ValueError(f"{path} has other columns than this swarm: {_first_difference(found, [KEY, *columns])}")
        for line, row in lines:
            name = row[KEY]
            if name in rows:
                raise ValueError(f"{path}, row {line}: run {name!r} stands twice")
            rows[name] = np.array([_number(path, line, column, row[column]) for column in columns])
    except ValueError as error:
        raise GemixError(f"{error}") from error
    return rows


def write_rows(path: Path, columns: Sequence[str], rows: Mapping[str, Floats]) -> None:
    """Write a table whole, atomically."""
    values = np.stack(list(rows.values())) if rows else np.empty((0, len(columns)))
    write_text(path, write_csv(list(rows), columns, values, KEY))


@contextmanager
def grow(path: Path, columns: Sequence[str], rows: Mapping[str, Floats]) -> Iterator[Callable[[str, Floats], None]]:
    """Write a table of what is known and yield `append(run, values)`; a row is on the disk when it returns.

    Raises:
        GemixError: the file cannot be written or the disk is full; the rows before are there.

    """
    write_rows(path, columns, rows)
    try:
        # No buffer: what could not be written once must not be tried again when the file is closed.
        file = open(path, "ab", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise GemixError(f"cannot write {path}: {error.strerror or error}") from error

    def append(run: str, values: Floats) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow([run, *(repr(float(value)) for value in values)])
        data = text.getvalue().encode()
        try:
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        except OSError as error:
            raise GemixError(f"cannot write {path}: {error.strerror or error}") from error

    with file:
        yield append


def keep_record(path: Path, facts: dict[str, Any], what: str, anew: bool = False) -> None:
    """Write facts as JSON, or check that those which an earlier call wrote are the same.

    Args:
        path: the file.
        facts: of this call.
        what: whose facts they are, for the message ("the runs in swarm/").
        anew: there is nothing yet that the earlier facts hold for: write these.

    Raises:
        GemixError: the earlier ones differ (the message says in what), or the file is damaged.

    """
    here = json.loads(json.dumps(facts, allow_nan=False))
    if anew:
        write_json(path, here)
        return
    try:
        there = json.loads(path.read_bytes())
    except FileNotFoundError:
        write_json(path, here)
        return
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise GemixError(
            f"{path} is damaged ({error}): give another folder, or remove this one to start over"
        ) from error
    before, now = _flat(there), _flat(here)
    faults = [
        f"{key}: {_shown(before.get(key))} there, {_shown(now.get(key))} now"
        for key in {**before, **now}
        if not _same(before.get(key), now.get(key))
    ]
    if faults:
        raise GemixError(
            f"{what} were made with other settings than these, see {path}:\n  {first_faults(faults)}\n"
            "Give the old settings to go on, another folder to begin anew, or remove the old one"
        )


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Return the leaves of JSON by dotted path; lists are leaves."""
    if not isinstance(value, dict):
        return {key: value}
    return {
        path: leaf
        for name, part in value.items()
        for path, leaf in _flat(part, f"{key}.{name}" if key else name).items()
    }


def _same(a: Any, b: Any) -> bool:
    """Return whether leaves are equal; numbers that were fitted may differ by the rounding of another machine."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-6)
    return bool(a == b)


def _shown(value: Any, most: int = 60) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[: most - 1] + "…"


def _first_difference(found: Sequence[str], wanted: Sequence[str]) -> str:
    extra = [name for name in found if name not in set(wanted)]
    missing = [name for name in wanted if name not in set(found)]
    if missing or extra:
        return f"{', '.join(missing[:5]) or 'none'} missing, {', '.join(extra[:5]) or 'none'} unknown"
    return "their order differs"


def _number(path: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
        if not math.isfinite(value):
            raise ValueError
    except ValueError:
        raise ValueError(f"{path}, row {line}: {column} must be a finite number, not {cell!r}") from None
    return value
