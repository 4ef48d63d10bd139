"""What the commands of mixing share: their options, and what comes before and after a strategy."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gemix.cli.command import command
from gemix.cli.numbers import COUNT
from gemix.cli.table import print_table
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.mix.box import Box, Floats
    from gemix.mix.goal import Goal
    from gemix.mix.grounds import Grounds
    from gemix.mix.judged import Judged
    from gemix.mix.mixture import Mixture
    from gemix.mix.partition import Partition
    from gemix.mix.tables import RunTable

Source = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|TABLE",
        help="run folder, or a table of domains: CSV with domain or name, tokens; cap and floor may be there",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="the mixture, JSON", show_default="mixture.json, in RUN if it is a run folder"),
]
MaxEpochs = Annotated[
    float | None, typer.Option(help="passes over a domain that are allowed; needs the budget", show_default="no limit")
]
Budget = Annotated[
    float | None,
    typer.Option("--budget", help="tokens of the real training: 25B, 400M, 1e9", show_default="unknown", **COUNT),
]
Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--group",
        metavar="DOMAINS>=SHARE",
        help='what some domains have together: "code,math>=0.15", "web<=0.4"; "news=0.1" pins; may be repeated',
        show_default="none",
    ),
]
Plot = Annotated[
    Path | None, typer.Option(help="draw weights beside natural shares: .png or .svg", show_default="no figure")
]
AsJSON = Annotated[bool, typer.Option("--json", help="print the mixture as JSON in place of the table")]
Seed = Annotated[int, typer.Option(min=0, help="of every random step")]
Mixtures = Annotated[
    Path, typer.Option(help="mixtures of the runs: CSV, or a folder of .yaml, .sh or .json", show_default=False)
]
Metrics = Annotated[Path, typer.Option(help="metrics of the runs: CSV with the same ids", show_default=False)]
SwarmFolder = Annotated[
    Path, typer.Option("--swarm", help="with --token-data: folder of the runs; what is there is kept")
]
MadeMixtures = Annotated[
    Path | None,
    typer.Option(help="mixtures of runs that were made: CSV, or a folder of .yaml, .sh or .json", show_default="none"),
]
MadeMetrics = Annotated[
    Path | None,
    typer.Option(help="metrics of these runs: CSV with the same ids", show_default="columns of the mixtures' table"),
]
Targets = Annotated[
    list[str],
    typer.Option(
        "--target", help="metric that is to improve, NAME or NAME=WEIGHT; may be repeated", show_default=False
    ),
]
Maximise = Annotated[
    list[str] | None,
    typer.Option(help="metric that improves as it rises; may be repeated", show_default="known by its name"),
]
Minimise = Annotated[
    list[str] | None,
    typer.Option(help="metric that improves as it falls; may be repeated", show_default="known by its name"),
]
Take = Annotated[
    str | None,
    typer.Option(
        "--take",
        help="unproven: take what was found though nothing proves it better than natural",
        show_default="natural weights, unless the verdict is better",
    ),
]
Kind = Annotated[str, typer.Option("--surrogate", help="of sliders and figure: gp, lightgbm, linear, loglinear")]
Strength = Annotated[
    tuple[float, float], typer.Option(help="least and greatest Dirichlet strength: small is extreme, large is central")
]
mix_command = command(ValueError, extra="mix")


@dataclass(frozen=True)
class Job:
    """What every strategy is given: domains and where mixtures over them may lie, and what becomes of the result."""

    partition: "Partition"
    box: "Box"
    out: Path
    budget: float | None
    max_epochs: float | None
    groups: Sequence[str]
    plot: Path | None
    as_json: bool


def begin(
    source: Path,
    out: Path | None,
    max_epochs: float | None,
    budget: float | None,
    groups: Sequence[str] | None,
    plot: Path | None,
    as_json: bool,
) -> Job:
    """Return what the options that all strategies share ask for."""
    partition, box = domains_and_box(source, max_epochs, budget, groups)
    goes = out or (source / "mixture.json" if source.is_dir() else Path("mixture.json"))
    return Job(partition, box, goes, budget, max_epochs, groups or (), plot, as_json)


def domains_and_box(
    source: Path, max_epochs: float | None, budget: float | None, groups: Sequence[str] | None
) -> tuple["Partition", "Box"]:
    """Return the table of domains and where mixtures over it may lie."""
    from gemix.mix.groups import with_groups
    from gemix.mix.partition import FILE_NAME, read_partition

    path = source / FILE_NAME if source.is_dir() else source
    if source.is_dir() and not path.exists():
        raise ValueError(f"{source} has no {FILE_NAME}: label its corpus first, `gemix run --out {source}`")
    partition = read_partition(path)
    if source.is_dir() and partition.counter is None:
        raise ValueError(
            f"{path} does not say what counted its tokens: gemix 0.1 counted words; `gemix run --out {source}` counts "
            "its corpus in tokens"
        )
    if partition.counter is None:
        say(f"note: {path} does not say what counted the tokens: they are taken as you say")
    try:
        box = partition.box(max_epochs, budget)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return partition, with_groups(box, groups or (), partition.names)


def runs_of(mixtures: Path, metrics: Path | None, partition: "Partition") -> "RunTable":
    """Return the runs; say what was left out or mended."""
    from gemix.mix.read_runs import read_runs

    table = read_runs(mixtures, metrics, partition.keys, partition.names)
    for note in table.notes:
        say(f"note: {note}")
    return table


def designed(runs: Path, partition: "Partition") -> dict[str, Any]:
    """Return what the runs of a folder or table were designed for, as a fact of the mixture; of others nothing.

    Raises:
        ValueError: they were designed over other domains than these.

    """
    from gemix.mix.design_file import refuse_other_partition

    found = refuse_other_partition(runs if runs.is_dir() else runs.parent, partition)
    if found is None:
        return {}
    return {"design": found.model_dump(include={"kind", "seed", "strength", "floor", "cap", "groups", "counter"})}


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


def goal_of(
    target: Sequence[str] | None,
    maximise: Sequence[str] | None,
    minimise: Sequence[str] | None,
    objective: str = "mean",
) -> "Goal":
    """Return what is to improve, by the options."""
    from gemix.mix.goal import make_goal

    kind = cast(Any, objective)  # an unknown one is refused there
    return make_goal(parse_targets(target or []), maximise or (), minimise or (), kind)


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


def takes(take: str | None) -> bool:
    """Return whether an unproven mixture is to be taken."""
    if take not in (None, "unproven"):
        raise ValueError(f"--take is unproven, or left out, not {take!r}")
    return take is not None


def finish(
    job: Job,
    strategy: str,
    grounds: "Grounds | Judged",
    weights: "Floats",
    facts: Mapping[str, Any],
    surrogate: tuple[dict[str, Any], str] | None = None,
    proxy_epochs: "Floats | None" = None,
) -> None:
    """Write the mixture, and the fitted surrogates beside it if there are any; draw it if asked, and print it.

    Args:
        job: what was asked for.
        strategy: what decided.
        grounds: for the weights.
        weights: (K,) in the order of the domains.
        facts: of where it comes from.
        surrogate: its quality, and the fitted curves as JSON.
        proxy_epochs: (K,) passes over each domain that a proxy made at these weights.

    """
    from gemix.mix.formats import mixture_json
    from gemix.mix.result import make_mixture
    from gemix.runtime.atomic import write_text
    from gemix.runtime.version import __version__

    tokens = None if job.budget is None else round(job.budget)
    asked: dict[str, Any] = {"gemix": __version__, "max_epochs": job.max_epochs}
    if job.groups:
        asked["groups"] = list(job.groups)
    quality = None
    if surrogate is not None:
        from gemix.mix import surrogate_json

        quality, fitted = surrogate
        write_text(surrogate_json.path_beside(job.out), fitted)
        # Of the two files the mixture comes last: its fingerprint tells whether what lies beside it is its own.
        quality = quality | {"sha256": hashlib.sha256(fitted.encode()).hexdigest()}
    mixture = make_mixture(strategy, weights, job.partition, grounds, tokens, job.box, quality, asked | dict(facts))
    write_text(job.out, mixture_json.dump(mixture))
    if job.plot is not None:
        from gemix.report.figures import mixture_figure

        mixture_figure(mixture, job.plot)
    if job.as_json:
        typer.echo(mixture_json.dump(mixture), nl=False)
    else:
        _print(mixture, proxy_epochs)
    say(f"{job.out}: {len(mixture.domains):,} domains" + (f"; {job.plot}" if job.plot else ""))


def _print(mixture: "Mixture", proxy_epochs: "Floats | None") -> None:
    from gemix.mix.domain_ids import shown
    from gemix.mix.grounds_text import sentences

    rows = []
    heads = ["domain", "natural", "weight", "ratio", "epochs", "as good"]
    if proxy_epochs is not None:
        heads.append("proxy epochs")
    for k in sorted(range(len(mixture.domains)), key=lambda k: -mixture.domains[k].weight):
        entry = mixture.domains[k]
        share = entry.share or 0.0
        row = [
            shown(entry.domain, entry.name),
            f"{share:.2%}",
            f"{entry.weight:.2%}",
            f"{entry.weight / share:.2f}" if share else "",
            "" if entry.epochs is None else f"{entry.epochs:.2f}",
            "" if entry.range is None else f"{entry.range[0]:.1%} to {entry.range[1]:.1%}",
        ]
        rows.append(row if proxy_epochs is None else [*row, f"{proxy_epochs[k]:.2f}"])
    used = [i for i in range(len(heads)) if i < 4 or any(row[i] for row in rows)]
    print_table([heads[i] for i in used], [[row[i] for i in used] for row in rows])
    if mixture.grounds is None:
        return
    if mixture.grounds.others:
        others = [
            (
                effect.metric,
                f"{effect.natural:.5g}",
                f"{effect.change.value:+.3g} ({effect.change.low:+.3g} to {effect.change.high:+.3g})",
                effect.verdict or "direction unknown",
            )
            for effect in mixture.grounds.others
        ]
        say("what the mixture does to the other metrics" if mixture.grounds.gain else "what the wish would do to them")
        print_table(("metric", "natural", "change", "verdict"), others)
    for line in sentences(mixture.grounds):
        say(line)


def carried(mixture: Path) -> "tuple[Grounds, dict[str, str]]":
    """Return the grounds and the facts of weights that come from a mixture over other domains."""
    from gemix.mix.grounds import Grounds

    fingerprint = sha256(mixture)
    why = Grounds(verdict="unproven", reason=f"carried from {mixture.name} ({fingerprint[:12]})")
    return why, {"carried_sha256": fingerprint}


def sha256(path: Path) -> str:
    """Return the fingerprint of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


NO_RUNS = (
    "give the runs as --mixtures and --metrics, or --token-data with a folder of `gemix proxy prepare` to train them"
)


def no_tables(*given: object) -> None:
    """Refuse tables of runs beside the data to train them."""
    if any(given):
        raise ValueError("--token-data makes its own runs: leave out --mixtures, --metrics and --baseline")
