"""The command line of mixing: `gemix mix STRATEGY`, thin shells over `gemix.mix`."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from gemix.cli import mix_doremi, mix_perf, mix_phases, mix_project, mix_reuse, mix_train
from gemix.cli.mix_common import (
    AsJSON,
    Budget,
    Groups,
    Kind,
    MaxEpochs,
    Maximise,
    Metrics,
    Minimise,
    Mixtures,
    Out,
    Plot,
    Seed,
    Source,
    Take,
    Targets,
    begin,
    domains_and_box,
    finish,
    goal_of,
    mix_command,
    runs_of,
    sha256,
    takes,
)
from gemix.runtime.progress import say

app = typer.Typer(
    help="From domains to weights. Every strategy reads a run folder, or a table of domains (your own: columns domain "
    "or name, and tokens), and writes `mixture.json` with the verdict on it.\n\nExample: `gemix mix temperature run/ "
    "--temperature 2 --max-epochs 4 --budget 25B`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command()
@mix_command
def uniform(
    source: Source,
    out: Out = None,
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
    plot: Plot = None,
    as_json: AsJSON = False,
) -> None:
    """Weigh all domains equally, as far as caps and floors allow.

    Example: `gemix mix uniform run/ --max-epochs 4 --budget 25B`
    """
    from gemix.mix import strategies
    from gemix.mix.grounds import by_hand

    job = begin(source, out, max_epochs, budget, group, plot, as_json)
    finish(job, "uniform", by_hand("equal weights, compared with nothing"), strategies.uniform(job.box), {})


@app.command()
@mix_command
def natural(
    source: Source,
    out: Out = None,
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
    plot: Plot = None,
    as_json: AsJSON = False,
) -> None:
    """Keep the shares of tokens that the corpus has, as far as caps and floors allow.

    Example: `gemix mix natural run/`
    """
    from gemix.mix import strategies
    from gemix.mix.grounds import by_hand

    job = begin(source, out, max_epochs, budget, group, plot, as_json)
    weights = strategies.natural(job.partition.shares, job.box)
    finish(job, "natural", by_hand("the shares that the corpus has"), weights, {})


@app.command()
@mix_command
def temperature(
    source: Source,
    temperature: Annotated[float, typer.Option("--temperature", "-t", help="1 is natural, large is uniform")] = 2.0,
    out: Out = None,
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
    plot: Plot = None,
    as_json: AsJSON = False,
) -> None:
    """Flatten the shares: share^(1 / temperature).

    Example: `gemix mix temperature run/ --temperature 2`
    """
    from gemix.mix import strategies
    from gemix.mix.grounds import by_hand

    job = begin(source, out, max_epochs, budget, group, plot, as_json)
    weights = strategies.temperature(job.partition.shares, temperature, job.box)
    why = by_hand(f"shares flattened by a temperature of {temperature:g}, compared with nothing")
    finish(job, "temperature", why, weights, {"temperature": temperature})


@app.command()
@mix_command
def pareto(
    source: Source,
    mixtures: Mixtures,
    metrics: Metrics,
    target: Targets,
    maximise: Maximise = None,
    minimise: Minimise = None,
    surrogate: Kind = "gp",
    samples: Annotated[int, typer.Option(min=1, help="mixtures to simulate")] = 20_000,
    seed: Seed = 0,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="CSV: mixture, a column for every domain, predicted targets")
    ] = Path("pareto.csv"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
) -> None:
    """Show what several targets cost each other: the predicted mixtures that no other one beats in all of them.

    What the surrogates predict where no run has been is worth little: the mixtures are those of the runs' region.

    Example: `gemix mix pareto run/ --mixtures ratios.csv --metrics metrics.csv --target loss --target code`
    """
    import numpy as np

    from gemix.mix import surrogates
    from gemix.mix.objective import pareto_front
    from gemix.mix.region import Region
    from gemix.mix.simplex import sample_uniform
    from gemix.mix.tables import write_csv
    from gemix.runtime.atomic import write_text

    goal = goal_of(target, maximise, minimise)
    if goal.alone:
        raise ValueError("a Pareto front needs two targets or more: --target A --target B")
    partition, box = domains_and_box(source, max_epochs, budget, group)
    table, values = runs_of(mixtures, metrics, partition).targets(list(goal.weights))
    models = [surrogates.surrogate(cast(Any, surrogate)).fit(table.W, y) for y in values.T]
    region = Region.of(table.W)
    inner = region.within(box)
    w = sample_uniform(inner, samples, np.random.default_rng(seed)) if inner else np.empty((0, len(box.floor)))
    w = np.concatenate([w[region.contains(w)], table.W[box.contains(table.W, 1e-7)]])
    if not len(w):
        raise ValueError("the caps and floors leave no mixture in the region of the runs")
    predicted = np.stack([model.predict(w)[0] for model in models], axis=1)
    signs = np.sign(goal.signed)
    kept = np.flatnonzero(pareto_front(predicted * signs))
    kept = kept[np.argsort((predicted * signs)[kept, 0], kind="stable")]
    columns = [*partition.keys, *(f"predicted {name}" for name in goal.weights)]
    ids = [str(i + 1) for i in range(len(kept))]
    write_text(out, write_csv(ids, columns, np.hstack([w[kept], predicted[kept]]), key="mixture"))
    say(f"{out}: {len(kept):,} of {len(w):,} mixtures")
    for name, column in zip(goal.weights, predicted[kept].T, strict=True):
        say(f"{name}: {column.min():.6g} to {column.max():.6g} along the front")


@app.command()
@mix_command
def mixmin(
    source: Source,
    likelihoods: Annotated[
        Path,
        typer.Option(
            help=".parquet or .csv, no losses of runs: log-likelihood (nats) of the target under every domain's model, "
            "a row a token; "
            "or a row a document with its tokens in the column length",
            show_default=False,
        ),
    ],
    tolerance: Annotated[float, typer.Option(help="how far from optimal the objective may be, in nats")] = 1e-6,
    take: Take = None,
    out: Out = None,
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    plot: Plot = None,
    as_json: AsJSON = False,
) -> None:
    """Find the mixture of one model per domain that explains a target text best (MixMin).

    How one model a domain explains a text says nothing sure of a model that is trained on the mixture: unproven.

    Example: `gemix mix mixmin run/ --likelihoods target.parquet --take unproven`
    """
    from gemix.mix import strategies
    from gemix.mix.judged import unproven
    from gemix.mix.likelihoods import read_likelihoods

    take_unproven = takes(take)
    job = begin(source, out, max_epochs, budget, None, plot, as_json)
    table, lengths = read_likelihoods(likelihoods, job.partition.keys, job.partition.names)
    found = strategies.mixmin(table, job.box, lengths, tolerance)
    say(f"{found.objective:.6f} nats, at most {found.gap:.2g} above the optimum, after {found.iterations} steps")
    if found.gap > tolerance:
        say(f"warning: the gap {found.gap:.2g} is above --tolerance {tolerance:g}")
    reason = "MixMin weighs models of single domains; no model was trained on the mixture"
    judged = unproven(found.weights, strategies.natural(job.partition.shares, job.box), reason, take_unproven)
    facts = {"likelihoods_sha256": sha256(likelihoods), "objective": found.objective, "gap": found.gap}
    finish(job, "mixmin", judged, judged.weights, facts)


for _function in (
    mix_train.regmix, mix_perf.perf, mix_doremi.doremi, mix_reuse.reuse, mix_project.project, mix_phases.phases,
):  # fmt: skip
    app.command()(_function)
