"""What the commands that train proxies share: their options, and what a training would cost."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemix.cli.numbers import COUNT
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.mix.partition import Partition
    from gemix.mix.tables import RunTable
    from gemix.proxy.dataset import ProxyData
    from gemix.proxy.factory import Kind
    from gemix.proxy.pools import Matching
    from gemix.runtime.ranks import Rank

ProxyName = Annotated[str, typer.Option("--proxy", help="ngram (counts, milliseconds a mixture) or transformer")]
Order = Annotated[int, typer.Option(min=1, max=5, help="ngram: tokens of the longest n-grams")]
Preset = Annotated[str, typer.Option(help="transformer: tiny, 1m, 15m, 60m, 280m or 1.1b")]
Device = Annotated[
    str | None, typer.Option(help="transformer: cpu, cuda or cuda:N", show_default="a GPU if there is one")
]
Rate = Annotated[float | None, typer.Option(help="transformer: largest learning rate", show_default="the preset's")]
RunSeed = Annotated[int, typer.Option(min=0, help="of every training: initial weights and order of the data")]
TokenData = Annotated[
    Path | None,
    typer.Option(
        "--token-data", help="folder of `gemix proxy prepare`: train the runs that are needed", show_default="no"
    ),
]
ProxyTokens = Annotated[
    float | None,
    typer.Option(
        "--proxy-tokens", help="tokens that each proxy sees: 100M, 1e8", show_default="those of the data", **COUNT
    ),
]
Matched = Annotated[
    bool,
    typer.Option(
        "--match-repetition/--no-match-repetition",
        help="with --budget: cut the proxies' pools so that they repeat a domain as often as the real training will",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be trained, and stop")]


def open_data(folder: Path, partition: "Partition", tokens: float | None) -> tuple["ProxyData", int]:
    """Return the data of a folder, and the tokens to train on.

    Raises:
        GemixError: the folder is damaged, its domains are not those of the table, or its tokens are others.
        ValueError: no tokens.

    """
    from gemix.proxy.dataset import read_data
    from gemix.proxy.swarm import match_domains

    data = read_data(folder)
    match_domains(data.names, partition.keys)
    if None not in (data.partition, partition.identity) and data.partition != partition.identity:
        raise GemixError(f"{folder} was prepared for another partition: `gemix proxy prepare` for this one")
    if None not in (data.counter, partition.counter) and data.counter != partition.counter:
        raise GemixError(
            f"the tokens of {folder} are those of the tokenizer {data.counter}, the domains were counted by "
            f"{partition.counter}: `gemix proxy prepare` again, or count again: `gemix run --tokenizer FILE`"
        )
    return data, budget_of(data, tokens)


def budget_of(data: "ProxyData", tokens: float | None) -> int:
    """Return the tokens to train on: those given, else as many as the data have."""
    if tokens is None:
        return sum(part.tokens for part in data.domains)
    if not 1 <= tokens < 2**63:
        raise ValueError(f"a training sees at least one token, not {tokens:g}")
    return round(tokens)


def local_device(rank: "Rank", environment: Mapping[str, str], gpus: int) -> str | None:
    """Return the GPU of a rank where its machine shows it several: ranks of a machine take them in turn.

    Args:
        rank: of this process.
        environment: `os.environ`; torchrun, Slurm and Open MPI number the ranks of a machine there.
        gpus: that this process sees.

    Returns:
        A device of torch, or None where there is nothing to choose.

    """
    if gpus < 2:
        return None
    names = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK")
    local = next((int(environment[name]) for name in names if environment.get(name, "").isdecimal()), rank.index)
    return f"cuda:{local % gpus}"


def pools_of(data: "ProxyData", partition: "Partition", tokens: int, budget: float | None, matched: bool) -> "Matching":
    """Return how the pools are cut, and say it."""
    import numpy as np

    from gemix.proxy.pools import matching

    found = matching(data, partition, tokens, budget if matched else None)
    if not matched or budget is None:
        why = "no --budget is given" if matched else "--no-match-repetition"
        say(f"note: the proxies read whole pools ({why}): domains that the real training repeats may come out too high")
    elif found.factor is not None and found.factor < 1:
        say(f"the proxies see {found.factor:.3g} of the budget, and so much of the tokens of every domain")
    for k in np.flatnonzero(found.short).tolist():
        say(f"note: {data.names[k]} has fewer prepared tokens than that: the proxies repeat it more than the training")
    return found


def say_cost(
    data: "ProxyData", kind: "Kind", runs: int, budget: int, table: "RunTable | None" = None, most: bool = False
) -> None:
    """Say what would be trained: models (perhaps at most so many), tokens, parameters, hours, domains read again."""
    from gemix.proxy.factory import parameters, seconds

    size = parameters(data, kind)
    what = f"{kind.name} {kind.preset}, {size:,} parameters" if size else f"{kind.name} of order {kind.order}"
    many = f"{'at most ' if most else ''}{runs:,} run{'s' if runs > 1 else ''}"
    say(f"{many} of {budget:,} tokens{' each' if runs > 1 else ''}, {runs * budget:,} in all: {what}")
    took, timed = seconds(data, kind, budget, runs)
    say(f"about {took / 3600:.2g} hours on this machine, by a run of {timed:,} tokens that was timed")
    if table is None:
        return
    tokens = {part.name: part.tokens for part in data.domains}
    for name, weight in zip(table.domains, table.W.max(axis=0).tolist(), strict=True):
        epochs = weight * budget / max(tokens[name], 1)
        if epochs > 1:
            say(f"{name}: up to {epochs:,.1f} passes over its {tokens[name]:,} tokens")


def say_done(out: Path, runs: "RunTable", valid: list[str]) -> None:
    """Say how many of these runs the folder of a swarm has."""
    from gemix.proxy.swarm import MEAN
    from gemix.proxy.swarm_files import read_rows

    done = read_rows(out / "metrics.csv", [*valid, MEAN])
    say(f"{out}: {sum(name in done for name in runs.ids):,} of {len(runs.ids):,} runs are there")
