"""The command line of mixing: `gemix mix STRATEGY`, thin shells over `gemix.mix`."""

from pathlib import Path
from typing import Annotated

import typer

from gemix.cli import mix_doremi, mix_runs, mix_train, taxonomy
from gemix.cli.mix_common import (
    Budget,
    Domains,
    Kind,
    MaxEpochs,
    Metrics,
    Mixtures,
    Out,
    Plot,
    Seed,
    Targets,
    domains_and_box,
    finish,
    fit_objective,
    mix_command,
    parse_targets,
    runs_of,
    sha256,
)
from gemix.runtime.progress import say

app = typer.Typer(
    help="From domains to weights. Every strategy reads a table of domains (`run/domains.csv`, or your own: columns "
    "domain or name, and tokens) and writes `mixture.json`.\n\nExample: `gemix mix temperature run/domains.csv "
    "--temperature 2 --max-epochs 4 --budget-tokens 25e9`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command()
@mix_command
def uniform(
    domains: Domains,
    out: Out = Path("mixture.json"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    plot: Plot = None,
) -> None:
    """Weigh all domains equally, as far as caps and floors allow.

    Example: `gemix mix uniform run/domains.csv --max-epochs 4 --budget-tokens 25e9`
    """
    from gemix.mix import strategies

    partition, box = domains_and_box(domains, max_epochs, budget)
    finish("uniform", strategies.uniform(box), partition, out, budget, max_epochs, plot)


@app.command()
@mix_command
def natural(
    domains: Domains,
    out: Out = Path("mixture.json"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    plot: Plot = None,
) -> None:
    """Keep the shares of tokens that the corpus has, as far as caps and floors allow.

    Example: `gemix mix natural run/domains.csv`
    """
    from gemix.mix import strategies

    partition, box = domains_and_box(domains, max_epochs, budget)
    finish("natural", strategies.natural(partition.shares, box), partition, out, budget, max_epochs, plot)


@app.command()
@mix_command
def temperature(
    domains: Domains,
    temperature: Annotated[float, typer.Option("--temperature", "-t", help="1 is natural, large is uniform")] = 2.0,
    out: Out = Path("mixture.json"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    plot: Plot = None,
) -> None:
    """Flatten the shares: share^(1 / temperature).

    Example: `gemix mix temperature run/domains.csv --temperature 2`
    """
    from gemix.mix import strategies

    partition, box = domains_and_box(domains, max_epochs, budget)
    weights = strategies.temperature(partition.shares, temperature, box)
    facts = {"temperature": temperature}
    finish("temperature", weights, partition, out, budget, max_epochs, plot, facts)


@app.command()
@mix_command
def pareto(
    domains: Domains,
    mixtures: Mixtures,
    metrics: Metrics,
    target: Targets,
    surrogate: Kind = "auto",
    samples: Annotated[int, typer.Option(min=1, help="mixtures to simulate")] = 20_000,
    seed: Seed = 0,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="CSV: mixture, a column for every domain, predicted targets")
    ] = Path("pareto.csv"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
) -> None:
    """Show what several targets cost each other: the predicted mixtures that no other one beats in all of them.

    Example: `gemix mix pareto run/domains.csv --mixtures ratios.csv --metrics metrics.csv --target loss --target code`
    """
    import numpy as np

    from gemix.mix.objective import pareto_front
    from gemix.mix.simplex import sample_uniform
    from gemix.mix.tables import write_csv
    from gemix.runtime.atomic import write_text

    targets = parse_targets(target)
    if len(targets) < 2:
        raise ValueError("a Pareto front needs two targets or more: --target A --target B")
    partition, box = domains_and_box(domains, max_epochs, budget)
    table, values = runs_of(mixtures, metrics, partition, list(targets))
    goal, _ = fit_objective(table, targets, values, "mean", surrogate, seed, None)
    w = sample_uniform(box, samples, np.random.default_rng(seed))
    predicted = goal.predictions(w)
    signs = np.sign(goal.weights)
    kept = np.flatnonzero(pareto_front(predicted * signs))
    kept = kept[np.argsort((predicted * signs)[kept, 0], kind="stable")]
    columns = [*partition.keys, *(f"predicted {name}" for name in targets)]
    ids = [str(i + 1) for i in range(len(kept))]
    write_text(out, write_csv(ids, columns, np.hstack([w[kept], predicted[kept]]), key="mixture"))
    say(f"{out}: {len(kept):,} of {samples:,} mixtures")
    for name, column in zip(targets, predicted[kept].T, strict=True):
        say(f"{name}: {column.min():.6g} to {column.max():.6g} along the front")


@app.command()
@mix_command
def mixmin(
    domains: Domains,
    likelihoods: Annotated[
        Path,
        typer.Option(
            help=".parquet or .csv: log-likelihood (nats) of the target under every domain's model, a row a token; "
            "or a row a document with its tokens in the column length",
            show_default=False,
        ),
    ],
    tolerance: Annotated[float, typer.Option(help="how far from optimal the objective may be, in nats")] = 1e-6,
    out: Out = Path("mixture.json"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    plot: Plot = None,
) -> None:
    """Find the mixture of one model per domain that explains a target text best (MixMin).

    Example: `gemix mix mixmin run/domains.csv --likelihoods target.parquet`
    """
    from gemix.mix import strategies
    from gemix.mix.likelihoods import read_likelihoods

    partition, box = domains_and_box(domains, max_epochs, budget)
    table, lengths = read_likelihoods(likelihoods, partition.keys, partition.names)
    found = strategies.mixmin(table, box, lengths, tolerance)
    say(f"{found.objective:.6f} nats, at most {found.gap:.2g} above the optimum, after {found.iterations} steps")
    if found.gap > tolerance:
        say(f"warning: the gap {found.gap:.2g} is above --tolerance {tolerance:g}")
    facts = {"likelihoods_sha256": sha256(likelihoods), "objective": found.objective, "gap": found.gap}
    finish("mixmin", found.weights, partition, out, budget, max_epochs, plot, facts)


for _function in (mix_train.regmix, mix_train.perf, mix_doremi.doremi):
    app.command()(_function)
for _function in (mix_runs.design, mix_runs.suggest, mix_runs.convert, mix_runs.reuse):
    app.command()(_function)
app.command()(taxonomy.expand)
