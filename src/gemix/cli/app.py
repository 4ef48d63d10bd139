"""The command line: which command lies in which file. A file is read when one of its commands is asked for."""

from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

import gemix

# In the order of the help: the file, and what the list of commands says (the first line of the command's own help).
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "run": ("chain", "Do everything: from a corpus to named domains on every document. Run it again to resume."),
    "embed": ("chain", "Stage 1: sample the corpus by a hash of the places and embed the sample."),
    "fit": ("chain", "Stage 2: fit the teacher, a balanced von Mises-Fisher mixture, to the embeddings of a run."),
    "name": (
        "chain",
        "Stage 3: choose representatives of every domain and name it: taxonomy.json, taxonomy.md, audit.parquet.",
    ),
    "distill": ("chain", "Stage 4: train the student on the teacher's labels and measure it on held-out documents."),
    "label": (
        "label",
        "Stage 5, for any corpus: label every document with a trained student; one sidecar a file, resumable.",
    ),
    "demo": (
        "chain",
        "Run everything on real text that is already here: the documentation of Python and its installed packages.",
    ),
    "sweep": ("sweep", "Try numbers of domains and balances on the embeddings of a run, and recommend one of each."),
    "probe": (
        "probe",
        "Measure how predictable and how far-reaching mixing is over each of several partitions of the same documents.",
    ),
    "report": (
        "report",
        "Write one HTML file that shows the domains, their documents and how good they are. It needs no network.",
    ),
    "show": ("report", "Print the domains of a run, or one of them with its keywords and typical documents."),
    "export": ("export", "Write the file by which a trainer is told a mixture."),
    "labels": ("labels", "What to do with labels."),
    "tokenize": (
        "tokenize",
        "Write the tokens of every domain in the layout that a trainer reads. Run it again to resume.",
    ),
    "sample": (
        "export",
        "Write the corpus that a mixture describes: documents of a labelled corpus, shuffled. Run it again to resume.",
    ),
    "stats": (
        "stats",
        "Add up the labels of a corpus: documents, tokens and bytes by domain, source and month; and compare them.",
    ),
    "join": (
        "interchange",
        "Write the documents with their labels in them: the same files, rows and order, three more columns.",
    ),
    "convert": (
        "interchange",
        "Write labels in a form that other tools read: JSON lines, Dolma attributes, WebOrganizer arrays.",
    ),
    "taxonomy": (
        "taxonomy",
        "Correct the domains of a run: their names, their descriptions, which of them count.",
    ),
    "mix": (
        "mix",
        "From domains to weights. Every strategy reads a run folder, or a table of domains (your own: columns domain or name, and tokens), and writes `mixture.json` with the verdict on it.",
    ),
    "swarm": (
        "swarm",
        "Which mixtures to train small models on, and what came out of them, in the forms of several projects.",
    ),
    "proxy": ("proxy", "Small models that tell what a mixture is worth before the real training."),
}


class _OnDemand(TyperGroup):
    """Has every command, and reads its file only when it is called or asked for its own help."""

    listed = False

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            near = get_close_matches(cmd_name, COMMANDS, n=1, cutoff=0.5)
            ctx.fail(f"there is no command {cmd_name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        file, says = COMMANDS[cmd_name]
        return TyperCommand(cmd_name, help=says) if self.listed else load(file, cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.listed = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self.listed = False


def load(file: str, name: str) -> Any:
    """Return a command, or a group of them, from its file."""
    group = get_group(import_module(f"gemix.cli.{file}").app)
    command = group.commands.get(name, group)
    command.name = name
    return command


app = typer.Typer(
    cls=_OnDemand,
    help=f"{gemix.__doc__}\n\nStart with `gemix demo` or `gemix run corpus/ --out run/`. Each stage is also a command.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)


def _version(asked: bool) -> None:
    if asked:
        from gemix.runtime.version import __version__

        typer.echo(f"gemix {__version__}")
        raise typer.Exit


@app.callback()
def _gemix(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and stop.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the `gemix` command."""
    app()
