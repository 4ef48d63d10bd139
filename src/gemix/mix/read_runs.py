"""Reading run tables: CSV pairs of RegMix and olmix, folders and files of single mixtures."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from gemix.mix.box import Floats
from gemix.mix.domain_ids import find_domains
from gemix.mix.formats import FORMATS, read_weights
from gemix.mix.run_csv import read_columns
from gemix.mix.tables import RunTable, checked, join, listed, refuse_repeated, sums_to_1

_TABLES: Final = (".csv", ".tsv")
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
            run_id; see `read_columns`), a folder of files with one mixture each (RegMix .yaml, CLIMB .sh, DoReMi,
            WebOrganizer or gemix .json; the id is the file's name without suffix, without the n of n<i>.yaml), or one
            such file.
        metrics: a CSV file with an id and a column for every metric; None: no others than those of `mixtures`.
        domains: keys and order that the mixtures get; None: as they come. A file of one mixture that leaves out a
            domain gives it weight 0. Columns of a CSV file that are none of them are metrics if the weights sum to 1
            without them; they count where `metrics` is None, and are left out elsewhere.
        names: of these domains; tables may use them where they are unambiguous.

    Raises:
        ValueError: anything wrong with the tables; the message names the file and the row.

    """
    if mixtures.suffix.lower() in _TABLES:
        table = _read_csv_mixtures(mixtures, metrics is None, domains, names)
    else:
        table = _read_files(mixtures, domains, names)
    if domains is not None:
        table = _aligned(mixtures, table, domains, names)
    return table if metrics is None else join(table, read_metrics(metrics))


def _aligned(path: Path, table: RunTable, keys: Sequence[str], names: Sequence[str] | None) -> RunTable:
    try:
        return table.align(keys, names)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_metrics(path: Path) -> RunTable:
    """Read a table of metrics: an id, and numbers; what is empty or not finite is NaN, with a note.

    Raises:
        ValueError: as `read_columns`; a duplicate id, or no metric.

    """
    table = read_columns(path)
    if not table.numbers or not table.ids:
        raise ValueError("; ".join([f"{path}: no {'metrics' if table.ids else 'runs'}", *table.notes]))
    refuse_repeated(table.ids, lambda i: f"{path}, row {table.lines[i]}")
    metrics, notes = _finite(path, table.numbers)
    sources = {path.name: table.sha256}
    return RunTable(table.ids, [], np.zeros((len(table.ids), 0)), metrics, table.notes + notes, sources)


def _finite(path: Path, numbers: Mapping[str, Floats]) -> tuple[dict[str, Floats], list[str]]:
    """Return metrics by their plain names, NaN for what is not finite, and notes on that."""
    plain = [name.removeprefix(_REGMIX_METRIC) for name in numbers]
    names = plain if len(set(plain)) == len(plain) else list(numbers)
    metrics, notes = {}, []
    for name, values in zip(names, numbers.values(), strict=True):
        good = np.isfinite(values)
        metrics[name] = np.where(good, values, np.nan)
        if not good.all():
            notes.append(f"{path.name}: metric {name!r} has no finite value for {(~good).sum()} of {len(good)} runs")
    return metrics, notes


def _read_csv_mixtures(path: Path, alone: bool, keys: Sequence[str] | None, names: Sequence[str] | None) -> RunTable:
    """Return the mixtures of a CSV file; `alone`: what is no domain is a metric, else it is left out."""
    table = read_columns(path, numbered=alone)
    columns = [name for name, values in table.numbers.items() if not np.isnan(values).all()]
    if not columns or not table.ids:
        raise ValueError(f"{path}: no {'domains' if table.ids else 'mixtures'}")
    weights = np.stack([table.numbers[name] for name in columns], axis=1)
    domains, rest = _plain_domains(columns, keys, names), []
    if keys is not None:
        places = find_domains(domains, keys, names)
        known = [i for i, k in enumerate(places) if k is not None]
        # A domain that the partition lacks is told from a metric by the sums: without its weight they are not 1.
        if len(known) == len(set(places) - {None}) == len(keys) and sums_to_1(weights[:, known]):
            rest = [columns[i] for i, k in enumerate(places) if k is None]
            weights, domains = weights[:, known], [domains[i] for i in known]
        elif len(known) < len(places) and len(known) < len(keys):
            _aligned(path, RunTable(table.ids, domains, weights), keys, names)  # says what differs
    found = checked(table.ids, domains, weights, lambda i: f"{path}, row {table.lines[i]}")
    metrics, notes = _finite(path, {name: table.numbers[name] for name in rest}) if alone else ({}, [])
    if rest and not alone:
        notes = [f"{path.name}: columns that are no domains are left out: {listed(rest, 10)}"]
    notes = [*table.notes, *(f"{path.name}: {note}" for note in found.notes), *notes]
    return replace(found, metrics=metrics, notes=notes, sources={path.name: table.sha256})


def _plain_domains(columns: Sequence[str], keys: Sequence[str] | None, names: Sequence[str] | None) -> list[str]:
    """Return columns without RegMix's prefix: where all have it, or where the rest is a domain."""
    plain = [c.removeprefix(_REGMIX_DOMAIN) or c for c in columns]
    if all(p != c for p, c in zip(plain, columns, strict=True)):
        return plain
    known = {*(keys or ()), *(names or ())}
    return [p if c not in known and p in known else c for p, c in zip(plain, columns, strict=True)]


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
