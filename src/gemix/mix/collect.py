"""Results of runs as trainers leave them: CSV, JSON lines, exports of Weights & Biases; joined to mixtures by id."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from gemix.mix.domain_ids import nearest
from gemix.mix.run_csv import IDS
from gemix.mix.tables import RunTable, listed, plain_id

SUFFIXES: Final = (".csv", ".jsonl", ".ndjson")
_NAMES: Final = (*IDS, "name", "run_name", "run name", "display_name")  # of a column of ids, in small letters
_STEPS: Final = ("_step", "step", "global_step", "trainer/global_step", "train/step", "iteration", "iterations")
_STATES: Final = ("state", "status")
_FINISHED: Final = ("", "finished", "completed", "complete", "done", "success", "succeeded", "ok")


@dataclass(frozen=True)
class _Row:
    """A line of results: its cells by the names of their columns, as they stand there."""

    where: str
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class Collected:
    """Runs with results, and what became of the others.

    Attributes:
        table: the runs that have all metrics, in the order of the mixtures.
        missing: ids without any result.
        failed: id -> why its results do not count.
        repeated: ids with several results, of which the last counts.
        unknown: ids with results and no mixture.

    """

    table: RunTable
    missing: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def collect_runs(mixtures: RunTable, files: Sequence[tuple[Path, str | None]], metrics: Sequence[str]) -> Collected:
    """Return the runs that have finite values of all these metrics.

    A file is a table with a line a run, or with a line a step: of a run's lines with the metric that of the greatest
    step counts, and of several of these the last. A run whose state says that it crashed, or whose metric is no finite
    number at the end, has failed.

    Args:
        mixtures: ids and mixtures of the runs.
        files: .csv, .jsonl or .ndjson, and the id of the run that a file is of, for lines that name none.
        metrics: columns; keys of JSON within others are joined by a point.

    Raises:
        ValueError: a file cannot be read, no file has such a column, or no run has results.

    """
    by_run: dict[str, list[_Row]] = {}
    columns: set[str] = set()
    for path, owner in files:
        rows = _read(path)
        columns |= {name for row in rows for name in row.cells}
        for name, row in _named(path, rows, owner, mixtures.ids):
            by_run.setdefault(name, []).append(row)
            columns |= set(row.cells)
    for metric in metrics:
        if metric not in columns:
            raise ValueError(
                f"no result is called {metric!r}{nearest(metric, sorted(columns))}; there are "
                f"{listed(sorted(columns), 30) or 'none'}"
            )
    found = Collected(mixtures, unknown=[name for name in by_run if name not in set(mixtures.ids)])
    values = np.full((len(mixtures.ids), len(metrics)), np.nan)
    for i, name in enumerate(mixtures.ids):
        outcome = [_last(by_run.get(name, ()), metric) for metric in metrics]
        values[i] = [value for value, _, _ in outcome]
        faults = [why for _, why, _ in outcome if why]
        if name not in by_run:
            found.missing.append(name)
        elif faults:
            found.failed[name] = faults[0]
        if any(several for _, _, several in outcome):
            found.repeated.append(name)
    good = np.isfinite(values).all(axis=1)
    if not good.any():
        raise ValueError(f"none of the {len(good)} runs has results: {len(found.missing)} missing, {_first(found)}")
    table = mixtures.select(good)
    chosen = {name: values[good, m] for m, name in enumerate(metrics)}
    return replace(found, table=replace(table, metrics=chosen))


def _first(found: Collected) -> str:
    example = next((f"; {name}: {why}" for name, why in found.failed.items()), "")
    return f"{len(found.failed)} failed{example}" + (f"; unknown: {listed(found.unknown)}" if found.unknown else "")


def _last(rows: Sequence[_Row], metric: str) -> tuple[float, str, bool]:
    """Return the value of a metric, or why there is none, and whether several lines have it."""
    ended = [row for row in rows if _state(row) in _FINISHED]
    having = [row for row in ended if _has(row.cells.get(metric))]
    if not having:
        states = sorted({_state(row) for row in rows} - set(_FINISHED))
        return math.nan, f"its state is {listed(states)}" if states and not ended else f"no {metric}", False
    steps = [_step(row) for row in having]
    last = [row for row, step in zip(having, steps, strict=True) if step == max(steps)]
    value = _number(last[-1].cells[metric])
    why = "" if math.isfinite(value) else f"{last[-1].where}: {metric} is {last[-1].cells[metric]}"
    return (math.nan if why else value), why, len(last) > 1


def _named(path: Path, rows: Sequence[_Row], owner: str | None, ids: Sequence[str]) -> Iterable[tuple[str, _Row]]:
    """Yield the rows with the id of their run: from the column that has most of the ids, else the owner of the file.

    Raises:
        ValueError: neither is there.

    """
    known = _by_plain(ids)
    names = dict.fromkeys(name for row in rows for name in row.cells if name.casefold() in _NAMES)
    hits = {name: sum(_text(row.cells.get(name)) in known for row in rows) for name in names}
    best = max(hits, key=lambda name: hits[name], default=None)
    if owner is not None and (best is None or not hits[best]):
        return [(owner, row) for row in rows]
    if best is None:
        if rows and (charts := _charts(rows)):
            return [(known.get(plain_id(run), run), row) for run, row in charts]
        raise ValueError(f"{path}: which run is a line of? it needs a column {', '.join(IDS)} or Name")
    texts = [(_text(row.cells.get(best)), row) for row in rows]
    return [(known.get(text, text), row) for text, row in texts if text]


def _charts(rows: Sequence[_Row]) -> list[tuple[str, _Row]]:
    """Return the runs of a chart that Weights & Biases exports: a column "RUN - METRIC" each, and their extremes."""
    found = []
    for column in rows[0].cells:
        run, sign, metric = column.partition(" - ")
        if sign and not metric.endswith(("__MIN", "__MAX")):
            for row in rows:
                steps = {name: value for name, value in row.cells.items() if name.casefold() in _STEPS}
                found.append((run, _Row(row.where, {**steps, metric: row.cells[column]})))
    return found


def _by_plain(ids: Sequence[str]) -> dict[str, str]:
    """Return the id of every run by itself and, where that is one run's alone, by its number without zeros."""
    plain = [plain_id(name) for name in ids]
    numbers = dict(zip(plain, ids, strict=True)) if len(set(plain)) == len(ids) else {}
    return numbers | {name: name for name in ids}


def _text(value: Any) -> str:
    text = "" if value is None else str(value).strip()
    return plain_id(text)


def _state(row: _Row) -> str:
    found = next((value for name, value in row.cells.items() if name.casefold() in _STATES), "")
    return str(found or "").strip().casefold()


def _step(row: _Row) -> float:
    for known in _STEPS:
        for name, value in row.cells.items():
            if name.casefold() == known and _has(value):
                return _number(value)
    return 0.0


def _has(value: Any) -> bool:
    return value is not None and str(value).strip() != ""


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _read(path: Path) -> list[_Row]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from None
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        try:
            return [
                _Row(f"{path}, row {reader.line_num}", {k: v for k, v in row.items() if k is not None})
                for row in reader
            ]
        except csv.Error as error:
            raise ValueError(f"{path}, row {reader.line_num}: {error}") from None
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: results are in {', '.join(SUFFIXES)}")
    return list(_json_rows(path, text))


def _json_rows(path: Path, text: str) -> Iterable[_Row]:
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except ValueError as error:
            if number == len(lines):  # a killed process has not finished it
                return
            raise ValueError(f"{path}, line {number} is not JSON: {error}") from None
        if not isinstance(content, dict):
            raise ValueError(f"{path}, line {number}: a JSON object was expected, not a {type(content).__name__}")
        yield _Row(f"{path}, line {number}", dict(_flat(content)))


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
