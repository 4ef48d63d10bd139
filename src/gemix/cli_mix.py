"""The command line of mixing: `gemix mix STRATEGY`, thin shells over `gemix.mix`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gemix import cli_mix_runs, cli_taxonomy
from gemix.cli_mix_common import (
    Budget,
    Domains,
    Kind,
    MaxEpochs,
    Metrics,
    Mixtures,
    Out,
    Plot,
    Seed,
    Strength,
    Targets,
    domains_and_box,
    finish,
    fit_objective,
    mix_command,
    parse_targets,
    runs_of,
    sha256,
)
from gemix.stages import say

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
def regmix(
    domains: Domains,
    mixtures: Mixtures,
    metrics: Metrics,
    target: Targets,
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
) -> None:
    """Find the mixture that a regression over proxy runs predicts to be best (RegMix).

    Example: `gemix mix regmix run/domains.csv --mixtures ratios.csv --metrics metrics.csv --target valid_loss`
    """
    from gemix.mix import strategies, surrogate_json

    if search not in ("simulate", "optimise"):
        raise ValueError(f"--search is simulate or optimise, not {search!r}")
    partition, box = domains_and_box(domains, max_epochs, budget)
    targets = parse_targets(target)
    table, values = runs_of(mixtures, metrics, partition, list(targets))
    goal, quality = fit_objective(table, targets, values, objective, surrogate, seed, plot_fit)
    if search == "simulate":
        best = strategies.simulate(goal, box, partition.shares, samples, top, seed, strength)
        how: dict[str, Any] = {"samples": samples, "top": top, "strength": list(strength)}
    else:
        best = strategies.optimise(goal, box, partition.shares, kl, seed=seed)
        how = {"kl": kl}
    std = float(goal.predict(best.weights[None])[1][0])
    say(f"predicted {objective} of the targets: {best.objective:.6g}, standard deviation {std:.2g}")
    facts = {"runs": table.sources, "search": search, "seed": seed, **how}
    quality |= {"predicted": best.objective, "predicted_std": std}
    fitted = surrogate_json.dump(goal, list(targets), box)
    finish("regmix", best.weights, partition, out, budget, max_epochs, plot, facts, quality, fitted)


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

    from gemix.corpus.atomic import write_text
    from gemix.mix.objective import pareto_front
    from gemix.mix.simplex import sample_uniform
    from gemix.mix.tables import write_csv

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
    columns = [*partition.names, *(f"predicted {name}" for name in targets)]
    ids = [str(i + 1) for i in range(len(kept))]
    write_text(out, write_csv(ids, columns, np.hstack([w[kept], predicted[kept]]), key="mixture"))
    say(f"{out}: {len(kept):,} of {samples:,} mixtures")
    for name, column in zip(targets, predicted[kept].T, strict=True):
        say(f"{name}: {column.min():.6g} to {column.max():.6g} along the front")


@app.command()
@mix_command
def perf(
    domains: Domains,
    mixtures: Mixtures,
    metrics: Metrics,
    baseline: Annotated[str, typer.Option(help="id of the run that the probes are compared with", show_default=False)],
    target: Annotated[str, typer.Option(help="the metric", show_default=False)],
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
) -> None:
    """Weigh by one baseline run and one probe run with more of each domain (Perf).

    Example: `gemix mix perf run/domains.csv --mixtures ratios.csv --metrics metrics.csv --baseline base --target loss`
    """
    from gemix.mix import strategies
    from gemix.mix.strategies.perf import gains, probe_of

    partition, box = domains_and_box(domains, max_epochs, budget)
    table, values = runs_of(mixtures, metrics, partition, [target])
    if baseline not in table.ids:
        raise ValueError(f"no run is called {baseline!r}, the baseline; there are {', '.join(table.ids[:10])}")
    b = table.ids.index(baseline)
    others = [i for i in range(len(table.ids)) if i != b]
    rows = probe_of(table.W[b], table.W[others], table.domains)
    gain = gains(values[b, 0], values[others, 0][rows], higher_is_better)
    if top is None:
        weights = strategies.perf(table.W[b], gain, box, beta)
        how: dict[str, float] = {"beta": beta}
    else:
        weights = strategies.perf_top(table.W[b], gain, box, top, factor)
        how = {"top": top, "factor": factor}
    facts = {"runs": table.sources, "baseline": baseline, "target": target, **how}
    finish("perf", weights, partition, out, budget, max_epochs, plot, facts)


@app.command()
@mix_command
def doremi(
    domains: Domains,
    excess: Annotated[
        Path,
        typer.Option(help="CSV of a training: step, and every domain's mean clipped excess", show_default=False),
    ],
    start: Annotated[str, typer.Option(help="weights before the first step: uniform or natural")] = "uniform",
    eta: Annotated[float, typer.Option(help="step size of the training")] = 1.0,
    smoothing: Annotated[float, typer.Option(help="share of uniform weights in every step")] = 1e-3,
    out: Out = Path("mixture.json"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    plot: Plot = None,
) -> None:
    """Replay the weights of a recorded DoReMi training and average them over its steps.

    Example: `gemix mix doremi run/domains.csv --excess excess.csv`
    """
    import numpy as np

    from gemix.mix import strategies
    from gemix.mix.box import project
    from gemix.mix.excess import read_excess

    if start not in ("uniform", "natural"):
        raise ValueError(f"--start is uniform or natural, not {start!r}")
    partition, box = domains_and_box(domains, max_epochs, budget)
    table, sha256 = read_excess(excess, partition.names)
    first = np.ones(len(partition.names)) if start == "uniform" else partition.shares
    state = strategies.doremi_replay(table, first, eta, smoothing)
    facts = {"excess_sha256": sha256, "steps": state.steps, "start": start, "eta": eta, "smoothing": smoothing}
    finish("doremi", project(state.average, box), partition, out, budget, max_epochs, plot, facts)


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
    table, lengths = read_likelihoods(likelihoods, partition.names)
    found = strategies.mixmin(table, box, lengths, tolerance)
    say(f"{found.objective:.6f} nats, at most {found.gap:.2g} above the optimum, after {found.iterations} steps")
    if found.gap > tolerance:
        say(f"warning: the gap {found.gap:.2g} is above --tolerance {tolerance:g}")
    facts = {"likelihoods_sha256": sha256(likelihoods), "objective": found.objective, "gap": found.gap}
    finish("mixmin", found.weights, partition, out, budget, max_epochs, plot, facts)


for _function in (cli_mix_runs.design, cli_mix_runs.suggest, cli_mix_runs.convert, cli_mix_runs.reuse):
    app.command()(_function)
app.command()(cli_taxonomy.expand)
