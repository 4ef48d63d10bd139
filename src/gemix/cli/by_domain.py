"""What `tokenize` and `labels split` share: the corpus, the options, the table at the end."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gemix.cli.export import inputs_of_run
from gemix.cli.paths import PATH_OR_URL
from gemix.cli.table import print_table
from gemix.run.settings import RunConfig, resolve
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say

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
RankOption = Annotated[
    str | None,
    typer.Option(
        "--rank", help="do only this process's share of the reading: a number from 0, or auto; then run it without"
    ),
]
WorldSize = Annotated[
    int | None, typer.Option("--world-size", min=1, help="number of ranks", show_default="that of the scheduler")
]
Ray = Annotated[str | None, typer.Option("--ray", help="a Ray cluster: its address, auto, or local")]


def find_corpus(inputs: list[str], labels: Path | None, out: Path) -> tuple[list[Any], Path]:
    """Return the shards and the folder of their labels.

    Raises:
        GemixError: no labels are given and the input is no run, or `out` lies in the corpus.

    """
    from gemix.corpus.shards import refuse_overlap, resolve_shards

    is_run = len(inputs) == 1 and (Path(inputs[0]) / "run.json").is_file()
    if labels is None:
        if not is_run:
            raise GemixError("which labels? give a run folder, or the inputs and --labels FOLDER")
        labels = Path(inputs[0]) / "labels"
    given = inputs_of_run(Path(inputs[0])) if is_run else inputs
    shards = resolve_shards(given)
    refuse_overlap(shards, given, out)
    return shards, labels


def find_launcher(workers: int | None, rank: str | None, world_size: int | None, ray: str | None) -> Any:
    """Return who does the work.

    Raises:
        GemixError: the options exclude each other, or the rank is not known.

    """
    import os

    from gemix.labels import Launcher, find_rank

    if rank is None and world_size is not None:
        raise GemixError("--world-size needs --rank")
    if rank is not None and ray is not None:
        raise GemixError("--rank and --ray exclude each other")
    own = None if rank is None else find_rank(rank, world_size, os.environ)
    return Launcher(workers or resolve({}).workers, own, ray)


def say_rank(rank: Any) -> None:
    """Say what is left to do when a rank is done."""
    say(f"{rank}: done; when all ranks are: the same command without --rank")


def print_index(out: Path, index: Any) -> None:
    """Say what data by domain hold."""
    files = sum(len(domain.files) for domain in index.domains)
    tokens = sum(domain.tokens for domain in index.domains)
    by = f" by the tokenizer {index.tokenizer}" if index.tokenizer else ""
    say(f"{out}: {tokens:,} tokens{by} in {files:,} files")
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
