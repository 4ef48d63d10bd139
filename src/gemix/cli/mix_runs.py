"""The commands of mixing that do not decide by a strategy: designs, conversions, and the reuse of an old mixture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gemix.cli.mix_common import (
    Budget,
    Domains,
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
    mix_command,
    parse_targets,
    read_weights_of,
    runs_of,
    sha256,
)
from gemix.runtime.progress import say


@mix_command
def design(
    domains: Domains,
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
) -> None:
    """Write mixtures to train proxy models on.

    Example: `gemix mix design run/domains.csv --number 512 --max-epochs 4 --budget-tokens 25e9`
    """
    from gemix.mix import design as designs
    from gemix.mix.tables import write_csv
    from gemix.runtime.atomic import write_text

    partition, box = domains_and_box(domains, max_epochs, budget)
    w = designs.design(kind, box, partition.shares, number, seed, strength, temperature, max_usage)
    write_text(out, write_csv([str(i + 1) for i in range(number)], partition.keys, w))
    say(f"{out}: {number:,} mixtures of {len(partition.keys):,} domains")


@mix_command
def suggest(
    domains: Domains,
    mixtures: Mixtures,
    metrics: Metrics,
    target: Targets,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="how many mixtures")] = 8,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV: run, and a column for every domain")] = Path(
        "suggested.csv"
    ),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
) -> None:
    """Choose the next mixtures to train, given the runs so far.

    Example: `gemix mix suggest run/domains.csv --mixtures ratios.csv --metrics metrics.csv --target loss --number 8`
    """
    import numpy as np

    from gemix.mix.active import around
    from gemix.mix.active import suggest as choose
    from gemix.mix.tables import write_csv
    from gemix.runtime.atomic import write_text

    partition, box = domains_and_box(domains, max_epochs, budget)
    targets = parse_targets(target)
    table, values = runs_of(mixtures, metrics, partition, list(targets))
    found = choose(table.W, values @ np.array(list(targets.values())), number, around(partition.shares, box), seed)
    # Ids that no run has: they count on from the greatest number among them.
    last = max((int(name) for name in table.ids if name.isdecimal()), default=0)
    write_text(out, write_csv([str(last + 1 + i) for i in range(number)], partition.keys, found.mixtures))
    say(f"{out}: {number:,} mixtures of {len(partition.keys):,} domains")
    say(f"expected improvement of the first over the best run so far: {found.improvement[0]:.4g}")


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

    Example: `gemix mix convert mixture_config/config_1m swarm/ --to olmix-csv`
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


@mix_command
def reuse(
    mixture: Annotated[Path, typer.Argument(help="the old mixture.json", show_default=False)],
    domains: Domains,
    split: Annotated[
        list[str] | None,
        typer.Option(help="an old domain and those it became, OLD=NEW1,NEW2; may be repeated", show_default="none"),
    ] = None,
    reduced: Annotated[
        Path | None,
        typer.Option(
            help="write the small table of domains to recompute, with one that stands for the unchanged, and stop",
            show_default="no",
        ),
    ] = None,
    solved: Annotated[
        Path | None,
        typer.Option(help="mixture.json over that small table, to be expanded", show_default="no"),
    ] = None,
    out: Out = Path("mixture.json"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    plot: Plot = None,
) -> None:
    """Keep an old mixture's ratios among the domains that did not change, and recompute the rest.

    Example: `gemix mix reuse old/mixture.json run/domains.csv --split "science=physics,biology"`
    """
    from gemix.mix import reuse as reusing
    from gemix.mix.partition import write_partition
    from gemix.runtime.atomic import write_text

    partition, box = domains_and_box(domains, max_epochs, budget)
    found = reusing.match(read_weights_of(mixture, partition), partition, _splits(split or []))
    if reduced is not None:
        small, _ = reusing.reduce(found, box)
        write_text(reduced, write_partition(small))
        say(f"{reduced}: {len(small.keys):,} domains, {reusing.VIRTUAL} stands for {len(found.kept):,}")
        return
    weights = reusing.carry(found, box) if solved is None else reusing.expand(found, read_weights_of(solved))
    if solved is not None and not box.contains(weights):
        say("warning: the expanded mixture leaves the caps and floors of the new table")
    facts = {"reused_sha256": sha256(mixture)} | ({} if solved is None else {"solved_sha256": sha256(solved)})
    finish("reuse", weights, partition, out, budget, max_epochs, plot, facts)


def _splits(texts: Sequence[str]) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    for text in texts:
        parent, sign, children = text.partition("=")
        names = [child.strip() for child in children.split(",") if child.strip()]
        if not sign or not names or parent.strip() in splits:
            raise ValueError(f"--split is OLD=NEW1,NEW2, once for every old domain, not {text!r}")
        splits[parent.strip()] = names
    return splits
