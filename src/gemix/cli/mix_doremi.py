"""DoReMi's command: from a record of a training, or with `--token-data` from the training itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemix.cli.mix_common import (
    AsJSON,
    Budget,
    Groups,
    MaxEpochs,
    Out,
    Plot,
    Seed,
    Source,
    Take,
    begin,
    finish,
    mix_command,
    takes,
)
from gemix.cli.proxy_common import Device, DryRun, Preset, ProxyTokens, Rate, TokenData, open_data, say_cost
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.proxy.dataset import ProxyData
    from gemix.proxy.doremi import DoReMiSettings


@mix_command
def doremi(
    source: Source,
    excess: Annotated[
        Path | None,
        typer.Option(
            help="without --token-data: CSV of a training: step, and every domain's mean clipped excess",
            show_default="none",
        ),
    ] = None,
    token_data: TokenData = None,
    start: Annotated[
        str, typer.Option(help="weights before the first step: uniform or natural; with --token-data uniform")
    ] = "uniform",
    eta: Annotated[float, typer.Option(help="step size of the training")] = 1.0,
    smoothing: Annotated[float, typer.Option(help="share of uniform weights in every step")] = 1e-3,
    take: Take = None,
    out: Out = None,
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
    plot: Plot = None,
    as_json: AsJSON = False,
    record: Annotated[Path, typer.Option(help="with --token-data: folder of its record")] = Path("doremi"),
    rounds: Annotated[int, typer.Option(min=1, help="with --token-data: rounds of reference and proxy, at most")] = 3,
    tolerance: Annotated[
        float, typer.Option(help="with --token-data: the last round is one that moves no weight by as much")
    ] = 1e-3,
    plot_trajectory: Annotated[
        Path | None,
        typer.Option(
            help="with --token-data: draw the weights of the last round over its steps: .png or .svg", show_default="no"
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

    With `--token-data` it trains both, round by round, and trains the result (the average of the weights over the
    steps) beside natural shares with several seeds; else it replays a recorded training, which proves nothing.

    Example: `gemix mix doremi run/ --token-data proxy/ --preset 15m --proxy-tokens 100M`

    Example: `gemix mix doremi run/ --excess doremi/excess-3.csv`
    """
    import numpy as np

    from gemix.mix import strategies
    from gemix.mix.box import project
    from gemix.mix.excess import read_excess
    from gemix.mix.judged import unproven
    from gemix.mix.strategies.doremi import bounded_step

    if start not in ("uniform", "natural"):
        raise ValueError(f"--start is uniform or natural, not {start!r}")
    take_unproven = takes(take)
    job = begin(source, out, max_epochs, budget, group, plot, as_json)
    partition, box = job.partition, job.box
    facts: dict[str, Any] = {}
    if token_data is not None:
        from gemix.mix.goal import make_goal
        from gemix.proxy.check import SEEDS, CheckPlan, confirm
        from gemix.proxy.factory import Kind
        from gemix.proxy.swarm import MEAN

        if excess is not None or start != "uniform":
            raise ValueError("--token-data makes its own record, from uniform weights: leave out --excess and --start")
        data, tokens = open_data(token_data, partition, proxy_tokens)
        kind = Kind("transformer", preset=preset, device=device, rate=rate)
        if dry_run:
            say_cost(data, kind, 2 * rounds + 3 * SEEDS["transformer"], tokens, most=True)
            return
        from gemix.proxy.doremi import DoReMiSettings

        natural = partition.shares[[partition.keys.index(name) for name in data.names]]
        settings = DoReMiSettings(
            tokens, preset, natural, rounds, tolerance, eta, smoothing, seed=seed, rate=rate, device=device
        )
        excess, facts = _train(data, settings, record, plot_trajectory)
    if excess is None:
        raise ValueError(
            "give --excess, the record of a training, or --token-data with a folder of `gemix proxy prepare`"
        )
    table, sha256 = read_excess(excess, partition.keys, partition.names)
    first = np.ones(len(partition.keys)) if start == "uniform" else partition.shares
    # A record of others is replayed as it was trained; our own trainings bound their steps.
    step = eta if token_data is None else bounded_step(eta, len(first), len(table))
    state = strategies.doremi_replay(table, first, step, smoothing)
    facts |= {"excess_sha256": sha256, "steps": state.steps, "start": start, "eta": step, "smoothing": smoothing}
    home = strategies.natural(partition.shares, box)
    judged = unproven(project(state.average, box), home, _UNPROVEN, take_unproven and token_data is None)
    if token_data is not None:
        check = CheckPlan(record / "check", kind, tokens, np.ones(len(first)), SEEDS[kind.name])
        goal = make_goal({MEAN: 1.0}, minimise=[MEAN])
        even, scale = strategies.uniform(box), np.zeros((1, 1))
        judged = confirm(judged, even, data, check, partition.keys, goal, scale, take_unproven)
    finish(job, "doremi", judged, judged.weights, facts)


_UNPROVEN = "DoReMi weighs by excess losses; no model was compared with one on natural shares"


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
