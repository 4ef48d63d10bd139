"""Totals of a labelled corpus: sums of markers, never a recount."""

import csv
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gemix.corpus.bad_rows import DAMAGE, BadRows
from gemix.corpus.shards import Shard
from gemix.labels.counts import ColumnCounts
from gemix.labels.markers import PER_DOMAIN, Marker, marker_path, merge_columns, read_marker, sum_lists
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.storage import is_remote, names_below

_THREADS: Final = 16


@dataclass
class Totals:
    """Sums over shards; lists have one entry per domain, bad rows are in `rows` and `bad` only.

    `confidence` and `confidence_squares` are sums over documents, in millionths, of the probability of the domain that
    was chosen and of its square. `model` and `settings` are those of all the markers.
    """

    shards: int = 0
    rows: int = 0
    documents: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    confidence: list[int] = field(default_factory=list)
    confidence_squares: list[int] = field(default_factory=list)
    bad: BadRows = field(default_factory=BadRows)
    by_source: ColumnCounts | None = None
    by_month: ColumnCounts | None = None
    model: str = ""
    settings: dict[str, str] = field(default_factory=dict)


def sum_markers(markers: Mapping[str, Marker]) -> Totals:
    """Return the sums of markers by shard name; the first examples of bad rows are those of the first shards.

    Raises:
        GemixError: the markers come from different students or settings, whose counts do not add up.

    """
    if not markers:
        return Totals()
    first_name, first = next(iter(markers.items()))
    for name, marker in markers.items():
        if (marker.model, marker.settings) != (first.model, first.settings):
            raise GemixError(
                f"the labels of {first_name} and {name} were made with different students or settings; label them again"
            )
    every = list(markers.values())
    bad = BadRows()
    for marker in every:
        bad.merge(marker.bad)
    return Totals(
        shards=len(every),
        rows=sum(marker.rows for marker in every),
        bad=bad,
        by_source=merge_columns([marker.by_source for marker in every]),
        by_month=merge_columns([marker.by_month for marker in every]),
        model=first.model,
        settings=first.settings,
        **{name: sum_lists([getattr(marker, name) for marker in every]) for name in PER_DOMAIN},
    )


def damaged_files(markers: Mapping[str, Marker]) -> list[str]:
    """Return file, row and reason of each shard that could only be read up to there: what was behind is not known."""
    return [
        f"{example}: {reason}"
        for marker in markers.values()
        for reason in DAMAGE
        for example in marker.bad.examples.get(reason, ())
    ]


def describe_damage(damaged: Sequence[str]) -> str:
    """Return the warning about such files."""
    return (
        f"warning: {len(damaged):,} files are damaged. What lies behind the place of the damage has no labels, stands "
        "in no count, and is one bad row a file to --max-bad-fraction; repair the files and label again:\n  "
        + first_faults(damaged)
    )


def totals(out: Path, shards: Sequence[Shard] | None = None) -> Totals:
    """Return the totals of `shards`, or of every sidecar in the folder `out`.

    Raises:
        GemixError: a shard has no readable marker, or the labels do not belong together.

    """
    names = sidecar_names(out) if shards is None else [shard.name for shard in shards]
    markers: dict[str, Marker] = {}
    for name, marker in read_markers(out, names).items():
        if marker is None:
            path = marker_path(out, name)
            raise GemixError(f"{path}: no marker, so {name} is not labelled; run the labelling again")
        markers[name] = marker
    return sum_markers(markers)


def read_markers(out: Path, names: Sequence[str]) -> dict[str, Marker | None]:
    """Return the markers of shards by name, None where there is none; those of a store are read side by side.

    Raises:
        GemixError: one is there but cannot be read.

    """
    with ThreadPoolExecutor(_THREADS if is_remote(out) else 1) as pool:
        return dict(zip(names, pool.map(lambda name: read_marker(marker_path(out, name)), names), strict=True))


def sidecar_names(out: Path) -> list[str]:
    """Return the shard names of all sidecars in the folder `out`, sorted.

    Raises:
        GemixError: the folder cannot be listed.

    """
    try:
        names = names_below(out, ".parquet")
    except OSError as error:
        raise GemixError(f"cannot read {out}: {error.strerror or error}") from error
    visible = (name for name in names if not any(part.startswith(".") for part in name.split("/")))
    return sorted(name.removesuffix(".parquet") for name in visible)


def write_domains(totals: Totals, domains: Sequence[str], path: Path) -> None:
    """Write `domain,documents,tokens,name`, one line per domain in the order of their numbers, as CSV (UTF-8).

    Raises:
        GemixError: `domains` has not one name per domain, or the file cannot be written.

    """
    if len(domains) != len(totals.documents):
        raise GemixError(f"{path}: {len(domains)} domain names for labels of {len(totals.documents)} domains")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["domain", "documents", "tokens", "name"])
    for domain, row in enumerate(zip(totals.documents, totals.tokens, domains, strict=True)):
        table.writerow([domain, *row])
    write_text(path, text.getvalue())
