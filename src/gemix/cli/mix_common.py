"""What the commands of mixing share: their options, and what comes before and after a strategy."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gemix.cli.command import command
from gemix.cli.table import print_table
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.mix.box import Box, Floats
    from gemix.mix.mixture import Mixture
    from gemix.mix.objective import Objective
    from gemix.mix.partition import Partition
    from gemix.mix.tables import RunTable

Domains = Annotated[
    Path, typer.Argument(help="table of domains: CSV with domain or name, tokens; cap and floor may be there")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="the mixture, JSON")]
MaxEpochs = Annotated[
    float | None, typer.Option(help="passes over a domain that are allowed; needs the budget", show_default="no limit")
]
Budget = Annotated[
    float | None,
    typer.Option("--budget-tokens", help="tokens that training will see, such as 25e9", show_default="unknown"),
]
Plot = Annotated[
    Path | None, typer.Option(help="draw weights beside natural shares: .png or .svg", show_default="no figure")
]
Seed = Annotated[int, typer.Option(min=0, help="of every random step")]
Mixtures = Annotated[
    Path, typer.Option(help="mixtures of the runs: CSV, or a folder of .yaml, .sh or .json", show_default=False)
]
Metrics = Annotated[Path, typer.Option(help="metrics of the runs: CSV with the same ids", show_default=False)]
Targets = Annotated[
    list[str],
    typer.Option(
        "--target", help="metric to lower, NAME or NAME=WEIGHT; negative: to raise; may be repeated", show_default=False
    ),
]
Kind = Annotated[str, typer.Option("--surrogate", help="auto, gp, lightgbm, linear or loglinear")]
Strength = Annotated[
    tuple[float, float], typer.Option(help="least and greatest Dirichlet strength: small is extreme, large is central")
]
mix_command = command(ValueError, extra="mix")


def domains_and_box(path: Path, max_epochs: float | None, budget: float | None) -> tuple["Partition", "Box"]:
    """Return the table of domains and where mixtures over it may lie."""
    from gemix.mix.partition import read_partition

    partition = read_partition(path)
    try:
        return partition, partition.box(max_epochs, budget)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def runs_of(
    mixtures: Path, metrics: Path, partition: "Partition", targets: Sequence[str]
) -> tuple["RunTable", "Floats"]:
    """Return the runs that have all targets, and the targets' values (n, T); say what was left out or mended."""
    from gemix.mix.read_runs import read_runs

    table, values = read_runs(mixtures, metrics, partition.keys, partition.names).targets(targets)
    for note in table.notes:
        say(f"note: {note}")
    return table, values


def parse_targets(texts: Sequence[str]) -> dict[str, float]:
    """Return name -> weight of targets NAME or NAME=WEIGHT."""
    weights: dict[str, float] = {}
    for text in texts:
        name, sign, number = text.rpartition("=")
        if not sign:
            name, number = text, "1"
        try:
            value = float(number)
        except ValueError:
            raise ValueError(f"--target is NAME or NAME=WEIGHT, not {text!r}") from None
        if name in weights:
            raise ValueError(f"--target {name!r} stands twice")
        weights[name] = value
    return weights


def read_weights_of(path: Path, partition: "Partition | None" = None) -> dict[str, float]:
    """Return domain -> weight of a mixture.json; one whose numbers mean other domains than those here is refused."""
    from gemix.mix.formats import mixture_json
    from gemix.mix.reuse import known_weights

    try:
        mixture = mixture_json.parse(path.read_text(encoding="utf-8"))
        if partition is not None:
            mixture.refuse_other(partition.identity)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if partition is None:
        return {entry.domain: entry.weight for entry in mixture.domains}
    return known_weights(mixture, partition)


def fit_objective(
    table: "RunTable",
    targets: dict[str, float],
    values: "Floats",
    objective: str,
    surrogate: str,
    seed: int,
    plot: Path | None,
) -> tuple["Objective", dict[str, Any]]:
    """Fit a surrogate for every target; return the function to minimise and what is known of its quality."""
    import numpy as np

    from gemix.mix import surrogates
    from gemix.mix.objective import Objective
    from gemix.mix.surrogates.folds import out_of_fold
    from gemix.report.figures import predicted_figure

    kind = cast("surrogates.Kind", surrogate)  # an unknown kind is refused there
    fitted, quality = [], []
    for name, y in zip(targets, values.T, strict=True):
        check = surrogates.cross_validate(kind, table.W, y, seed=seed)
        fitted.append(surrogates.surrogate(kind).fit(table.W, y))
        quality.append({"target": name, "weight": targets[name]} | check.to_dict())
        say(
            f"{name}: rank correlation {check.spearman:.3f} (95 % interval {check.low:.3f} to {check.high:.3f}) "
            f"on left-out runs of {len(y):,}"
        )
    weights = np.array(list(targets.values()))
    if plot is not None:
        held_out = [out_of_fold(lambda: surrogates.surrogate(kind), table.W, y, 5, seed) for y in values.T]
        name = next(iter(targets)) if len(targets) == 1 else "weighted sum of targets"
        predicted_figure(np.stack(held_out, axis=1) @ weights, values @ weights, plot, name)
    goal = Objective(fitted, weights, objective, values.mean(axis=0), values.std(axis=0))
    return goal, {"kind": surrogate, "objective": objective, "targets": quality}


def finish(
    strategy: str,
    weights: Any,
    partition: "Partition",
    out: Path,
    budget: float | None,
    max_epochs: float | None,
    plot: Path | None,
    provenance: dict[str, Any] | None = None,
    surrogate: dict[str, Any] | None = None,
    fitted: str | None = None,
) -> None:
    """Write the mixture, and the fitted surrogates beside it if there are any; draw it if asked, and print it."""
    from gemix.mix import surrogate_json
    from gemix.mix.formats import mixture_json
    from gemix.mix.result import make_mixture
    from gemix.runtime.atomic import write_text
    from gemix.runtime.version import __version__

    tokens = None if budget is None else round(budget)
    facts = {"gemix": __version__, "max_epochs": max_epochs} | (provenance or {})
    if surrogate is not None and fitted is not None:
        write_text(surrogate_json.path_beside(out), fitted)
        # Of the two files the mixture comes last: its fingerprint tells whether what lies beside it is its own.
        surrogate = surrogate | {"sha256": hashlib.sha256(fitted.encode()).hexdigest()}
    mixture = make_mixture(strategy, weights, partition, tokens, surrogate, facts)
    write_text(out, mixture_json.dump(mixture))
    if plot is not None:
        from gemix.report.figures import mixture_figure

        mixture_figure(mixture, plot)
    _print(mixture)
    say(f"{out}: {len(mixture.domains):,} domains" + (f"; {plot}" if plot else ""))


def _print(mixture: "Mixture") -> None:
    from gemix.mix.domain_ids import shown

    rows = []
    for entry in sorted(mixture.domains, key=lambda entry: -entry.weight):
        share = entry.share or 0.0
        ratio = f"{entry.weight / share:.2f}" if share else ""
        epochs = "" if entry.epochs is None else f"{entry.epochs:.2f}"
        rows.append((shown(entry.domain, entry.name), f"{share:.2%}", f"{entry.weight:.2%}", ratio, epochs))
    print_table(("domain", "natural", "weight", "ratio", "epochs"), rows)


def sha256(path: Path) -> str:
    """Return the fingerprint of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
