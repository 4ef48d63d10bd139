"""The commands over labels: `labels split`."""

from pathlib import Path
from typing import Annotated

import typer

from gemix.cli.by_domain import (
    Corpus,
    FileBytes,
    HeldOut,
    LabelsOption,
    RankOption,
    Ray,
    Seed,
    Workers,
    WorldSize,
    find_corpus,
    find_launcher,
    print_index,
    say_rank,
)
from gemix.cli.command import command


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
    rank: RankOption = None,
    world_size: WorldSize = None,
    ray: Ray = None,
) -> None:
    """Write the documents of every domain to a folder of its own, with all their columns. Run it again to resume.

    Example: `gemix labels split run/ --out text/ --format parquet`
    """
    from gemix.trainers.by_domain import Order
    from gemix.trainers.split import split_corpus

    (shards, folder), launcher = find_corpus(inputs, labels, out), find_launcher(workers, rank, world_size, ray)
    index = split_corpus(shards, folder, out, form, Order(seed, held_out, file_bytes), launcher=launcher)
    if index is None:
        say_rank(launcher.rank)
    else:
        print_index(out, index)


app = typer.Typer(help="What to do with labels.", no_args_is_help=True, rich_markup_mode="markdown")
app.command()(command()(split))


@app.callback()
def _labels() -> None:
    pass
