"""The command line: thin shells over the stages, one option for one setting."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import gemix
from gemix import cli_export, cli_mix, cli_sweep
from gemix.command import command
from gemix.config import RunConfig, resolve
from gemix.stages import Run, say

app = typer.Typer(
    help=f"{gemix.__doc__}\n\nStart with `gemix demo` or `gemix run corpus/ --out run/`. Each stage is also a command.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)


def _setting(key: str, *short: str) -> Any:
    """Return the option of one setting, with its description and default."""
    field = RunConfig.model_fields[key]
    default = field.get_default(call_default_factory=True)
    shown = {"workers": "all cores", "sample": "20000"}.get(key, default is not None and str(default))
    if isinstance(default, bool):
        return typer.Option(
            f"--{key.replace('_', '-')}/--no-{key.replace('_', '-')}", help=field.description, show_default=shown
        )
    return typer.Option(f"--{key.replace('_', '-')}", *short, help=field.description, show_default=shown)


Inputs = Annotated[
    list[str] | None, typer.Argument(help=RunConfig.model_fields["inputs"].description, show_default=False)
]
RunArgument = Annotated[Path, typer.Argument(help="run folder", show_default=False)]
Out = Annotated[Path, typer.Option("--out", "-o", help="run folder, made if it is not there", show_default=False)]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file with any of these settings; flags win", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="print the resolved settings and what would be done")]
TextKey = Annotated[str | None, _setting("text_key")]
IdKey = Annotated[str | None, _setting("id_key")]
MaxBad = Annotated[float | None, _setting("max_bad_fraction")]
Counter = Annotated[str | None, _setting("token_counter")]
Seed = Annotated[int | None, _setting("seed")]
Sample = Annotated[int | None, _setting("sample")]
SampleTokens = Annotated[int | None, _setting("sample_tokens")]
WindowSize = Annotated[int | None, _setting("window")]
Embedder = Annotated[str | None, _setting("embedder")]
Centre = Annotated[bool | None, _setting("centre")]
Clusters = Annotated[int | None, _setting("clusters", "-k")]
Balance = Annotated[str | None, _setting("balance")]
BalanceBy = Annotated[str | None, _setting("balance_by")]
Target = Annotated[str | None, _setting("target")]
Temper = Annotated[float | None, _setting("temper")]
Solver = Annotated[str | None, _setting("solver")]
Starts = Annotated[int | None, _setting("n_init")]
Representatives = Annotated[int | None, _setting("representatives")]
RepresentativesBy = Annotated[str | None, _setting("representatives_by")]
Workers = Annotated[int | None, _setting("workers", "-j")]


def _flags(values: dict[str, Any]) -> dict[str, Any]:
    """Keep the settings among a command's parameters."""
    return {key: value for key, value in values.items() if key in RunConfig.model_fields and value not in (None, [])}


def _execute(
    folder: Path,
    config: RunConfig,
    dry_run: bool,
    stages: Callable[[Run], None],
    after: Callable[[], None] | None = None,
) -> None:
    from gemix.ledger import run_lock

    say(config.to_yaml())
    if dry_run:
        _plan(folder, config)
        return
    with run_lock(folder):
        stages(Run(folder, config))
    if after:
        after()


def _plan(folder: Path, config: RunConfig) -> None:
    """Print how much there is to read and which stages would run."""
    from gemix import stages
    from gemix.corpus.shards import resolve_shards
    from gemix.ledger import Ledger, Stage

    shards = resolve_shards(config.inputs)
    size = sum(shard.path.stat().st_size for shard in shards)
    print(f"{len(shards):,} input files, {size / 1e6:,.1f} MB")
    ledger = Ledger(folder)
    builders: dict[str, Callable[[], Stage]] = {
        "embed": lambda: stages.embed_stage(ledger, config, shards),
        "fit": lambda: stages.fit_stage(ledger, config),
        "name": lambda: stages.name_stage(ledger, config),
        "distill": lambda: stages.distill_stage(ledger, config),
        "label": lambda: stages.label_stage(ledger, config, shards),
    }
    current = True
    for name, build in builders.items():
        current = current and name in ledger.content["stages"] and ledger.is_current(build())
        print(f"{name:<8} {'done' if current else 'to do'}")


@app.command()
@command()
def run(
    out: Out,
    inputs: Inputs = None,
    config: Config = None,
    dry_run: DryRun = False,
    text_key: TextKey = None,
    id_key: IdKey = None,
    max_bad_fraction: MaxBad = None,
    token_counter: Counter = None,
    seed: Seed = None,
    sample: Sample = None,
    sample_tokens: SampleTokens = None,
    window: WindowSize = None,
    embedder: Embedder = None,
    centre: Centre = None,
    clusters: Clusters = None,
    balance: Balance = None,
    balance_by: BalanceBy = None,
    target: Target = None,
    temper: Temper = None,
    solver: Solver = None,
    n_init: Starts = None,
    representatives: Representatives = None,
    representatives_by: RepresentativesBy = None,
    workers: Workers = None,
) -> None:
    """Do everything: from a corpus to named domains on every document. Run it again to resume.

    Example: `gemix run "corpus/*.jsonl.zst" --out run/ --clusters 24`
    """
    settings = resolve(_flags(locals()), config)
    _execute(out, settings, dry_run, Run.all, lambda: _report(out))


@app.command()
@command()
def embed(
    out: Out,
    inputs: Inputs = None,
    config: Config = None,
    dry_run: DryRun = False,
    text_key: TextKey = None,
    id_key: IdKey = None,
    max_bad_fraction: MaxBad = None,
    token_counter: Counter = None,
    seed: Seed = None,
    sample: Sample = None,
    sample_tokens: SampleTokens = None,
    window: WindowSize = None,
    embedder: Embedder = None,
    centre: Centre = None,
    workers: Workers = None,
) -> None:
    """Stage 1: sample the corpus by a hash of the ids and embed the sample."""
    settings = resolve(_flags(locals()), config, _stored(out))
    _execute(out, settings, dry_run, Run.embed)


@app.command()
@command()
def fit(
    run: RunArgument,
    config: Config = None,
    dry_run: DryRun = False,
    clusters: Clusters = None,
    balance: Balance = None,
    balance_by: BalanceBy = None,
    target: Target = None,
    temper: Temper = None,
    solver: Solver = None,
    n_init: Starts = None,
    seed: Seed = None,
) -> None:
    """Stage 2: fit the teacher, a balanced von Mises-Fisher mixture, to the embeddings of a run."""
    _execute(run, resolve(_flags(locals()), config, _stored(run)), dry_run, Run.fit)


@app.command()
@command()
def name(
    run: RunArgument,
    config: Config = None,
    dry_run: DryRun = False,
    representatives: Representatives = None,
    representatives_by: RepresentativesBy = None,
) -> None:
    """Stage 3: choose representatives of every domain and name it: taxonomy.json, taxonomy.md, audit.parquet."""
    _execute(run, resolve(_flags(locals()), config, _stored(run)), dry_run, Run.name)


@app.command()
@command()
def distill(run: RunArgument, config: Config = None, dry_run: DryRun = False) -> None:
    """Stage 4: train the student on the teacher's labels and measure it on held-out documents."""
    _execute(run, resolve(_flags(locals()), config, _stored(run)), dry_run, Run.distill)


@app.command()
@command()
def label(
    student: Annotated[Path, typer.Option("--student", help="folder of a trained student", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="folder of the labels, made if it is not there", show_default=False)
    ],
    inputs: Inputs = None,
    config: Config = None,
    text_key: TextKey = None,
    id_key: IdKey = None,
    max_bad_fraction: MaxBad = None,
    token_counter: Counter = None,
    workers: Workers = None,
) -> None:
    """Stage 5, for any corpus: label every document with a trained student; one sidecar a file, resumable.

    Example: `gemix label "web/*.parquet" --student run/student --out labels/ --workers 16`
    """
    from gemix.corpus.shards import refuse_overlap, resolve_shards
    from gemix.label import label_corpus, write_domains
    from gemix.student import load_student

    settings = resolve(_flags(locals()), config)
    shards = resolve_shards(settings.inputs)
    refuse_overlap(shards, settings.inputs, out)
    result = label_corpus(
        shards,
        student,
        out,
        text_key=settings.text_key,
        id_key=settings.id_key,
        counter_spec=settings.token_counter,
        workers=settings.workers,
        max_bad_fraction=settings.max_bad_fraction,
    )
    names = load_student(student).domains
    write_domains(result.totals, names, out / "domains.csv")
    say(f"labelled {len(result.labelled):,} files now, {len(result.trusted):,} were done before")
    if result.stale:
        say(f"{len(result.stale):,} files in {out} are no part of this input, the first is {result.stale[0]}")
    if result.totals.bad.total:
        say(f"{result.totals.bad.total:,} rows have no label:\n{result.totals.bad.describe()}")
    _print_table(out / "domains.csv")


@app.command()
@command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="folder of corpus/ and run/")] = Path("demo"),
    clusters: Clusters = None,
    embedder: Embedder = None,
    sample: Annotated[int, typer.Option("--sample", min=1, help="documents that the teacher reads")] = 8_000,
    seed: Seed = None,
    workers: Workers = None,
) -> None:
    """Run everything on real text that is already here: the documentation of Python and its installed packages."""
    from gemix.corpus.demo import write_demo_corpus

    settings = resolve(_flags(locals()) | {"inputs": [str(path) for path in write_demo_corpus(out / "corpus")]})
    folder = out / "run"
    _execute(folder, settings, False, Run.all, lambda: _report(folder))


def _stored(folder: Path) -> Path | None:
    path = folder / "config.yaml"
    return path if path.exists() else None


def _report(folder: Path) -> None:
    """Print the domain table and where the results lie."""
    _print_table(folder / "domains.csv")
    for path, what in (
        ("labels/", "the domain of every document, one Parquet file a corpus file"),
        ("domains.csv", "documents and tokens of every domain"),
        ("taxonomy.md", "the domains for people: keywords and representatives"),
        ("student/", "the classifier; label more with `gemix label`"),
        ("run.json", "what was done with what"),
    ):
        print(f"{folder / path}  {what}")


def _print_table(domains: Path) -> None:
    import csv

    from rich.console import Console
    from rich.table import Table

    with open(domains, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    total = sum(int(row["documents"]) for row in rows) or 1
    tokens = sum(int(row["tokens"]) for row in rows) or 1
    table = Table("domain", "name", "documents", "share", "of uniform", "tokens", "token share", box=None)
    for column in table.columns[2:]:
        column.justify = "right"
    for row in sorted(rows, key=lambda row: -int(row["documents"])):
        share = int(row["documents"]) / total
        table.add_row(
            row["domain"],
            row["name"],
            f"{int(row['documents']):,}",
            f"{share:.1%}",
            f"{share * len(rows):.2f}",
            f"{int(row['tokens']):,}",
            f"{int(row['tokens']) / tokens:.1%}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


app.command()(command(ValueError, extra="train")(cli_sweep.sweep))
app.add_typer(cli_mix.app, name="mix")
app.command()(command()(cli_export.export))
app.command()(command()(cli_export.sample))


def main() -> None:
    """Entry point of the `gemix` command."""
    app()
