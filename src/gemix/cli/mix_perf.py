"""`gemix mix perf`: from tables of a baseline and probes, or from runs that it trains itself."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gemix.cli.mix_common import (
    NO_RUNS,
    AsJSON,
    Budget,
    Groups,
    MadeMetrics,
    MadeMixtures,
    MaxEpochs,
    Maximise,
    Minimise,
    Out,
    Plot,
    Source,
    SwarmFolder,
    begin,
    finish,
    goal_of,
    mix_command,
    no_tables,
    runs_of,
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


@mix_command
def perf(
    source: Source,
    target: Annotated[str, typer.Option(help="the metric; mean: over all validation sets", show_default=False)],
    mixtures: MadeMixtures = None,
    metrics: MadeMetrics = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="id of a run of the mixture that the probes are compared with; its repeats tell the noise",
            show_default="none",
        ),
    ] = None,
    token_data: TokenData = None,
    maximise: Maximise = None,
    minimise: Minimise = None,
    beta: Annotated[float, typer.Option(help="strength: how far a proven gain moves a weight")] = 1.0,
    out: Out = None,
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
    plot: Plot = None,
    as_json: AsJSON = False,
    swarm: SwarmFolder = Path("probes"),
    share: Annotated[
        float, typer.Option(help="with --token-data: share of the tokens that a probe gives to its domain")
    ] = 0.1,
    repeats: Annotated[
        int, typer.Option(min=1, help="with --token-data: seeds of the baseline and of every probe")
    ] = 3,
    proxy: ProxyName = "ngram",
    order: Order = 3,
    preset: Preset = "1m",
    proxy_tokens: ProxyTokens = None,
    match_repetition: Matched = True,
    device: Device = None,
    rate: Rate = None,
    dry_run: DryRun = False,
) -> None:
    """Weigh by what more of each domain did against a baseline, where that is beyond noise (Perf).

    A domain's weight moves only where its probe is surely better or worse than the baseline. Without repeats of the
    baseline the noise of a run is not known: then the weights are the baseline's, and the verdict says so.

    Example: `gemix mix perf run/ --mixtures ratios.csv --metrics metrics.csv --baseline base --target loss`

    Example: `gemix mix perf run/ --token-data proxy/ --target mean --share 0.1`
    """
    from gemix.mix.judge_probes import judge_probes

    job = begin(source, out, max_epochs, budget, group, plot, as_json)
    partition, box = job.partition, job.box
    more: dict[str, Any] = {"beta": beta, "target": target}
    if token_data is None:
        if mixtures is None:
            raise ValueError(NO_RUNS)
        if not baseline:
            raise ValueError("--baseline is missing: the id of the run that the probes are compared with")
        goal = goal_of([target], maximise, minimise)
        table, _ = runs_of(mixtures, metrics, partition).targets([target])
        more["baseline"] = baseline
    else:
        from gemix.proxy.check import CheckPlan, fresh_swarms
        from gemix.proxy.factory import Kind as ProxyKind
        from gemix.proxy.perf import BASELINE, probe

        no_tables(mixtures, metrics, baseline)
        goal = goal_of([target], maximise, [target])
        kind = ProxyKind(proxy, order, preset, device, rate)
        data, tokens = open_data(token_data, partition, proxy_tokens)
        if dry_run:
            say_cost(data, kind, repeats * (1 + int((partition.tokens > 0).sum())), tokens)
            return
        pools = pools_of(data, partition, tokens, budget, match_repetition)
        swarms = fresh_swarms(data, CheckPlan(swarm, kind, tokens, pools.shares, repeats))
        table = probe(swarms, partition, box, target, share)
        baseline = BASELINE
        more |= {"share": share, "repeats": repeats, "matched": pools.factor}
    judged = judge_probes(table, goal, baseline, box, beta)
    finish(job, "perf", judged, judged.weights, more | {"runs": table.sources})
