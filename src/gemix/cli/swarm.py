"""The command line of swarms: which mixtures to train small models on, and their tables."""

from pathlib import Path
from typing import Annotated

import typer

from gemix.cli import swarm_export
from gemix.cli.mix_common import (
    Budget,
    Groups,
    MaxEpochs,
    Maximise,
    Metrics,
    Minimise,
    Mixtures,
    Seed,
    Source,
    Strength,
    Targets,
    designed,
    domains_and_box,
    goal_of,
    mix_command,
    runs_of,
)
from gemix.runtime.progress import say

app = typer.Typer(
    help="Which mixtures to train small models on, and what came out of them, in the forms of several projects.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command()
@mix_command
def design(
    source: Source,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="how many mixtures")] = 64,
    kind: Annotated[
        str, typer.Option(help="dirichlet (around the natural shares), uniform, maximin, or rejection (RegMix's)")
    ] = "dirichlet",
    strength: Strength = (0.1, 5.0),
    temperature: Annotated[float, typer.Option(help="flattens the natural shares first")] = 2.0,
    max_usage: Annotated[float, typer.Option(help="rejection only: most a weight may exceed its natural share")] = 15.0,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV: run, and a column for every domain")] = Path(
        "mixtures.csv"
    ),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
) -> None:
    """Write mixtures to train proxy models on, and design.json beside them, by which `gemix mix regmix` knows them.

    Example: `gemix swarm design run/ --number 512 --max-epochs 4 --budget 25B`
    """
    from gemix.mix import design as designs
    from gemix.mix.design_file import FILE_NAME, Design, write_design
    from gemix.mix.tables import write_csv
    from gemix.runtime.atomic import write_text

    partition, box = domains_and_box(source, max_epochs, budget, group)
    w = designs.design(kind, box, partition.shares, number, seed, strength, temperature, max_usage)
    write_text(out, write_csv([str(i + 1) for i in range(number)], partition.keys, w))
    write_design(out.parent, Design.of(kind, partition, box, seed, strength))
    say(f"{out}: {number:,} mixtures of {len(partition.keys):,} domains; {out.parent / FILE_NAME}: what they are for")


@app.command()
@mix_command
def suggest(
    source: Source,
    mixtures: Mixtures,
    metrics: Metrics,
    target: Targets,
    maximise: Maximise = None,
    minimise: Minimise = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="how many mixtures")] = 8,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV: run, and a column for every domain")] = Path(
        "suggested.csv"
    ),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
) -> None:
    """Choose the next mixtures to train, given the runs so far.

    Example: `gemix swarm suggest run/ --mixtures ratios.csv --metrics metrics.csv --target loss --number 8`
    """
    from gemix.mix.active import around
    from gemix.mix.active import suggest as choose
    from gemix.mix.tables import write_csv
    from gemix.runtime.atomic import write_text

    partition, box = domains_and_box(source, max_epochs, budget, group)
    designed(mixtures, partition)
    goal = goal_of(target, maximise, minimise)
    table, values = runs_of(mixtures, metrics, partition).targets(list(goal.weights))
    outcomes = -goal.outcome(values) if goal.maximise else goal.outcome(values)
    found = choose(table.W, outcomes, number, around(partition.shares, box), seed)
    # Ids that no run has: they count on from the greatest number among them.
    last = max((int(name) for name in table.ids if name.isdecimal()), default=0)
    write_text(out, write_csv([str(last + 1 + i) for i in range(number)], partition.keys, found.mixtures))
    say(f"{out}: {number:,} mixtures of {len(partition.keys):,} domains")
    say(f"expected improvement of the first over the best run so far: {found.improvement[0]:.4g}")


@app.command()
@mix_command
def convert(
    source: Annotated[
        Path,
        typer.Argument(help="CSV, a folder of .yaml, .sh or .json files, or one such file", show_default=False),
    ],
    out: Annotated[Path, typer.Argument(help="folder to write to, made if it is not there", show_default=False)],
    to: Annotated[
        str,
        typer.Option(help="olmix-csv, regmix-csv, regmix, climb, doremi, weborganizer or gemix", show_default=False),
    ],
    metrics: Annotated[
        Path | None, typer.Option(help="metrics of the same runs, for the CSV formats", show_default="none")
    ] = None,
) -> None:
    """Turn mixtures and run tables of one project into those of another.

    Example: `gemix swarm convert mixture_config/config_1m swarm/ --to olmix-csv`
    """
    from gemix.mix.read_runs import read_runs
    from gemix.mix.write_runs import TABLE_FORMATS, write_runs
    from gemix.runtime.atomic import write_text

    if metrics is not None and to not in TABLE_FORMATS:
        raise ValueError(f"--metrics needs a table, {' or '.join(TABLE_FORMATS)}; {to} has no place for them")
    table = read_runs(source, metrics)
    for note in table.notes:
        say(f"note: {note}")
    files = write_runs(table, to)
    for name, text in files.items():
        write_text(out / name, text)
    say(f"{out}: {len(table.ids):,} mixtures of {len(table.domains):,} domains in {len(files):,} files")


for _function in (swarm_export.export, swarm_export.collect):
    app.command()(_function)
