"""Totals of a labelled corpus: sums of markers, never a recount."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from gemix.corpus.bad_rows import DAMAGE, BadRows
from gemix.corpus.shards import Shard
from gemix.labels.counts import ColumnCounts
from gemix.labels.listed import listed_names
from gemix.labels.markers import PER_DOMAIN, Marker, marker_path, merge_columns, read_marker, sum_counted, sum_lists
from gemix.mix.domain_ids import domain_key
from gemix.mix.partition import Partition, write_partition
from gemix.runtime.atomic import keep_text
from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.storage import is_remote
from gemix.tokens.estimate import estimate_tokens

_THREADS: Final = 16


@dataclass
class Totals:
    """Sums over shards; lists have one entry per domain, bad rows are in `rows` and `bad` only.

    `confidence` and `confidence_squares` are sums over documents, in millionths, of the probability of the domain that
    was chosen and of its square. `model` and `settings` are those of all the markers.
    `tokens` are estimates where only a sample of the documents was counted: then `rates` are the tokens a byte of the
    domains, by which those of columns go, too. `tokens_low` and `tokens_high` are the ends of 95 % intervals.
    """

    shards: int = 0
    rows: int = 0
    documents: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    tokens_low: list[int] = field(default_factory=list)
    tokens_high: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    confidence: list[int] = field(default_factory=list)
    confidence_squares: list[int] = field(default_factory=list)
    bad: BadRows = field(default_factory=BadRows)
    by_source: ColumnCounts | None = None
    by_month: ColumnCounts | None = None
    model: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    rates: list[float] | None = None


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
    sums = {name: sum_lists([getattr(marker, name) for marker in every]) for name in PER_DOMAIN}
    columns = [merge_columns([getattr(marker, name) for marker in every]) for name in ("by_source", "by_month")]
    low = high = sums["tokens"]
    rates, counted = None, sum_counted(every)
    if counted is not None:
        found = estimate_tokens(sums["documents"], sums["bytes"], counted)
        sums["tokens"], low, high, rates = found.tokens, found.low, found.high, found.rates.tolist()
        for column in columns:
            if column is not None:
                column.estimate(rates)
    bad = BadRows()
    for marker in every:
        bad.merge(marker.bad)
    return Totals(
        shards=len(every),
        rows=sum(marker.rows for marker in every),
        bad=bad,
        tokens_low=low,
        tokens_high=high,
        rates=rates,
        by_source=columns[0],
        by_month=columns[1],
        model=first.model,
        settings=first.settings,
        **sums,
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
    """Return the totals of `shards`, or of all labels in the folder `out` but those of shards that left the corpus.

    Raises:
        GemixError: a shard has no readable marker, or the labels do not belong together.

    """
    names = listed_names(out)[0] if shards is None else [shard.name for shard in shards]
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


def domain_table(totals: Totals, names: Sequence[str], identity: str | None = None) -> Partition:
    """Return the domains as a table to mix, in the order of their numbers.

    Args:
        totals: of the labelled corpus.
        names: of its K domains, for people.
        identity: fingerprint of what gave the domains their numbers.

    Raises:
        GemixError: `names` has not one name per domain.

    """
    k = len(totals.documents)
    if len(names) != k:
        raise GemixError(f"{len(names)} domain names for labels of {k} domains")
    return Partition(
        [domain_key(number) for number in range(k)],
        np.array(totals.documents, np.int64),
        np.array(totals.tokens, np.int64),
        np.zeros(k),
        np.ones(k),
        list(names),
        np.array(totals.bytes, np.int64) if totals.bytes else None,
        totals.settings.get("tokenizer"),
        identity,
        tokens_low=np.array(totals.tokens_low or totals.tokens, np.int64),
        tokens_high=np.array(totals.tokens_high or totals.tokens, np.int64),
    )


def write_domains(totals: Totals, names: Sequence[str], path: Path, identity: str | None = None) -> None:
    """Write the table of the domains, see `domain_table`.

    Raises:
        GemixError: `names` has not one name per domain, or the file cannot be written.

    """
    keep_text(path, write_partition(domain_table(totals, names, identity)))
