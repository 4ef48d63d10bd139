"""DoReMi's command: from a record of a training, or with `--run` from the training itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemix.cli.mix_common import Budget, Domains, MaxEpochs, Out, Plot, Seed, domains_and_box, finish, mix_command
from gemix.cli.proxy_common import Device, DryRun, Preset, ProxyTokens, Rate, Run, open_data, say_cost
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.proxy.dataset import ProxyData
    from gemix.proxy.doremi import DoReMiSettings


@mix_command
def doremi(
    domains: Domains,
    excess: Annotated[
        Path | None,
        typer.Option(
            help="without --run: CSV of a training: step, and every domain's mean clipped excess", show_default="none"
        ),
    ] = None,
    run: Run = None,
    start: Annotated[
        str, typer.Option(help="weights before the first step: uniform or natural; with --run uniform")
    ] = "uniform",
    eta: Annotated[float, typer.Option(help="step size of the training")] = 1.0,
    smoothing: Annotated[float, typer.Option(help="share of uniform weights in every step")] = 1e-3,
    out: Out = Path("mixture.json"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    plot: Plot = None,
    record: Annotated[Path, typer.Option(help="with --run: folder of the excess of every round")] = Path("doremi"),
    rounds: Annotated[int, typer.Option(min=1, help="with --run: rounds of reference and proxy, at most")] = 3,
    tolerance: Annotated[
        float, typer.Option(help="with --run: the last round is one that moves no weight by as much")
    ] = 1e-3,
    plot_trajectory: Annotated[
        Path | None,
        typer.Option(
            help="with --run: draw the weights of the last round over its steps: .png or .svg", show_default="no"
        ),
    ] = None,
    preset: Preset = "1m",
    proxy_tokens: ProxyTokens = None,
    seed: Seed = 0,
    device: Device = None,
    rate: Rate = None,
    dry_run: DryRun = False,
) -> None:
    """Weigh by the excess loss of a proxy over a reference model (DoReMi).

    With `--run` it trains both, round by round; else it replays the weights of a recorded training. The result is the
    average of the weights over the steps.

    Example: `gemix mix doremi run/domains.csv --run proxy/ --preset 15m --proxy-tokens 1e8`

    Example: `gemix mix doremi run/domains.csv --excess doremi/excess-3.csv`
    """
    import numpy as np

    from gemix.mix import strategies
    from gemix.mix.box import project
    from gemix.mix.excess import read_excess

    if start not in ("uniform", "natural"):
        raise ValueError(f"--start is uniform or natural, not {start!r}")
    partition, box = domains_and_box(domains, max_epochs, budget)
    facts: dict[str, Any] = {}
    if run is not None:
        from gemix.proxy.factory import Kind

        if excess is not None or start != "uniform":
            raise ValueError("--run makes its own record, from uniform weights: leave out --excess and --start")
        data, tokens = open_data(run, partition.keys, proxy_tokens)
        if dry_run:
            say_cost(data, Kind("transformer", preset=preset), 2 * rounds, tokens, most=True)
            return
        from gemix.proxy.doremi import DoReMiSettings

        natural = partition.shares[[partition.keys.index(name) for name in data.names]]
        settings = DoReMiSettings(
            tokens, preset, natural, rounds, tolerance, eta, smoothing, seed=seed, rate=rate, device=device
        )
        excess, facts = _train(data, settings, record, plot_trajectory)
    if excess is None:
        raise ValueError("give --excess, the record of a training, or --run with a folder of `gemix proxy prepare`")
    table, sha256 = read_excess(excess, partition.keys, partition.names)
    first = np.ones(len(partition.keys)) if start == "uniform" else partition.shares
    state = strategies.doremi_replay(table, first, eta, smoothing)
    facts |= {"excess_sha256": sha256, "steps": state.steps, "start": start, "eta": eta, "smoothing": smoothing}
    finish("doremi", project(state.average, box), partition, out, budget, max_epochs, plot, facts)


def _train(
    data: "ProxyData", settings: "DoReMiSettings", record: Path, plot: Path | None
) -> tuple[Path, dict[str, Any]]:
    """Train all rounds that have no record yet; return the last record with the facts of the training."""
    from gemix.proxy.doremi import doremi
    from gemix.runtime.progress import progress

    with progress("train", 2 * settings.rounds * settings.budget, "tokens") as advance:
        before = 0

        def follow(number: int, stage: str, done: int, total: int) -> None:
            nonlocal before
            advance(done - before)
            before = 0 if done >= total else done

        result = doremi(data, settings, follow, record)
    for number, found in enumerate(result.rounds, start=1):
        path = record / f"excess-{number}.csv"
        say(f"round {number}: the largest change of a weight is {found.change:.2g}; {path}")
    if not result.converged:
        say(f"note: after {settings.rounds} rounds weights still move by {settings.tolerance:g} or more")
    if plot is not None:
        from gemix.report.figures import trajectory_figure

        trajectory_figure(result.rounds[-1].trajectory, result.domains, plot)
    facts = {
        "preset": settings.preset,
        "proxy_tokens": settings.budget,
        "data": data.fingerprint,
        "rounds": len(result.rounds),
        "converged": result.converged,
        "seed": settings.seed,
        "rate": settings.rate,
    }
    return path, facts
