"""`gemix stats`: the counts of labels that are there."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gemix.cli.command import command
from gemix.cli.paths import PATH_OR_URL
from gemix.cli.table import print_table
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say

Labels = Annotated[Path, typer.Argument(**PATH_OR_URL, help="folder of labels, or a URL", show_default=False)]


def stats(
    labels: Labels,
    by: Annotated[
        Literal["source", "month"] | None,
        typer.Option("--by", help="a second table: by the source or month that were counted while labelling"),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="rows of that table, largest first")] = 20,
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference",
            **PATH_OR_URL,
            help="compare with a run or student (its held-out seed documents) or with other labels",
        ),
    ] = None,
    shift: Annotated[float, typer.Option("--shift", help="total variation above which to warn")] = 0.1,
    drop: Annotated[float, typer.Option("--drop", help="fall of the mean confidence above which to warn")] = 0.05,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", **PATH_OR_URL, help="folder for stats.json, domains.csv, by_source.csv, by_month.csv"
        ),
    ] = None,
) -> None:
    """Add up the labels of a corpus: documents, tokens and bytes by domain, source and month; and compare them.

    Everything comes from the markers beside the labels: no document is read. Columns to count by are named when
    labelling: `gemix label ... --source-key source --date-key date`.

    Example: `gemix stats labels/ --by source --reference run/ --out stats/`
    """
    from gemix.labels.drift import measure_drift
    from gemix.labels.reference import read_reference
    from gemix.labels.stats import describe_left_out, notes, read_stats, write_stats
    from gemix.labels.totals import damaged_files, describe_damage

    found = read_stats(labels)
    column = {"source": found.totals.by_source, "month": found.totals.by_month, None: None}[by]
    if by and column is None:
        option = {"source": "source", "month": "date"}[by]
        raise GemixError(f"{labels}: nothing was counted by {by}; label with --{option}-key COLUMN")
    drift = None
    if reference is not None:
        markers = found.markers
        drift = measure_drift(found.totals, read_reference(reference), found.names, markers, shift=shift, drop=drop)
    _print_domains(found)
    if column is not None:
        _print_groups(column, found.names, by or "", top)
    if drift is not None:
        _print_drift(drift, found.names)
    if found.unfinished:
        say(f"{len(found.unfinished):,} files are not finished and not counted, the first is {found.unfinished[0]}")
    if found.left_out:
        say(describe_left_out(found.left_out))
    if found.totals.bad.total:
        say(f"{found.totals.bad.total:,} rows have no label:\n{found.totals.bad.describe()}")
    if damaged := damaged_files(found.markers):
        say(describe_damage(damaged))
    for note in notes(found.totals):
        say(f"note: {note}")
    for warning in drift.warnings if drift else ():
        say(f"warning: {warning}")
    if out is not None:
        say("written: " + ", ".join(map(str, write_stats(found, out, drift))))


def _print_domains(found: Any) -> None:
    from gemix.labels.stats import mean_confidence

    totals = found.totals
    n, tokens = sum(totals.documents) or 1, sum(totals.tokens) or 1
    rows = [
        (
            str(k),
            found.names[k],
            f"{totals.documents[k]:,}",
            f"{totals.documents[k] / n:.1%}",
            f"{totals.tokens[k]:,}",
            f"{totals.tokens[k] / tokens:.1%}",
            f"{totals.bytes[k]:,}",
            "" if (mean := mean_confidence(totals, k)) is None else f"{mean:.2f}",
        )
        for k in sorted(range(len(found.names)), key=lambda k: (-totals.documents[k], k))
    ]
    sums = ("", "all", f"{n:,}", "", f"{tokens:,}", "", f"{sum(totals.bytes):,}", "")
    titles = ("domain", "name", "documents", "share", "tokens", "token share", "bytes", "confidence")
    print_table(titles, [*rows, sums], text_columns=2, width=140)


def _print_groups(column: Any, names: list[str], by: str, top: int) -> None:
    from gemix.labels.stats import groups

    found = [(group, *group.total) for group in groups(column)]
    n = sum(documents for _, documents, _, _ in found) or 1
    shown = sorted(found, key=lambda row: -row[1])[:top]
    if by == "month":
        shown.sort(key=lambda row: (row[0].kind != "value", row[0].value))
    rows = []
    for group, documents, tokens, size in shown:
        largest = sorted(group.cells.items(), key=lambda cell: (-cell[1][0], cell[0]))[:3]
        most = ", ".join(f"{names[k]} {counts[0] / documents:.0%}" for k, counts in largest)
        rows.append((group.value, most, f"{documents:,}", f"{documents / n:.1%}", f"{tokens:,}", f"{size:,}"))
    print_table(
        (column.column, "largest domains", "documents", "share", "tokens", "bytes"), rows, text_columns=2, width=140
    )
    if len(found) > top:
        say(f"{len(found) - top:,} more; --top {len(found)} shows all")


def _print_drift(drift: Any, names: list[str]) -> None:
    rows = [
        (names[d.domain], f"{d.share:.2%}", f"{d.reference:.2%}", f"{100 * d.difference:+.2f}", f"{d.z:+.1f}")
        for d in drift.domains[:10]
    ]
    print_table(("largest changes", "share", "reference", "points", "standard errors"), rows, text_columns=1, width=140)
    print(
        f"total variation {drift.total_variation:.3f} from {drift.reference}; "
        f"sampling alone gives {drift.expected:.3f}, seldom more than {drift.bound:.3f}"
    )
    if drift.reference_confidence is not None:
        print(
            f"mean confidence {drift.confidence:.3f}, there {drift.reference_confidence:.3f} "
            f"(standard error of the difference {drift.confidence_error:.3f})"
        )
    if drift.shards:
        shards = [
            (s.shard, f"{s.documents:,}", f"{s.total_variation:.3f}", f"{s.bound:.3f}", f"{s.confidence:.3f}")
            for s in drift.shards
        ]
        print_table(
            ("shifted files", "documents", "total variation", "by chance", "confidence"),
            shards,
            text_columns=1,
            width=140,
        )


app = typer.Typer()
app.command()(command()(stats))
