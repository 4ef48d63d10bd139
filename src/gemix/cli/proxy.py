"""The command line of proxies: `gemix proxy`, thin shells over `gemix.proxy`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from gemix.cli.command import command
from gemix.cli.proxy_common import (
    Device,
    DryRun,
    Order,
    Preset,
    ProxyName,
    ProxyTokens,
    Rate,
    RunSeed,
    budget_of,
    local_device,
    say_cost,
    say_done,
)
from gemix.cli.proxy_prepare import prepare
from gemix.cli.table import print_table
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say

app = typer.Typer(
    help="Small models that tell what a mixture is worth before the real training.\n\n"
    "`gemix proxy prepare` makes their data from a labelled corpus, `gemix proxy run` trains a model on each of many "
    "mixtures, `gemix proxy train` one model on one. `gemix mix regmix RUN --token-data proxy/` does all that RegMix "
    "needs in one command.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Data = Annotated[Path, typer.Option("--token-data", help="folder of `gemix proxy prepare`", show_default=False)]

app.command()(command(extra="mix")(prepare))


@app.command()
@command(ValueError, extra="mix")
def run(
    data: Data,
    mixtures: Annotated[
        Path,
        typer.Option(
            help="CSV: run, and a column for every domain; or a folder or file of mixtures", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the swarm", show_default=False)],
    proxy: ProxyName = "ngram",
    order: Order = 3,
    preset: Preset = "1m",
    proxy_tokens: ProxyTokens = None,
    seed: RunSeed = 0,
    device: Device = None,
    rate: Rate = None,
    rank: Annotated[
        str | None,
        typer.Option(
            help="train only this process's share: a number from 0, or auto (Slurm, torchrun, Kubernetes, ...)"
        ),
    ] = None,
    world_size: Annotated[
        int | None, typer.Option(min=1, help="number of ranks", show_default="that of the scheduler")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Train a model on each of many mixtures; the same command goes on where it was interrupted.

    `metrics.csv` in the folder grows by a row a model: the loss on every validation set in nats per token, and their
    mean. With `mixtures.csv` beside it, it is what `gemix mix` reads.

    Example: `gemix proxy run --token-data proxy/ --mixtures mixtures.csv --out swarm/ --proxy transformer --preset 1m`

    On many GPUs: `srun gemix proxy run ... --rank auto`; the last rank joins the table.
    """
    import os

    from gemix.mix.read_runs import read_runs
    from gemix.proxy.dataset import read_data
    from gemix.proxy.factory import Kind, make_proxy, visible_gpus
    from gemix.proxy.swarm import Swarm
    from gemix.runtime.ranks import find_rank, in_a_world

    if rank is None and world_size is not None:
        raise GemixError("--world-size needs --rank")
    own = None if rank is None else find_rank(rank, world_size, os.environ)
    if own is None and (world := in_a_world(os.environ)):
        say(f"this is a process of {world}, and trains everything alone; --rank auto would divide the runs")
    kind = Kind(proxy, order, preset, device, rate)
    content = read_data(data)
    table = read_runs(mixtures, domains=content.names)
    for note in table.notes:
        say(f"note: {note}")
    budget = budget_of(content, proxy_tokens)
    if dry_run:
        say_cost(content, kind, len(table.ids), budget, table)
        say_done(out, table, content.valid_names)
        return
    if own is not None and proxy == "transformer" and device is None:
        kind = replace(kind, device=local_device(own, os.environ, visible_gpus()))
    trained = Swarm(out, make_proxy(content, kind), budget, seed).train(table, own)
    say(f"{f'{own}: ' if own else ''}trained {len(trained.new):,} runs now, {len(trained.old):,} were done before")
    if trained.missing:
        say(f"{len(trained.missing):,} runs are left to other ranks; the last one writes metrics.csv")
        return
    say(f"{out / 'metrics.csv'}: {len(trained.table.ids):,} runs")
    tables = f"--mixtures {out / 'mixtures.csv'} --metrics {out / 'metrics.csv'}"
    say(f"next: gemix mix regmix DOMAINS {tables} --target mean")


@app.command()
@command(ValueError, extra="proxy")
def train(
    data: Data,
    mixture: Annotated[Path, typer.Option(help="mixture.json, or a file of another project", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of the checkpoint", show_default=False)],
    preset: Preset = "1m",
    proxy_tokens: ProxyTokens = None,
    seed: RunSeed = 0,
    device: Device = None,
    rate: Rate = None,
    dry_run: DryRun = False,
) -> None:
    """Train one transformer on one mixture; a checkpoint in Hugging Face's format, and its losses.

    Example: `gemix proxy train --token-data proxy/ --mixture mixture.json --out model/ --preset 60m --proxy-tokens 1B`
    """
    from gemix.mix.read_runs import read_runs
    from gemix.proxy.dataset import read_data
    from gemix.proxy.factory import Kind
    from gemix.runtime.atomic import write_json
    from gemix.runtime.progress import progress

    content = read_data(data)
    table = read_runs(mixture, domains=content.names)
    if len(table.ids) != 1:
        raise GemixError(f"{mixture} holds {len(table.ids)} mixtures; one model is trained on one")
    budget = budget_of(content, proxy_tokens)
    if dry_run:
        say_cost(content, Kind("transformer", preset=preset), 1, budget, table)
        return
    from gemix.proxy.transformer import TransformerProxy

    model_of = TransformerProxy(content, preset, device=device, rate=rate)
    weights = table.W[0]
    for name, passes in zip(content.names, model_of.epochs(weights, budget), strict=True):
        if passes > 1:
            say(f"{name}: {passes:,.1f} passes over its tokens")
    with progress("train", budget, "tokens") as advance:
        model = model_of.fit(weights, budget, seed, advance)
    losses = model_of.losses(model)
    model.save(out, data / "tokenizer.json")
    rows = _losses(content.valid, losses)
    facts = {"proxy": model_of.facts, "budget_tokens": budget, "seed": seed, "mixture": table.sources}
    write_json(out / "losses.json", {"schema_version": 1, "losses": rows} | facts)
    _print(rows)
    say(f"{out}: checkpoint and losses.json")


def _losses(parts: Any, losses: Any) -> list[dict[str, Any]]:
    """Return the losses by validation set, in nats per token and in bits per byte of text."""
    import math

    return [
        {
            "valid": part.name,
            "nats_per_token": float(loss),
            "bits_per_byte": float(loss) * part.tokens / part.bytes / math.log(2) if part.bytes else None,
        }
        for part, loss in zip(parts, losses, strict=True)
    ]


def _print(rows: list[dict[str, Any]]) -> None:
    shown = []
    for row in rows:
        bits = row["bits_per_byte"]
        shown.append((row["valid"], f"{row['nats_per_token']:.4f}", "" if bits is None else f"{bits:.4f}"))
    print_table(("validation set", "nats per token", "bits per byte"), shown)
