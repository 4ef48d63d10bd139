"""The strategies over runs: from tables of runs that were made, or with `--run` from runs that they make themselves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemix.cli.mix_common import (
    Budget,
    Domains,
    Kind,
    MaxEpochs,
    Out,
    Plot,
    Seed,
    Strength,
    domains_and_box,
    finish,
    fit_objective,
    mix_command,
    parse_targets,
    runs_of,
)
from gemix.cli.proxy_common import (
    Device,
    DryRun,
    Order,
    Preset,
    ProxyName,
    ProxyTokens,
    Rate,
    Run,
    open_data,
    say_cost,
)
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.mix.box import Box, Floats
    from gemix.mix.objective import Objective
    from gemix.mix.partition import Partition
    from gemix.proxy.regmix import Gathered
    from gemix.proxy.swarm import Swarm

SwarmFolder = Annotated[Path, typer.Option("--swarm", help="with --run: folder of the runs; what is there is kept")]
Mixtures = Annotated[
    Path | None,
    typer.Option(help="without --run: mixtures of runs, CSV, or a folder of .yaml, .sh or .json", show_default="none"),
]
Metrics = Annotated[
    Path | None, typer.Option(help="without --run: metrics of the runs, CSV with the same ids", show_default="none")
]


@mix_command
def regmix(
    domains: Domains,
    mixtures: Mixtures = None,
    metrics: Metrics = None,
    run: Run = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="metric to lower, NAME or NAME=WEIGHT; negative: to raise; may be repeated",
            show_default="mean, the mean loss over the validation sets, with --run",
        ),
    ] = None,
    objective: Annotated[str, typer.Option(help="several targets: mean (weighted) or worst (standardised)")] = "mean",
    surrogate: Kind = "auto",
    search: Annotated[str, typer.Option(help="simulate (average of the best) or optimise (descent)")] = "simulate",
    samples: Annotated[int, typer.Option(min=1, help="mixtures to simulate")] = 100_000,
    top: Annotated[int, typer.Option(min=1, help="best of them to average")] = 128,
    strength: Strength = (0.1, 5.0),
    kl: Annotated[float, typer.Option(min=0, help="optimise: penalty per nat of KL(w || natural shares)")] = 0.0,
    seed: Seed = 0,
    out: Out = Path("mixture.json"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    plot: Plot = None,
    plot_fit: Annotated[
        Path | None,
        typer.Option(help="draw predicted against true results of held-out runs: .png or .svg", show_default="none"),
    ] = None,
    swarm: SwarmFolder = Path("swarm"),
    runs: Annotated[int, typer.Option(min=3, help="with --run: runs that are fitted, at most")] = 64,
    held_out: Annotated[int, typer.Option(min=0, help="with --run: further runs that only check the fit")] = 16,
    active: Annotated[
        bool, typer.Option("--active", help="with --run: choose runs in batches, and stop when more promise nothing")
    ] = False,
    start: Annotated[int, typer.Option(min=3, help="active: runs before the first batch")] = 16,
    batch: Annotated[int, typer.Option(min=1, help="active: runs of a batch")] = 8,
    proxy: ProxyName = "ngram",
    order: Order = 3,
    preset: Preset = "1m",
    proxy_tokens: ProxyTokens = None,
    device: Device = None,
    rate: Rate = None,
    dry_run: DryRun = False,
) -> None:
    """Find the mixture that a regression over proxy runs predicts to be best (RegMix).

    With `--run` it designs the mixtures, trains the runs (interrupted, it goes on), and trains the chosen mixture and
    the natural one in the end to see whether the prediction holds.

    Example: `gemix mix regmix run/domains.csv --mixtures ratios.csv --metrics metrics.csv --target valid_loss`

    Example: `gemix mix regmix run/domains.csv --run proxy/ --runs 64 --max-epochs 4 --budget-tokens 25e9`
    """
    from gemix.mix import strategies, surrogate_json

    if search not in ("simulate", "optimise"):
        raise ValueError(f"--search is simulate or optimise, not {search!r}")
    partition, box = domains_and_box(domains, max_epochs, budget)
    if not target and run is None:
        raise ValueError("--target is missing: the metric to lower")
    targets = parse_targets(target or ["mean"])
    facts: dict[str, Any] = {"search": search, "seed": seed}
    gathered: Gathered | None = None
    if run is None:
        table, values = runs_of(*_tables(mixtures, metrics), partition, list(targets))
    else:
        from gemix.proxy.factory import Kind as ProxyKind
        from gemix.proxy.factory import make_proxy
        from gemix.proxy.regmix import Plan, gather
        from gemix.proxy.swarm import Swarm

        _no_tables(mixtures, metrics)
        plan = Plan(runs, held_out, strength, seed, active, start, batch)
        kind = ProxyKind(proxy, order, preset, device, rate)
        data, tokens = open_data(run, partition.keys, proxy_tokens)
        if dry_run:
            say_cost(data, kind, plan.runs + plan.held_out + 2, tokens, most=active)
            return
        trained = Swarm(swarm, make_proxy(data, kind), tokens, seed)
        gathered = gather(trained, partition, box, targets, objective, plan, say)
        if gathered.stopped:
            say(f"stopped after {len(gathered.table.ids):,} of {runs:,} runs: more would not change the answer")
        table, values = gathered.table.targets(list(targets))
        facts |= {"swarm": trained.facts, "proposals": [vars(proposal) for proposal in gathered.proposals]}
    goal, quality = fit_objective(table, targets, values, objective, surrogate, seed, plot_fit)
    if search == "simulate":
        best = strategies.simulate(goal, box, partition.shares, samples, top, seed, strength)
        how: dict[str, Any] = {"samples": samples, "top": top, "strength": list(strength)}
    else:
        best = strategies.optimise(goal, box, partition.shares, kl, seed=seed)
        how = {"kl": kl}
    std = float(goal.predict(best.weights[None])[1][0])
    say(f"predicted {objective} of the targets: {best.objective:.6g}, standard deviation {std:.2g}")
    facts |= {"runs": table.sources} | how
    quality |= {"predicted": best.objective, "predicted_std": std}
    if gathered is not None:
        quality |= _verify(trained, partition, box, best.weights, goal, gathered, list(targets), seed)
    fitted = surrogate_json.dump(goal, list(targets), box)
    finish("regmix", best.weights, partition, out, budget, max_epochs, plot, facts, quality, fitted)


@mix_command
def perf(
    domains: Domains,
    target: Annotated[str, typer.Option(help="the metric; mean: over all validation sets", show_default=False)],
    mixtures: Mixtures = None,
    metrics: Metrics = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="without --run: id of the run that the probes are compared with", show_default="none"),
    ] = None,
    run: Run = None,
    higher_is_better: Annotated[bool, typer.Option("--higher-is-better", help="the metric is no loss")] = False,
    beta: Annotated[float, typer.Option(help="strength of exp(beta z(gain))")] = 1.0,
    top: Annotated[
        int | None, typer.Option(min=1, help="instead, multiply this many best domains ...", show_default="no")
    ] = None,
    factor: Annotated[float, typer.Option(help="... by this factor")] = 2.0,
    out: Out = Path("mixture.json"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    plot: Plot = None,
    swarm: SwarmFolder = Path("probes"),
    share: Annotated[
        float, typer.Option(help="with --run: share of the tokens that a probe gives to its domain")
    ] = 0.1,
    seed: Seed = 0,
    proxy: ProxyName = "ngram",
    order: Order = 3,
    preset: Preset = "1m",
    proxy_tokens: ProxyTokens = None,
    device: Device = None,
    rate: Rate = None,
    dry_run: DryRun = False,
) -> None:
    """Weigh by one baseline run and one probe run with more of each domain (Perf).

    Example: `gemix mix perf run/domains.csv --mixtures ratios.csv --metrics metrics.csv --baseline base --target loss`

    Example: `gemix mix perf run/domains.csv --run proxy/ --target mean --share 0.1`
    """
    from gemix.mix import strategies
    from gemix.mix.strategies.perf import gains, probe_of

    partition, box = domains_and_box(domains, max_epochs, budget)

    def rule(base: "Floats", gain: "Floats", box: "Box") -> "Floats":
        if top is None:
            return strategies.perf(base, gain, box, beta)
        return strategies.perf_top(base, gain, box, top, factor)

    how: dict[str, Any] = {"beta": beta} if top is None else {"top": top, "factor": factor}
    if run is None:
        if baseline is None:
            raise ValueError("--baseline is missing: the id of the run that the probes are compared with")
        table, values = runs_of(*_tables(mixtures, metrics), partition, [target])
        if baseline not in table.ids:
            raise ValueError(f"no run is called {baseline!r}, the baseline; there are {', '.join(table.ids[:10])}")
        b = table.ids.index(baseline)
        others = [i for i in range(len(table.ids)) if i != b]
        rows = probe_of(table.W[b], table.W[others], table.domains)
        weights = rule(table.W[b], gains(values[b, 0], values[others, 0][rows], higher_is_better), box)
    else:
        from gemix.proxy.factory import Kind as ProxyKind
        from gemix.proxy.factory import make_proxy
        from gemix.proxy.perf import BASELINE, probe, weigh
        from gemix.proxy.swarm import Swarm

        _no_tables(mixtures, metrics, baseline)
        kind = ProxyKind(proxy, order, preset, device, rate)
        data, tokens = open_data(run, partition.keys, proxy_tokens)
        if dry_run:
            say_cost(data, kind, 1 + int((partition.tokens > 0).sum()), tokens)
            return
        trained = Swarm(swarm, make_proxy(data, kind), tokens, seed)
        found = probe(trained, partition, box, target, share, higher_is_better)
        weights = weigh(found, box, rule)
        table, baseline = found.table, BASELINE
        gain = {name: None if x != x else x for name, x in zip(partition.keys, found.gain.tolist(), strict=True)}
        how |= {"share": share, "gain": gain, "swarm": trained.facts}
    facts = {"runs": table.sources, "baseline": baseline, "target": target, **how}
    finish("perf", weights, partition, out, budget, max_epochs, plot, facts)


def _tables(mixtures: Path | None, metrics: Path | None) -> tuple[Path, Path]:
    if mixtures is None or metrics is None:
        raise ValueError(
            "give the runs as --mixtures and --metrics, or --run with a folder of `gemix proxy prepare` to train them"
        )
    return mixtures, metrics


def _no_tables(*given: object) -> None:
    if any(value is not None for value in given):
        raise ValueError("--run makes its own runs: leave out --mixtures, --metrics and --baseline")


def _verify(
    swarm: "Swarm",
    partition: "Partition",
    box: "Box",
    weights: "Floats",
    goal: "Objective",
    gathered: "Gathered",
    targets: list[str],
    seed: int,
) -> dict[str, Any]:
    """Rank the held-out runs, train the chosen and the natural mixture, and say how the predictions held."""
    from gemix.proxy.regmix_check import check, validate

    quality: dict[str, Any] = {}
    held_out = validate(goal, gathered.held_out, targets, seed)
    if held_out is not None:
        quality["held_out"] = vars(held_out)
        say(
            f"rank correlation {held_out.spearman:.3f} (95 % interval {held_out.low:.3f} to {held_out.high:.3f}) on "
            f"{held_out.runs} runs that were not fitted"
        )
    found = check(swarm, partition, box, weights, goal, gathered.table, targets)
    say(
        f"once trained it has {found.true:.6g} (predicted {found.predicted:.6g}); the natural mixture "
        f"{found.natural:.6g} (predicted {found.natural_predicted:.6g}), the best fitted run {found.best_run:.6g}"
    )
    if not found.beats_natural:
        say("warning: the chosen mixture does not beat the natural one, which stays the better choice")
    elif found.best_run < found.true:
        say("note: one of the fitted runs is better than the chosen mixture")
    return quality | {"check": found.to_dict()}
