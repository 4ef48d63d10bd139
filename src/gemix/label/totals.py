"""Totals of a labelled corpus: sums of markers, never a recount."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gemix.corpus.atomic import write_text
from gemix.corpus.bad_rows import BadRows
from gemix.corpus.markers import Marker, marker_path, read_marker
from gemix.corpus.shards import Shard
from gemix.errors import GemixError


@dataclass
class Totals:
    """Sums over shards; `documents` and `tokens` have one entry per domain, bad rows are in `rows` and `bad` only."""

    shards: int = 0
    rows: int = 0
    documents: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    bad: BadRows = field(default_factory=BadRows)


def sum_markers(markers: Mapping[str, Marker]) -> Totals:
    """Return the sums of markers by shard name; the first examples of bad rows are those of the first shards.

    Raises:
        GemixError: the markers come from different students or settings, whose counts do not add up.

    """
    totals = Totals()
    first: tuple[str, Marker] | None = None
    for name, marker in markers.items():
        if first is None:
            first = name, marker
            totals.documents = [0] * len(marker.documents)
            totals.tokens = [0] * len(marker.tokens)
        if (marker.model, marker.settings) != (first[1].model, first[1].settings):
            raise GemixError(
                f"the labels of {first[0]} and {name} were made with different students or settings; label them again"
            )
        totals.shards += 1
        totals.rows += marker.rows
        totals.documents = [a + b for a, b in zip(totals.documents, marker.documents, strict=True)]
        totals.tokens = [a + b for a, b in zip(totals.tokens, marker.tokens, strict=True)]
        totals.bad.merge(marker.bad)
    return totals


def totals(out: Path, shards: Sequence[Shard] | None = None) -> Totals:
    """Return the totals of `shards`, or of every sidecar in the folder `out`.

    Raises:
        GemixError: a shard has no readable marker, or the labels do not belong together.

    """
    names = sidecar_names(out) if shards is None else [shard.name for shard in shards]
    markers: dict[str, Marker] = {}
    for name in names:
        path = marker_path(out, name)
        marker = read_marker(path)
        if marker is None:
            raise GemixError(f"{path}: no marker, so {name} is not labelled; run the labelling again")
        markers[name] = marker
    return sum_markers(markers)


def sidecar_names(out: Path) -> list[str]:
    """Return the shard names of all sidecars in the folder `out`, sorted."""
    paths = (path.relative_to(out) for path in out.rglob("*.parquet") if not path.name.startswith("."))
    return sorted(path.as_posix().removesuffix(".parquet") for path in paths)


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
