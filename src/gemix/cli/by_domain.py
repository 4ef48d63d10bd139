"""What `tokenize` and `labels split` share: the corpus, the options, the table at the end."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gemix.cli.export import inputs_of_run
from gemix.cli.paths import PATH_OR_URL
from gemix.cli.table import print_table
from gemix.run.settings import RunConfig, resolve
from gemix.runtime.errors import GemixError

Corpus = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN|INPUT...",
        help="a run folder, or the labelled corpus: " + (RunConfig.model_fields["inputs"].description or ""),
        show_default=False,
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option("--labels", **PATH_OR_URL, help="folder of the corpus's labels", show_default="RUN/labels"),
]
HeldOut = Annotated[
    float, typer.Option("--held-out", help="share of the documents kept from training, by a hash of their text")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="of the order")]
FileBytes = Annotated[int, typer.Option("--file-bytes", min=1, help="bytes of text of one file, about; memory follows")]
Workers = Annotated[int | None, typer.Option("--workers", "-j", min=1, help="processes", show_default="all cores")]
Ray = Annotated[str | None, typer.Option("--ray", help="a Ray cluster: its address, auto, or local")]


def find_corpus(
    inputs: list[str], labels: Path | None, out: Path, workers: int | None, ray: str | None
) -> tuple[list[Any], Path, Any]:
    """Return the shards, the folder of their labels, and who does the work.

    Raises:
        GemixError: no labels are given and the input is no run, or `out` lies in the corpus.

    """
    from gemix.corpus.shards import refuse_overlap, resolve_shards
    from gemix.runtime.map import Launcher

    is_run = len(inputs) == 1 and (Path(inputs[0]) / "run.json").is_file()
    if labels is None:
        if not is_run:
            raise GemixError("which labels? give a run folder, or the inputs and --labels FOLDER")
        labels = Path(inputs[0]) / "labels"
    given = inputs_of_run(Path(inputs[0])) if is_run else inputs
    shards = resolve_shards(given)
    refuse_overlap(shards, given, out)
    return shards, labels, Launcher(workers or resolve({}).workers, ray=ray)


def print_index(index: Any) -> None:
    """Print what data by domain hold."""
    rows = [
        (
            domain.folder,
            domain.name,
            f"{domain.documents:,}",
            f"{domain.tokens:,}",
            f"{domain.bytes:,}",
            f"{domain.whole.documents - domain.documents:,}",
        )
        for domain in index.domains
    ]
    print_table(("folder", "domain", "documents", "tokens", "bytes", "held out"), rows, text_columns=2)
