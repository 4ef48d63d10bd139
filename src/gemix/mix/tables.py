"""Run tables: which mixtures were trained and what came out, joined by the id of the run."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from gemix.mix.box import Floats
from gemix.mix.domain_ids import find_domains, shown


@dataclass(frozen=True)
class RunTable:
    """Mixtures that were trained, and their metrics.

    Attributes:
        ids: n unique ids.
        domains: K names.
        W: (n, K) float64, rows sum to 1.
        metrics: name -> (n,) float64; NaN where a run has no finite value.
        notes: what was renormalised or left out, in words.
        sources: file name -> SHA-256 of what was read.

    """

    ids: list[str]
    domains: list[str]
    W: Floats
    metrics: dict[str, Floats] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def align(self, keys: Sequence[str], names: Sequence[str] | None = None) -> "RunTable":
        """Return the table with its domains called and ordered as `keys`; they may go by their names in it.

        Raises:
            ValueError: the domains differ, or a name is that of several; the message says which.

        """
        found = find_domains(self.domains, keys, names)
        places = {k: column for column, k in enumerate(found) if k is not None}
        extra = [domain for domain, k in zip(self.domains, found, strict=True) if k is None]
        missing = [shown(key, names[k] if names else None) for k, key in enumerate(keys) if k not in places]
        if missing or extra:
            raise ValueError(
                "the mixtures and the partition have different domains: "
                + "; ".join(
                    f"{listed(domains)} only in the {where}"
                    for domains, where in ((missing, "partition"), (extra, "mixtures"))
                    if domains
                )
            )
        if len(places) < len(found):
            raise ValueError("two columns of the mixtures are the same domain")
        return replace(self, domains=list(keys), W=self.W[:, [places[k] for k in range(len(keys))]])

    def targets(self, names: Sequence[str]) -> tuple["RunTable", Floats]:
        """Return the runs that have finite values of all these metrics, and the values, (n', T).

        Runs without are left out and counted in the notes.

        Raises:
            ValueError: an unknown metric, or no run has them all.

        """
        for name in names:
            if name not in self.metrics:
                raise ValueError(
                    f"no metric is called {name!r}; there are {listed(sorted(self.metrics), 30) or 'none'}"
                )
        values = np.stack([self.metrics[name] for name in names], axis=1)
        good: NDArray[np.bool_] = np.all(np.isfinite(values), axis=1)
        if not good.any():
            raise ValueError(f"no run has finite values of {listed(names)}")
        table = self.select(good)
        if not good.all():
            left = [self.ids[i] for i in np.flatnonzero(~good)]
            table.notes.append(f"{len(left)} of {len(good)} runs left out, no finite {listed(names)}: {listed(left)}")
        return table, values[good]

    def select(self, rows: NDArray[np.bool_]) -> "RunTable":
        """Return the table of these rows, (n,) bool, with notes of its own."""
        index = np.flatnonzero(rows)
        metrics = {name: values[index] for name, values in self.metrics.items()}
        ids = [self.ids[i] for i in index]
        return replace(self, ids=ids, W=self.W[index], metrics=metrics, notes=list(self.notes))


def join(mixtures: RunTable, metrics: RunTable) -> RunTable:
    """Return the runs that both tables have, in the order of `mixtures`; what has no partner is noted.

    Numbers are one id however they are written (7, 007, 7.0), where both tables stay unique so.

    Args:
        mixtures: its metrics are kept.
        metrics: its domains are ignored.

    Raises:
        ValueError: no id is in both, or a metric is.

    """
    mine, others = mixtures.ids, metrics.ids
    plain = [[plain_id(name) for name in ids] for ids in (mine, others)]
    if all(len(set(ids)) == len(ids) for ids in plain):
        mine, others = plain
    place = {name: i for i, name in enumerate(others)}
    both = np.array([name in place for name in mine], bool)
    if not both.any():
        raise ValueError(
            f"no run is in both tables: the mixtures have {listed(mixtures.ids, 3)}, "
            f"the metrics have {listed(metrics.ids, 3)}"
        )
    for name in metrics.metrics:
        if name in mixtures.metrics:
            raise ValueError(f"metric {name!r} is in both tables")
    table = mixtures.select(both)
    rows = np.array([place[name] for name in mine if name in place])
    notes = [*mixtures.notes, *metrics.notes]
    known = set(mine)
    for left, what in (
        ([mixtures.ids[i] for i, name in enumerate(mine) if name not in place], "mixtures have no metrics"),
        ([metrics.ids[i] for i, name in enumerate(others) if name not in known], "runs with metrics have no mixture"),
    ):
        if left:
            notes.append(f"{len(left)} {what} and are left out: {listed(left)}")
    joined = table.metrics | {name: values[rows] for name, values in metrics.metrics.items()}
    return replace(table, metrics=joined, notes=notes, sources=mixtures.sources | metrics.sources)


def plain_id(name: str) -> str:
    """Return an id as it is compared: a number without zeros before it or behind its point."""
    number = re.fullmatch(r"0*(\d+)(?:\.0*)?", name)
    return number[1] if number else name


def refuse_repeated(ids: Sequence[str], where: Callable[[int], str]) -> None:
    """Make sure that every run has an id of its own; `where` names file and row of the i-th, for messages.

    Raises:
        ValueError: an empty or a duplicate id.

    """
    first: dict[str, int] = {}
    for i, name in enumerate(ids):
        if not name:
            raise ValueError(f"{where(i)}: the run has no id")
        if name in first:
            raise ValueError(f"{where(i)}: run {name!r} stands in {where(first[name])} already")
        first[name] = i


def rounding(weights: Floats) -> float:
    """Return how far from their sum rounding may have brought a row: the last digit of the table, (n, K), times K / 2.

    At least 1e-6, for sums in single precision, and at most a quarter of the mean sum.
    """
    places = (Decimal(repr(float(w))).normalize().as_tuple().exponent for w in weights.flat)
    last = min((place for place in places if isinstance(place, int)), default=0)
    mean = float(weights.sum(axis=1).mean())
    return float(np.clip(weights.shape[1] / 2 * 10.0 ** min(last, 0), 1e-6 * mean, mean / 4)) * (1 + 1e-9)


def sums_to_1(weights: Floats) -> bool:
    """Return whether all rows, (n, K), sum to 1, or all to 100, up to the table's own rounding."""
    if not np.isfinite(weights).all():
        return False
    sums = weights.sum(axis=1)
    return any(bool((np.abs(sums - whole) <= rounding(weights)).all()) for whole in (1, 100))


def checked(ids: Sequence[str], domains: Sequence[str], weights: Floats, where: Callable[[int], str]) -> RunTable:
    """Return a table of mixtures after the checks that every format shares.

    Rows are divided by their sums, with a note, where these are off by no more than the table's own rounding, or where
    all are percentages.

    Args:
        ids: n ids.
        domains: K names.
        weights: (n, K), each row about 1 in sum, or each about 100.
        where: names file and row of the i-th mixture, for messages.

    Raises:
        ValueError: a missing or duplicate id, a weight that is negative or no number, a sum too far from 1.

    """
    refuse_repeated(ids, where)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        i, k = np.argwhere(bad)[0]
        raise ValueError(f"{where(i)}: the weight of {domains[k]!r} must be a number >= 0, not {weights[i, k]:g}")
    sums, limit = weights.sum(axis=1), rounding(weights)
    whole = 100 if len(sums) and (np.abs(sums - 100) <= limit).all() else 1
    off = np.abs(sums - whole)
    if (off > limit).any():
        i = int(off.argmax())
        raise ValueError(
            f"{where(i)}: the weights of run {ids[i]!r} sum to {sums[i]:.6g}, not to 1 "
            f"({(off > limit).sum()} of {len(ids)} runs are off by more than {limit:.2g}, the table's rounding)"
        )
    notes = [] if whole == 1 else ["the weights are percentages and were divided by 100"]
    if (off > 1e-6 * whole).any():
        many, worst = (off > 1e-6 * whole).sum(), off.max() / whole
        notes.append(f"{many} of {len(ids)} mixtures renormalised, they sum to 1 within {worst:.2g}")
    return RunTable(list(ids), list(domains), weights / sums[:, None], notes=notes)


def write_csv(ids: Sequence[str], columns: Sequence[str], values: Floats, key: str = "run") -> str:
    """Return a CSV table: an id and (n, C) numbers in full precision, empty where they are NaN."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([key, *columns])
    for name, row in zip(ids, values, strict=True):
        table.writerow([name, *("" if np.isnan(v) else repr(float(v)) for v in row)])
    return text.getvalue()


def write_table(table: RunTable) -> str:
    """Return one CSV table of mixtures and metrics, which `gemix.mix.read_runs.read_runs` reads.

    Raises:
        ValueError: a metric is called as a domain is.

    """
    if both := set(table.metrics) & set(table.domains):
        raise ValueError(f"{min(both)!r} is a domain and a metric: give the metric another name")
    values = np.column_stack([table.W, *table.metrics.values()])
    return write_csv(table.ids, [*table.domains, *table.metrics], values)


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names for a message, the first few of them."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)})"
