"""The commands over labels: `labels split`."""

from pathlib import Path
from typing import Annotated

import typer

from gemix.cli.by_domain import Corpus, FileBytes, HeldOut, LabelsOption, Ray, Seed, Workers, find_corpus, print_index
from gemix.cli.command import command
from gemix.runtime.progress import say


def split(
    inputs: Corpus,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="folder of the domains, made if it is not there", show_default=False)
    ],
    form: Annotated[str, typer.Option("--format", help="parquet or jsonl.zst")] = "parquet",
    labels: LabelsOption = None,
    held_out: HeldOut = 0.0,
    seed: Seed = 0,
    file_bytes: FileBytes = 1 << 28,
    workers: Workers = None,
    ray: Ray = None,
) -> None:
    """Write the documents of every domain to a folder of its own, with all their columns. Run it again to resume.

    Example: `gemix labels split run/ --out text/ --format parquet`
    """
    from gemix.trainers.by_domain import Order
    from gemix.trainers.split import split_corpus

    shards, folder, launcher = find_corpus(inputs, labels, out, workers, ray)
    index = split_corpus(shards, folder, out, form, Order(seed, held_out, file_bytes), launcher=launcher)
    documents = sum(domain.documents for domain in index.domains)
    say(f"{out}: {documents:,} documents in {sum(len(domain.files) for domain in index.domains):,} files")
    print_index(index)


app = typer.Typer(help="What to do with labels.", no_args_is_help=True, rich_markup_mode="markdown")
app.command()(command()(split))


@app.callback()
def _labels() -> None:
    pass
