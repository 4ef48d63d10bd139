"""The strategies over runs: from tables of runs that were made, or from runs that they train themselves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gemix.cli.mix_common import (
    NO_RUNS,
    AsJSON,
    Budget,
    Groups,
    Job,
    Kind,
    MadeMetrics,
    MadeMixtures,
    MaxEpochs,
    Maximise,
    Minimise,
    Out,
    Plot,
    Seed,
    Source,
    Strength,
    SwarmFolder,
    Take,
    begin,
    designed,
    finish,
    goal_of,
    mix_command,
    no_tables,
    runs_of,
    takes,
)
from gemix.cli.proxy_common import (
    Device,
    DryRun,
    Matched,
    Order,
    Preset,
    ProxyName,
    ProxyTokens,
    Rate,
    TokenData,
    open_data,
    pools_of,
    say_cost,
)
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.mix.box import Box, Floats
    from gemix.mix.goal import Goal
    from gemix.mix.judge import Wishes
    from gemix.mix.judged import Judged
    from gemix.mix.tables import RunTable
    from gemix.proxy.dataset import ProxyData
    from gemix.proxy.factory import Kind as ProxyKind
    from gemix.proxy.regmix import Plan


@mix_command
def regmix(
    source: Source,
    mixtures: MadeMixtures = None,
    metrics: MadeMetrics = None,
    token_data: TokenData = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="metric that is to improve, NAME or NAME=WEIGHT; may be repeated",
            show_default="mean, the mean loss over the validation sets, with --token-data",
        ),
    ] = None,
    maximise: Maximise = None,
    minimise: Minimise = None,
    no_worse: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC[:DELTA]",
            help="metric that must not be expected to lose more than DELTA over natural; may be repeated",
            show_default="none",
        ),
    ] = None,
    objective: Annotated[str, typer.Option(help="several targets: mean (weighted) or worst (standardised)")] = "mean",
    reach: Annotated[
        float, typer.Option(help="how much wider than the runs' region to search, about their mean: 1 is the region")
    ] = 1.0,
    take: Take = None,
    surrogate: Kind = "gp",
    seed: Seed = 0,
    out: Out = None,
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
    plot: Plot = None,
    as_json: AsJSON = False,
    plot_fit: Annotated[
        Path | None,
        typer.Option(help="draw predicted against true results of left-out runs: .png or .svg", show_default="none"),
    ] = None,
    swarm: SwarmFolder = Path("swarm"),
    runs: Annotated[int, typer.Option(min=3, help="with --token-data: runs that are fitted, at most")] = 64,
    check_runs: Annotated[
        int, typer.Option(min=0, help="with --token-data: further runs that only check the fit")
    ] = 16,
    strength: Strength = (0.1, 5.0),
    active: Annotated[
        bool,
        typer.Option("--active", help="with --token-data: choose runs in batches, stop when more promise nothing"),
    ] = False,
    start: Annotated[int, typer.Option(min=3, help="active: runs before the first batch")] = 16,
    batch: Annotated[int, typer.Option(min=1, help="active: runs of a batch")] = 8,
    proxy: ProxyName = "ngram",
    order: Order = 3,
    preset: Preset = "1m",
    proxy_tokens: ProxyTokens = None,
    match_repetition: Matched = True,
    device: Device = None,
    rate: Rate = None,
    dry_run: DryRun = False,
) -> None:
    """Decide by runs whether a mixture is better than natural shares, and which (RegMix's runs, a verdict of our own).

    The weights are natural unless the runs prove better; the verdict and its figures stand in the mixture. With
    `--token-data` it designs the mixtures, trains the runs (interrupted, it goes on), and trains the choice beside
    natural with several seeds to see whether the prediction holds.

    Example: `gemix mix regmix run/domains.csv --mixtures ratios.csv --metrics metrics.csv --target valid_loss`

    Example: `gemix mix regmix run/ --token-data proxy/ --runs 64 --max-epochs 4 --budget 25B`
    """
    from gemix.mix.judge import Wishes, judge_runs
    from gemix.mix.surrogates import surrogate as known_kind

    take_unproven = takes(take)
    known_kind(cast(Any, surrogate))  # an unknown one is refused before anything is trained
    job = begin(source, out, max_epochs, budget, group, plot, as_json)
    partition, box = job.partition, job.box
    facts: dict[str, Any] = {"seed": seed}
    passes = None
    if token_data is None:
        if mixtures is None:
            raise ValueError(NO_RUNS)
        goal = goal_of(target, maximise, minimise, objective)
        wishes = Wishes(reach, take_unproven, _limits(no_worse), _directions(maximise, minimise))
        facts |= designed(mixtures, partition)
        table = runs_of(mixtures, metrics, partition)
        judged = judge_runs(table, goal, partition.shares, box, wishes, seed)
    else:
        from gemix.proxy.check import SEEDS
        from gemix.proxy.factory import Kind as ProxyKind
        from gemix.proxy.regmix import Plan

        no_tables(mixtures, metrics)
        designed(swarm, partition)  # refuses the runs of another partition
        plan = Plan(runs, check_runs, strength, seed, active, start, batch)
        kind = ProxyKind(proxy, order, preset, device, rate)
        data, tokens = open_data(token_data, partition, proxy_tokens)
        if dry_run:
            say_cost(data, kind, plan.runs + plan.held_out + 3 * SEEDS[proxy], tokens, most=True)
            return
        goal = goal_of(target or ["mean"], maximise, [*(minimise or []), *data.valid_names, "mean"], objective)
        wishes = Wishes(reach, take_unproven, _limits(no_worse), dict.fromkeys([*data.valid_names, "mean"], "down"))
        table, judged, passes, more = _train(data, swarm, kind, tokens, plan, job, goal, wishes, match_repetition)
        facts |= more
    fitted = _surrogates(table, goal, surrogate, seed, box, plot_fit)
    epochs = None if passes is None else judged.weights * passes
    finish(job, "regmix", judged, judged.weights, facts | {"runs": table.sources}, fitted, epochs)


# One training of many parts, each of which is given on.
def _train(
    whole: "ProxyData",
    folder: Path,
    kind: "ProxyKind",
    tokens: int,
    plan: "Plan",
    job: Job,
    goal: "Goal",
    wishes: "Wishes",
    matched: bool,
) -> "tuple[RunTable, Judged, Floats, dict[str, Any]]":
    """Train the runs and judge by them; train what they choose beside natural.

    Returns:
        The runs, the judgement, (K,) passes over each domain in a proxy that is given it alone, and facts.

    """
    import numpy as np

    from gemix.mix.design_file import Design, read_design, write_design
    from gemix.mix.judge import judge_runs
    from gemix.mix.strategies import uniform
    from gemix.proxy.check import SEEDS, CheckPlan, confirm, searched, validate
    from gemix.proxy.factory import make_proxy
    from gemix.proxy.regmix import gather
    from gemix.proxy.swarm import Swarm

    partition, box = job.partition, job.box
    pools = pools_of(whole, partition, tokens, job.budget, matched)
    data = searched(whole).cut(pools.shares, plan.seed)
    trained = Swarm(folder, make_proxy(data, kind), tokens, plan.seed)
    if read_design(folder) is None:
        write_design(folder, Design.of("dirichlet", partition, box, plan.seed, plan.strength))
    gathered = gather(trained, partition, box, dict(goal.weights), goal.kind, plan, say)
    if gathered.stopped:
        say(f"stopped after {len(gathered.table.ids):,} of {plan.runs:,} runs: more would not change the answer")
    table = gathered.table
    judged = judge_runs(table, goal, partition.shares, box, wishes, plan.seed)
    values = table.targets(list(goal.weights))[1]
    more: dict[str, Any] = {
        "swarm": trained.facts,
        "proposals": [vars(proposal) for proposal in gathered.proposals],
        "matched": pools.factor,
    } | designed(folder, partition)
    assert judged.decision is not None
    held_out = validate(judged.decision, goal, gathered.held_out, values)
    if held_out is not None:
        more["check_runs"] = vars(held_out)
        say(
            f"rank correlation {held_out.spearman:.3f} (95 % interval {held_out.low:.3f} to {held_out.high:.3f}) on "
            f"{held_out.runs} runs that were not fitted"
        )
    if judged.grounds.verdict == "better" and judged.wish is not None:
        check = CheckPlan(folder / "check", kind, tokens, pools.shares, SEEDS[kind.name])
        judged = confirm(judged, uniform(box), whole, check, partition.keys, goal, values, wishes.take_unproven)
    sizes = np.array([data.domains[data.names.index(key)].tokens for key in partition.keys])
    return table, judged, tokens / np.maximum(sizes, 1), more


def _surrogates(
    table: "RunTable", goal: "Goal", kind: Any, seed: int, box: "Box", plot: Path | None
) -> tuple[dict[str, Any], str]:
    """Fit a surrogate to every target: for the sliders of the report, and to say how well runs can be predicted."""
    from gemix.mix import surrogate_json, surrogates
    from gemix.mix.objective import Objective
    from gemix.mix.surrogates.folds import out_of_fold

    table, values = table.targets(list(goal.weights))
    models, quality = [], []
    for name, y, weight in zip(goal.weights, values.T, goal.signed.tolist(), strict=True):
        check = surrogates.cross_validate(kind, table.W, y, seed=seed)
        models.append(surrogates.surrogate(kind).fit(table.W, y))
        quality.append({"target": name, "weight": weight} | check.to_dict())
        say(
            f"{name}: rank correlation {check.spearman:.3f} (95 % interval {check.low:.3f} to {check.high:.3f}) "
            f"on left-out runs of {len(y):,}"
        )
    fitted = Objective(models, goal.signed, goal.kind, values.mean(axis=0), values.std(axis=0))
    if plot is not None:
        import numpy as np

        from gemix.report.figures import predicted_figure

        held_out = [out_of_fold(lambda: surrogates.surrogate(kind), table.W, y, 5, seed) for y in values.T]
        name = next(iter(goal.weights)) if goal.alone else "objective"
        predicted_figure(goal.outcome(np.stack(held_out, axis=1), values), goal.outcome(values), plot, name)
    told = {"kind": kind, "objective": goal.kind, "targets": quality}
    return told, surrogate_json.dump(fitted, list(goal.weights), box)


def _limits(texts: Sequence[str] | None) -> dict[str, float]:
    limits: dict[str, float] = {}
    for text in texts or ():
        name, colon, number = text.rpartition(":")
        try:
            limits[name if colon else text] = float(number) if colon else 0.0
        except ValueError:
            raise ValueError(f"--no-worse is METRIC or METRIC:DELTA, not {text!r}") from None
    return limits


def _directions(maximise: Sequence[str] | None, minimise: Sequence[str] | None) -> dict[str, Any]:
    return dict.fromkeys(minimise or (), "down") | dict.fromkeys(maximise or (), "up")
