"""The statistics of a labelled corpus, from markers alone."""

import csv
import io
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gemix.labels.counts import Cells, ColumnCounts
from gemix.labels.drift import Drift, measure_drift
from gemix.labels.labelled import domains_of
from gemix.labels.listed import listed_names
from gemix.labels.markers import Marker, marker_path
from gemix.labels.reference import read_reference
from gemix.labels.tally import MILLIONTHS
from gemix.labels.totals import Totals, read_markers, sum_markers, write_domains
from gemix.mix.partition import FILE_NAME
from gemix.runtime.atomic import write_json, write_text
from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.storage import is_file

# Groups that are no value of the column, as tables show them.
KINDS = {"other": "(other)", "missing": "(missing)", "unreadable": "(unreadable)"}


@dataclass(frozen=True)
class LabelStats:
    """A folder of labels: its markers and their sum, and the names of the domains.

    `unfinished` are shards of the corpus without labels, `left_out` those with labels that had left the corpus when it
    was labelled last: they are in no count.
    """

    folder: Path
    names: list[str]
    totals: Totals
    markers: dict[str, Marker]
    unfinished: list[str]
    left_out: list[str]


@dataclass(frozen=True)
class Group:
    """The documents with one value of a column.

    Attributes:
        kind: value, or why there is none: other (one of too many values), missing, unreadable.
        value: as tables show it.
        cells: [documents, tokens, bytes] by domain.

    """

    kind: str
    value: str
    cells: Cells

    @property
    def total(self) -> tuple[int, int, int]:
        """Documents, tokens and bytes."""
        documents, tokens, size = (sum(counts[i] for counts in self.cells.values()) for i in range(3))
        return documents, tokens, size


def read_stats(folder: Path) -> LabelStats:
    """Read the markers of a folder of labels.

    Raises:
        GemixError: no labels there, labels that do not belong together, or no names for their domains.

    """
    names, missing, left_out = listed_names(folder)
    found = read_markers(folder, names)
    markers = {name: marker for name, marker in found.items() if marker is not None}
    if not markers:
        unreadable = any(is_file(marker_path(folder, name)) for name in found)
        what = "the labels there are damaged, or of another version of gemix" if unreadable else "no labels there"
        raise GemixError(f"{folder}: {what}; make them with `gemix label` or `gemix run`")
    totals = sum_markers(markers)
    table, source = domains_of(folder)
    if len(table.keys) != len(totals.documents):
        raise GemixError(f"{source} has {len(table.keys)} domains, the labels in {folder} {len(totals.documents)}")
    unfinished = sorted({*missing, *(name for name in found if name not in markers)})
    return LabelStats(folder, table.names, totals, markers, unfinished, left_out)


def groups(column: ColumnCounts) -> list[Group]:
    """Return the groups of a column: its values in their order, then those without one, as far as there are any."""
    rest = [Group(kind, shown, getattr(column, kind)) for kind, shown in KINDS.items()]
    return [Group("value", value, cells) for value, cells in column.values.items()] + [g for g in rest if g.cells]


def notes(totals: Totals) -> list[str]:
    """Return what is odd about the columns that were counted by."""
    found = []
    documents = sum(totals.documents)
    for column, what in ((totals.by_source, "a text, a number or a truth value"), (totals.by_month, "a date")):
        if column is None or not documents:
            continue
        for kind, fault in (("missing", "no document has one"), ("unreadable", f"nothing in it is {what}")):
            if Group(kind, "", getattr(column, kind)).total[0] == documents:
                found.append(f"the column {column.column!r}: {fault}")
        if column.other:
            found.append(
                f"the column {column.column!r} has more than {len(column.values):,} values: these, chosen by a hash, "
                f"are counted in full, all others are one sum ({KINDS['other']}); a column with fewer values tells more"
            )
    return found


def describe_left_out(names: list[str]) -> str:
    """Return what to say of the labels of shards that are no part of the corpus any more."""
    return (
        f"note: {len(names):,} files with labels are no part of the corpus any more; their labels stay and are in no "
        f"count:\n  {first_faults(names)}"
    )


def remarks(totals: Totals, student: Path, names: list[str]) -> list[str]:
    """Return what to say after labelling: odd columns, and drift against the documents that the student was tested on.

    A student that was saved without such an evaluation is no reason to complain: then nothing is said about drift.
    """
    found = [f"note: {note}" for note in notes(totals)]
    with suppress(GemixError):
        drift = measure_drift(totals, read_reference(student), names)
        found += [f"warning: {warning}" for warning in drift.warnings]
    return found


def write_stats(stats: LabelStats, out: Path, drift: Drift | None = None) -> list[Path]:
    """Write stats.json, domains.csv and, where they were counted, by_source.csv and by_month.csv; return the paths.

    Raises:
        GemixError: the folder cannot be written.

    """
    totals = stats.totals
    columns = {"source": totals.by_source, "month": totals.by_month}
    paths = [out / "stats.json", out / FILE_NAME]
    write_domains(totals, stats.names, out / FILE_NAME)
    for key, column in columns.items():
        if column is not None:
            paths.append(out / f"by_{key}.csv")
            write_text(paths[-1], _csv(key, column, stats.names))
    write_json(out / "stats.json", _json(stats, columns, drift))
    return paths


def _json(stats: LabelStats, columns: dict[str, ColumnCounts | None], drift: Drift | None) -> dict[str, Any]:
    totals = stats.totals
    return {
        "shards": totals.shards,
        "unfinished": stats.unfinished,
        "left_out": stats.left_out,
        "model": totals.model,
        "settings": totals.settings,
        "rows": totals.rows,
        "bad": {str(reason): count for reason, count in sorted(totals.bad.counts.items())},
        "domains": [
            {
                "domain": k,
                "name": name,
                "documents": totals.documents[k],
                "tokens": totals.tokens[k],
                "bytes": totals.bytes[k],
                "mean_confidence": mean_confidence(totals, k),
            }
            for k, name in enumerate(stats.names)
        ],
        **{
            f"by_{key}": column
            and {
                "column": column.column,
                "groups": [
                    {
                        "kind": group.kind,
                        "value": group.value,
                        "domains": [
                            {"domain": k, "documents": cells[0], "tokens": cells[1], "bytes": cells[2]}
                            for k, cells in sorted(group.cells.items())
                        ],
                    }
                    for group in groups(column)
                ],
            }
            for key, column in columns.items()
        },
        "drift": drift and asdict(drift),
    }


def mean_confidence(totals: Totals, domain: int) -> float | None:
    """Return the mean probability of the documents of a domain, None if it has none."""
    documents = totals.documents[domain]
    return totals.confidence[domain] / MILLIONTHS / documents if documents else None


def _csv(key: str, column: ColumnCounts, names: list[str]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["kind", key, "domain", "documents", "tokens", "bytes", "name"])
    for group in groups(column):
        for domain, counts in sorted(group.cells.items()):
            table.writerow([group.kind, group.value, domain, *counts, names[domain]])
    return text.getvalue()
