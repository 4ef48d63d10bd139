"""Reading run tables: CSV pairs of RegMix and olmix, folders and files of single mixtures."""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from gemix.mix.domain_ids import find_domains
from gemix.mix.formats import FORMATS, read_weights
from gemix.mix.partition import read_csv
from gemix.mix.tables import RunTable, checked, join, listed

_IDS: Final = ("run", "run_id", "id", "index")
_LABELS: Final = ("name", "index")  # olmix keeps them beside the id
_REGMIX_DOMAIN: Final = "train_"
_REGMIX_METRIC: Final = "metric/"


def read_runs(
    mixtures: Path,
    metrics: Path | None = None,
    domains: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> RunTable:
    """Read mixtures and the metrics of their runs.

    Args:
        mixtures: a CSV file with an id and a column for every domain (RegMix: index and train_<domain>; olmix: run or
            run_id), a folder of files with one mixture each (RegMix .yaml, CLIMB .sh, DoReMi, WebOrganizer or gemix
            .json; the id is the file's name without suffix, without the n of n<i>.yaml), or one such file.
        metrics: a CSV file with an id and a column for every metric; None: no metrics.
        domains: keys and order that the mixtures get; None: as they come. A file of one mixture that leaves out a
            domain gives it weight 0.
        names: of these domains; tables may use them where they are unambiguous.

    Raises:
        ValueError: anything wrong with the tables; the message names the file and the row.

    """
    table = _read_csv_mixtures(mixtures) if mixtures.suffix == ".csv" else _read_files(mixtures, domains, names)
    if domains is not None:
        try:
            table = table.align(domains, names)
        except ValueError as error:
            raise ValueError(f"{mixtures}: {error}") from None
    return table if metrics is None else join(table, read_metrics(metrics))


def read_metrics(path: Path) -> RunTable:
    """Read a table of metrics: an id, and numbers; what is empty or not finite is NaN, with a note.

    Raises:
        ValueError: no id column, a duplicate id, a cell that is no number, or no metric.

    """
    data = path.read_bytes()
    rows, columns = read_csv(path, data)
    key = _id_column(path, columns)
    names = [column for column in columns if column != key and column not in _LABELS]
    if not names or not rows:
        raise ValueError(f"{path}: no {'metrics' if rows else 'runs'}")
    seen: dict[str, int] = {}
    for line, row in rows:
        if not row[key]:
            raise ValueError(f"{path}, row {line}: the run has no id")
        if row[key] in seen:
            raise ValueError(f"{path}, row {line}: run {row[key]!r} stands in row {seen[row[key]]} already")
        seen[row[key]] = line
    values = np.array([[_number(path, line, row[name], name) for name in names] for line, row in rows])
    plain = [name.removeprefix(_REGMIX_METRIC) for name in names]
    if len(set(plain)) < len(plain):
        plain = names
    values = np.where(np.isfinite(values), values, np.nan)
    notes = []
    for name, missing in zip(plain, np.isnan(values).sum(axis=0), strict=True):
        if missing:
            notes.append(f"{path.name}: metric {name!r} has no finite value for {missing} of {len(rows)} runs")
    metrics = dict(zip(plain, values.T.copy(), strict=True))
    sources = {path.name: hashlib.sha256(data).hexdigest()}
    return RunTable(list(seen), [], np.zeros((len(rows), 0)), metrics, notes, sources)


def _read_csv_mixtures(path: Path) -> RunTable:
    data = path.read_bytes()
    rows, columns = read_csv(path, data)
    key = _id_column(path, columns)
    domains = [column for column in columns if column != key and column not in _LABELS]
    if not domains or not rows:
        raise ValueError(f"{path}: no {'domains' if rows else 'mixtures'}")
    weights = np.array([[_number(path, line, row[d], d) for d in domains] for line, row in rows])
    if all(d.startswith(_REGMIX_DOMAIN) and d != _REGMIX_DOMAIN for d in domains):
        domains = [d.removeprefix(_REGMIX_DOMAIN) for d in domains]
    ids = [row[key] for _, row in rows]
    table = checked(ids, domains, weights, lambda i: f"{path}, row {rows[i][0]}")
    notes = [f"{path.name}: {note}" for note in table.notes]
    return replace(table, notes=notes, sources={path.name: hashlib.sha256(data).hexdigest()})


def _read_files(path: Path, domains: Sequence[str] | None, names: Sequence[str] | None) -> RunTable:
    suffixes = {entry.suffix for entry in FORMATS.values()} | {".yml"}
    files = [path]
    if path.is_dir():
        # Natural order: n2 before n10.
        files = sorted((f for f in path.iterdir() if f.suffix in suffixes and f.is_file()), key=_natural)
        if not files:
            raise ValueError(f"{path}: no mixtures (.json, .yaml or .sh) in this folder")
    found: list[dict[str, float]] = []
    sources: dict[str, str] = {}
    for file in files:
        data = file.read_bytes()
        try:
            found.append(read_weights(data.decode("utf-8"), file.suffix))
        except ValueError as error:  # UnicodeDecodeError is one
            raise ValueError(f"{file}: {error}") from None
        sources[file.name] = hashlib.sha256(data).hexdigest()
    columns = list(dict.fromkeys(name for weights in found for name in weights))
    if domains is not None:
        places = find_domains(columns, domains, names)
        known = {k for k in places if k is not None}
        columns += [key for k, key in enumerate(domains) if k not in known]
    table = np.array([[weights.get(name, 0.0) for name in columns] for weights in found])
    ids = [re.sub(r"^n(?=\d+$)", "", file.stem) for file in files]
    result = checked(ids, columns, table, lambda i: str(files[i]))
    if len(sources) > 1:  # one fingerprint for the folder
        whole = "".join(f"{name} {sha256}\n" for name, sha256 in sources.items())
        sources = {path.name: hashlib.sha256(whole.encode()).hexdigest()}
    return replace(result, notes=[f"{path.name}: {note}" for note in result.notes], sources=sources)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", path.name) if p]


def _id_column(path: Path, columns: Sequence[str]) -> str:
    for name in _IDS:
        if name in columns:
            return name
    raise ValueError(f"{path}: no column of ids ({', '.join(_IDS)}); there are {listed(columns)}")


def _number(path: Path, line: int, cell: str, column: str) -> float:
    if not cell:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{path}, row {line}: {column} must be a number, not {cell!r}") from None
