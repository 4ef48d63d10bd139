"""The command that turns a labelled corpus into token data by domain: `tokenize`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from gemix.cli.numbers import COUNT
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.trainers import ForMixture, Pools


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
    mixture: Annotated[
        Path | None, typer.Option("--mixture", help="mixture.json: only what it needs", show_default="all documents")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget", help="tokens of the real training: 25B", show_default="the mixture's", **COUNT),
    ] = None,
    proxy_tokens: Annotated[
        float | None,
        typer.Option(
            "--proxy-tokens",
            help="tokens of a proxy: only its pools, this over --budget of every domain",
            show_default="all documents",
            **COUNT,
        ),
    ] = None,
    merged_from: Annotated[
        Path | None,
        typer.Option(
            "--from", help="token data of the run's domains: its merged ones from these files", show_default="none"
        ),
    ] = None,
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
    from gemix.trainers import TokenizeSettings, split_tokens, tokenize_corpus
    from gemix.trainers.adopt import adopt_counts
    from gemix.trainers.run_tokenizer import run_tokenizer
    from gemix.trainers.tokenised import token_files

    if merged_from is not None:
        _merge(inputs, merged_from, layout, out)
        return
    only = _only(mixture, budget, proxy_tokens)
    launcher = find_launcher(workers, rank, world_size, ray)
    settings = TokenizeSettings(layout, tokenizer, end, held_out, seed, file_bytes, only)
    is_run = len(inputs) == 1 and (Path(inputs[0]) / "run.json").is_file()
    if not is_run and (shards := token_files(inputs)):
        if labels is None:
            raise GemixError("which labels? --labels FOLDER with NAME.labels.npy or NAME.parquet for each NAME.bin")
        folder = labels
        index = split_tokens(shards, folder, out, settings, launcher=launcher)
    else:
        shards, folder = find_corpus(inputs, labels, out)
        settings = replace(settings, tokenizer=tokenizer or run_tokenizer(shards, folder))
        index = tokenize_corpus(shards, folder, out, settings, launcher=launcher)
    if index is None:
        say_rank(launcher.rank)
        return
    print_index(out, index)
    if adopt:
        say(f"{adopt_counts(index, folder)}: its tokens are now those of the tokenizer {index.tokenizer}, exactly")


def _merge(inputs: list[str], data: Path, layout: str, out: Path) -> None:
    """Write the data of the merged domains of a run, from those of its domains."""
    from gemix.chain.names import LEAVES, MERGED
    from gemix.trainers.data_index import read_index
    from gemix.trainers.merge import merge_data

    run = Path(inputs[0])
    if len(inputs) != 1 or not (run / MERGED).is_file():
        raise GemixError(
            f"--from is for a run with merged domains, and {run / MERGED} is not there: "
            "gemix taxonomy merge RUN, or gemix taxonomy cut RUN"
        )
    if (found := read_index(data).layout) != layout:
        raise GemixError(f"--layout {layout}: {data} has the layout {found}, and files are taken as they are")
    print_index(out, merge_data(data, run / MERGED, run / LEAVES, out))


def _only(mixture: Path | None, budget: float | None, proxy_tokens: float | None) -> "ForMixture | Pools | None":
    """Return which part of the corpus is wanted, by the options."""
    from gemix.trainers import ForMixture, Pools, read_mixture

    if mixture is not None and proxy_tokens is not None:
        raise GemixError("--mixture and --proxy-tokens exclude each other: pools have every domain's own share")
    if mixture is not None:
        content = read_mixture(mixture)
        tokens = budget or content.budget_tokens
        if not tokens:
            raise GemixError(f"how many tokens will training see? {mixture} has no budget: --budget 25B")
        return ForMixture(content, tokens)
    if proxy_tokens is not None:
        if budget is None:
            raise GemixError("--proxy-tokens needs --budget, the tokens of the real training")
        return Pools(proxy_tokens, budget)
    if budget is not None:
        raise GemixError("--budget needs --mixture or --proxy-tokens: without one all documents are tokenised")
    return None


app = typer.Typer()
app.command()(command()(tokenize))
