"""The command that turns a labelled corpus into token data by domain: `tokenize`."""

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
from gemix.runtime.progress import say


def tokenize(
    inputs: Corpus,
    layout: Annotated[
        str, typer.Option("--layout", help="megatron, olmo-core, mds, datatrove or npy", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="folder of the data, made if it is not there", show_default=False)
    ],
    labels: LabelsOption = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option("--tokenizer", help="a tokenizer.json", show_default="the one that counted the run's tokens"),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--end", help="its token behind a document", show_default="the first usual one that it has"),
    ] = None,
    held_out: HeldOut = 0.0,
    seed: Seed = 0,
    file_bytes: FileBytes = 1 << 28,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="write these counts into the domains.csv that mixtures are made from")
    ] = False,
    workers: Workers = None,
    rank: RankOption = None,
    world_size: WorldSize = None,
    ray: Ray = None,
) -> None:
    """Write the tokens of every domain in the layout that a trainer reads. Run it again to resume.

    Example: `gemix tokenize run/ --layout megatron --tokenizer tokenizer.json --out data/`
    """
    from gemix.trainers import TokenizeSettings, tokenize_corpus
    from gemix.trainers.adopt import adopt_counts
    from gemix.trainers.run_tokenizer import run_tokenizer

    (shards, folder), launcher = find_corpus(inputs, labels, out), find_launcher(workers, rank, world_size, ray)
    settings = TokenizeSettings(layout, tokenizer or run_tokenizer(shards, folder), end, held_out, seed, file_bytes)
    index = tokenize_corpus(shards, folder, out, settings, launcher=launcher)
    if index is None:
        say_rank(launcher.rank)
        return
    print_index(out, index)
    if adopt:
        say(f"{adopt_counts(index, folder)}: its tokens are now those of {index.tokenizer.partition('#')[0]}, exactly")


app = typer.Typer()
app.command()(command()(tokenize))
