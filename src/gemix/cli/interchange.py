"""The commands that turn labels into what other tools read: `join` and `convert`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gemix.cli.command import command
from gemix.cli.export import inputs_of_run
from gemix.cli.paths import PATH_OR_URL
from gemix.cli.stats import Labels
from gemix.run.settings import RunConfig, resolve
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say

LabelsOption = Annotated[
    Path, typer.Option("--labels", **PATH_OR_URL, help="folder of the corpus's labels, or a URL", show_default=False)
]
Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        help="the labelled corpus: " + (RunConfig.model_fields["inputs"].description or ""),
        show_default="those of the run that the labels are part of",
    ),
]
Workers = Annotated[int | None, typer.Option("--workers", "-j", min=1, help="processes", show_default="all cores")]


def join(
    labels: LabelsOption,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", **PATH_OR_URL, help="folder of the files with labels in them, or a URL", show_default=False
        ),
    ],
    inputs: Inputs = None,
    key: Annotated[
        str, typer.Option("--key", help="name of the domain's number; KEY_name and KEY_probability go with it")
    ] = "domain",
    workers: Workers = None,
) -> None:
    """Write the documents with their labels in them: the same files, rows and order, three more columns.

    All other columns stay as they are. Rows without a label have null. Run it again to resume.

    Example: `gemix join "web/*.parquet" --labels labels/ --out labelled/`
    """
    from gemix.labels.exchange import Join
    from gemix.labels.totals import damaged_files

    corpus = _convert(labels, inputs, out, Join(key), workers)
    damaged = damaged_files(corpus.markers)
    if damaged:
        say(f"{len(damaged):,} files are damaged: what cannot be read of them could not be copied")


def convert(
    labels: Labels,
    to: Annotated[
        Literal["jsonl", "dolma", "weborganizer"],
        typer.Option("--to", help="the form: see docs/interchange.md", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", **PATH_OR_URL, help="folder of the new files, or a URL", show_default=False)
    ],
    inputs: Inputs = None,
    name: Annotated[
        str, typer.Option("--name", help="of the attributes (dolma) or the domains (weborganizer)")
    ] = "gemix",
    logits: Annotated[
        Path | None,
        typer.Option(
            "--logits",
            **PATH_OR_URL,
            help="weborganizer: also all log-probabilities, by this student (its folder or URL)",
        ),
    ] = None,
    workers: Workers = None,
) -> None:
    """Write labels in a form that other tools read: JSON lines, Dolma attributes, WebOrganizer arrays.

    Run it again to resume.

    Example: `gemix convert run/labels --to dolma --out dolma/`
    """
    from gemix.labels.exchange import DolmaAttributes, Form, JsonLines, WebOrganizer

    if logits is not None and to != "weborganizer":
        raise GemixError("--logits goes with --to weborganizer")
    forms: dict[str, Form] = {
        "jsonl": JsonLines(),
        "dolma": DolmaAttributes(name),
        "weborganizer": WebOrganizer(name, str(logits) if logits else None),
    }
    _convert(labels, inputs, out, forms[to], workers)


def _convert(labels: Path, inputs: list[str] | None, out: Path, form: Any, workers: int | None) -> Any:
    """Write a form of the labels of these inputs and say what was done; return the labelled corpus."""
    from gemix.corpus.shards import refuse_overlap, resolve_shards
    from gemix.labels.exchange import convert_labels
    from gemix.labels.labelled import open_labels
    from gemix.runtime.storage import is_remote

    if not inputs and is_remote(labels):
        raise GemixError("give the files that were labelled: labels at a URL are not part of a run")
    given = inputs or inputs_of_run(labels.parent)
    shards = resolve_shards(given)
    for folder in form.folders:
        refuse_overlap(shards, given, out / folder)
    corpus = open_labels(shards, labels)
    made = convert_labels(corpus, form, out, workers=workers or resolve({}).workers)
    say(
        f"{out}: {corpus.rows:,} rows; {len(made.now):,} files of the corpus now, {len(made.before):,} were done before"
    )
    bad = _bad(corpus)
    if bad.total:
        say(f"{bad.total:,} rows have no label:\n{bad.describe()}")
    return corpus


def _bad(corpus: Any) -> Any:
    from gemix.labels.totals import sum_markers

    return sum_markers(corpus.markers).bad


app = typer.Typer()
app.command()(command()(join))
app.command()(command()(convert))
