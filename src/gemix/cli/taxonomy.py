"""The commands by which people correct domains: `gemix taxonomy rename`, `describe`, `merge` and so on."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gemix.cli.command import command
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.taxonomy.model import Domain, Taxonomy

Changed = TypeVar("Changed")
app = typer.Typer(
    help="Correct the domains of a run: their names, their descriptions, which of them count.\n\nWhat you say is kept "
    "in RUN/taxonomy-edits.yaml, which you may also write by hand. It survives every re-run, and nothing is computed "
    "again for it: labels hold ids, names are only shown.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
Run = Annotated[Path, typer.Argument(help="run folder", show_default=False)]
DomainId = Annotated[
    str, typer.Argument(metavar="ID", help="the domain: 7, domain-07 or its present name", show_default=False)
]


@app.command()
@command(extra="train")
def rename(
    run: Run,
    id: DomainId,
    name: Annotated[str, typer.Argument(help="the new name, at most 64 characters", show_default=False)],
) -> None:
    """Give a domain the name that people should read. Its id stays, so labels and mixtures stay valid.

    Example: `gemix taxonomy rename run/ 7 "Court rulings"`
    """
    before, now = _edit(run, id, name=name)
    say(f"{_label(now)} is called {now.name!r} now (was {before.name!r})")


@app.command()
@command(extra="train")
def describe(
    run: Run,
    id: DomainId,
    text: Annotated[
        str, typer.Argument(help="a sentence or two, at most 1,000 characters", show_default=False, metavar="TEXT")
    ],
) -> None:
    """Say in a sentence what a domain holds; the tables and the report show it.

    Example: `gemix taxonomy describe run/ domain-07 "Judgments and orders of courts"`
    """
    _, now = _edit(run, id, description=text)
    say(f"{_label(now)} ({now.name}): {now.description}")


@app.command()
@command(extra="train")
def exclude(run: Run, id: DomainId) -> None:
    """Mark a domain as one to leave out, such as boilerplate. It keeps its id and its labels; `undo` brings it back.

    Example: `gemix taxonomy exclude run/ "cookie-consent-banner"`
    """
    _, now = _edit(run, id, exclude=True)
    say(f"{_label(now)} ({now.name}) is excluded, no mixture uses it: {now.documents:,} documents of the seed sample")


@app.command()
@command(extra="train")
def merge(
    run: Run,
    into: Annotated[str, typer.Argument(metavar="INTO", help="the domain that stays", show_default=False)],
    others: Annotated[list[str], typer.Argument(metavar="ID...", help="those that join it", show_default=False)],
) -> None:
    """Make domains part of another. No label changes: RUN/domains-merged.csv is the table of the coarser partition.

    Example: `gemix taxonomy merge run/ 3 11`
    """
    from gemix.taxonomy.edits import merge_run
    from gemix.taxonomy.edits_file import domain_label

    taxonomy, target, ids = _change(run, lambda: merge_run(run, into, others))
    for id in ids:
        name = taxonomy.domains[id].name
        say(f"{domain_label(id)} ({name}) is part of {domain_label(target)} ({taxonomy.domains[target].name}) now")
    _say_merged(run, taxonomy)


@app.command()
@command(extra="train")
def cut(
    run: Run,
    nodes: Annotated[int, typer.Argument(metavar="N", min=1, help="domains to be left", show_default=False)],
) -> None:
    """Merge domains along the tree until so many are left, each called as its largest. No label changes.

    Example: `gemix taxonomy cut run/ 8`
    """
    from gemix.taxonomy.edits import cut_run

    _say_merged(run, _change(run, lambda: cut_run(run, nodes)))


@app.command()
@command(extra="train")
def undo(
    run: Run,
    id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="the domain: 7, domain-07 or its present name", show_default="all domains"),
    ] = None,
) -> None:
    """Take back what was said of a domain, or of all domains. What is removed is printed, to be said again if need be.

    Example: `gemix taxonomy undo run/ 7`
    """
    from gemix.taxonomy.edits import edits_path, undo_run
    from gemix.taxonomy.edits_file import domain_label

    gone = _change(run, lambda: undo_run(run, id))
    if not gone:
        say(f"{edits_path(run)} says nothing of {'any domain' if id is None else id}: nothing to undo")
    for k, edit in gone.items():
        said = ", ".join(
            f"{key}: {str(value).lower() if isinstance(value, bool) else value}" for key, value in edit.said().items()
        )
        say(f"removed from {domain_label(k)}: {said or 'an empty entry'}")


def _edit(run: Path, id: str, **change: str | bool) -> "tuple[Domain, Domain]":
    """Change one domain of a run; return it as it was and as it is."""
    from gemix.taxonomy.edits import edit_run

    before, after, k = _change(run, lambda: edit_run(run, id, **change))
    return before.domains[k], after.domains[k]


def _change(run: Path, change: Callable[[], Changed]) -> Changed:
    """Change what is said of a run's domains, and show it."""
    from gemix.chain.names import show_names
    from gemix.run.folder import RunFolder
    from gemix.runtime.lock import folder_lock

    _refuse_missing(run)
    with folder_lock(run):
        changed = change()
        show_names(RunFolder(run))
    return changed


def _say_merged(run: Path, taxonomy: "Taxonomy") -> None:
    from gemix.chain.names import LEAVES, MERGED

    left = sum(domain.merged_into is None for domain in taxonomy.domains)
    where = f"; {run / MERGED} counts them, {run / LEAVES} says which domain is part of which"
    say(f"{left:,} of {len(taxonomy.domains):,} domains are left{where if (run / MERGED).exists() else ''}")


def _refuse_missing(run: Path) -> None:
    """Say what a folder lacks before anything is written to it, a lock included."""
    from gemix.runtime.errors import GemixError
    from gemix.taxonomy.model import FILE_NAME

    if not (run / FILE_NAME).exists():
        raise GemixError(f"{run} has no named domains yet: run `gemix name {run}` or `gemix run` first")


def _label(domain: "Domain") -> str:
    from gemix.taxonomy.edits_file import domain_label

    return domain_label(domain.id)
