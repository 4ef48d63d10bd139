"""The domains in the terminal: the table, and one domain with its documents."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gemix.mix.partition import read_partition
from gemix.report import read
from gemix.report.domains import DomainRow, domain_rows
from gemix.report.text import plain
from gemix.runtime.errors import GemixError

_WIDTH = 120  # where standard output is no terminal


def print_domains(rows: Sequence[DomainRow]) -> None:
    """Print the table of the domains, largest first; columns for which no domain has a number are left out."""
    table = Table("domain", "name", "documents", "of uniform", "tokens", "token share", box=None)
    extra = [
        (title, attribute, form)
        for title, attribute, form in (
            ("κ", "kappa", "{:,.0f}"),
            ("coherence", "coherence", "{:.2f}"),
            ("agreement", "recall", "{:.1%}"),
        )
        if any(getattr(row, attribute) is not None for row in rows)
    ]
    for title, _, _ in extra:
        table.add_column(title)
    numbers_end, any_flags = len(table.columns), any(row.flags for row in rows)
    if any_flags:
        table.add_column("flags", no_wrap=True)
    for column in table.columns[2:numbers_end]:
        column.justify = "right"
        column.no_wrap = True
    table.columns[0].no_wrap = True
    for row in sorted(rows, key=lambda row: (-row.documents, row.id)):
        numbers = [getattr(row, attribute) for _, attribute, _ in extra]
        table.add_row(
            str(row.id),
            Text(row.name),
            f"{row.documents:,}",
            f"{row.to_uniform:.2f}",
            f"{row.tokens:,}",
            f"{row.token_share:.1%}",
            *("" if x is None else form.format(x) for x, (_, _, form) in zip(numbers, extra, strict=True)),
            *(
                [Text(", ".join(flag.partition(" (")[0].replace("domain-", "") for flag in row.flags))]
                if any_flags
                else []
            ),
        )
    _console().print(table)


def print_domain(run: Path, wanted: str) -> None:
    """Print one domain: what it is, its numbers, keywords and representatives.

    Args:
        run: the run folder.
        wanted: number or name of the domain.

    Raises:
        GemixError: there is no such domain; the message lists names that are like it.

    """
    row = _find(domain_rows(run), wanted)
    domain = read.taxonomy(run).domains[row.id]
    console = _console()
    console.print(Text(f"{row.id}. {row.name}", style="bold"))
    for title, text in (
        ("", row.description),
        ("belongs", domain.belongs),
        ("does not", domain.excludes),
        ("keywords", ", ".join(row.keywords)),
        ("documents", f"{row.documents:,} ({row.to_uniform:.2f} of uniform)"),
        ("tokens", f"{row.tokens:,} ({row.token_share:.1%})"),
        ("κ", f"{domain.kappa:,.0f}"),
        ("cohesion", None if row.cohesion is None else f"{row.cohesion:.3f}"),
        ("coherence", None if row.coherence is None else f"{row.coherence:.3f}"),
        ("flags", ", ".join(row.flags)),
        ("copies", "; ".join(str(group) for group in read.taxonomy(run).copies if group.domain == row.id)),
        ("agreement", None if row.recall is None else f"{row.recall:.1%} of the teacher's documents, held out"),
    ):
        if text:
            console.print(Text(f"{title:<10} {plain(text, 500)}" if title else plain(text, 500)))
    console.print()
    console.print(Text("representatives" if domain.representatives else "no documents", style="bold"))
    for rank, shown in enumerate(domain.representatives, 1):
        console.print(Text(f"{rank}. {plain(shown.id, 80)}: {plain(shown.excerpt)}"))


def rows_of_table(path: Path) -> list[DomainRow]:
    """Return the rows of a domains.csv that stands alone; shares count documents."""
    table = read_partition(path)
    documents = np.zeros(len(table.keys), np.int64) if table.documents is None else table.documents
    shares = documents / max(int(documents.sum()), 1)
    return [
        DomainRow(
            id=k,
            name=plain(name, 80),
            documents=int(documents[k]),
            tokens=int(table.tokens[k]),
            share=float(shares[k]),
            token_share=float(table.shares[k]),
            to_uniform=float(shares[k]) * len(table.keys),
        )
        for k, name in enumerate(table.names)
    ]


def _find(rows: Sequence[DomainRow], wanted: str) -> DomainRow:
    by_name = {row.name.lower(): row for row in rows}
    if wanted.strip().lower() in by_name:
        return by_name[wanted.strip().lower()]
    if wanted.strip().isdecimal() and int(wanted) < len(rows):
        return rows[int(wanted)]
    import difflib

    alike = difflib.get_close_matches(wanted.lower(), list(by_name), 3, 0.4)
    hint = f"; did you mean {', '.join(alike)}?" if alike else ""
    raise GemixError(f"no domain {wanted!r}: give a number from 0 to {len(rows) - 1} or a name{hint}")


def _console() -> Console:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH
    return Console(width=width, highlight=False)
