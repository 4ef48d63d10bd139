"""The chain and its stages as commands: thin shells, one option for one setting."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemix.cli.command import command
from gemix.cli.options import (
    Balance,
    BalanceBy,
    Centre,
    Clusters,
    Config,
    Count,
    DateKey,
    DryRun,
    Embedder,
    IdKey,
    Inputs,
    LLMBaseURL,
    LLMModel,
    MaxBad,
    Out,
    Representatives,
    RepresentativesBy,
    RunArgument,
    Sample,
    SampleBytes,
    Seed,
    Solver,
    SourceKey,
    Starts,
    StudentKind,
    StudentSample,
    Target,
    Temper,
    TextKey,
    TokenizerName,
    Tolerance,
    WindowSize,
    Workers,
    flags,
)
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.chain import Run

app = typer.Typer()


def _execute(
    run: "Run",
    stages: Callable[["Run"], None],
    dry_run: bool,
    stage: str | None = None,
    after: Callable[[], None] | None = None,
) -> None:
    say(run.config(stage or "embed").to_yaml())
    if stage is not None and (others := run.unused(stage)):
        say(f"note: {', '.join(others)} are settings of other stages: give them the file, too")
    if dry_run:
        _plan(run)
        return
    from gemix.runtime.lock import folder_lock

    with folder_lock(run.paths.root):
        run.clean()
        stages(run)
    if after:
        after()


def _plan(run: "Run") -> None:
    """Print what there is to read and which stages would run."""
    from gemix.chain import PLANS
    from gemix.cli.files import print_files

    config = run.config("embed")
    print_files(run.shards, config.text_key, config.id_key, run.config("label").source_key)
    current = True
    for name, plan in PLANS.items():
        current = current and name in run.ledger.content["stages"] and run.ledger.is_current(plan(run))
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
    source_key: SourceKey = None,
    date_key: DateKey = None,
    max_bad_fraction: MaxBad = None,
    tokenizer: TokenizerName = None,
    seed: Seed = None,
    sample: Sample = None,
    sample_bytes: SampleBytes = None,
    window: WindowSize = None,
    embedder: Embedder = None,
    centre: Centre = None,
    clusters: Clusters = None,
    balance: Balance = None,
    balance_by: BalanceBy = None,
    target: Target = None,
    temper: Temper = None,
    solver: Solver = None,
    tol: Tolerance = None,
    n_init: Starts = None,
    representatives: Representatives = None,
    representatives_by: RepresentativesBy = None,
    llm_base_url: LLMBaseURL = None,
    llm_model: LLMModel = None,
    student_kind: StudentKind = None,
    student_sample: StudentSample = None,
    count: Count = None,
    workers: Workers = None,
) -> None:
    """Do everything: from a corpus to named domains on every document. Run it again to resume.

    Example: `gemix run "corpus/*.jsonl.zst" --out run/ --clusters 24`
    """
    from gemix.chain import Run, run_all

    _execute(Run(out, flags(locals()), config), run_all, dry_run, after=lambda: _report(out))


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
    tokenizer: TokenizerName = None,
    seed: Seed = None,
    sample: Sample = None,
    sample_bytes: SampleBytes = None,
    window: WindowSize = None,
    embedder: Embedder = None,
    centre: Centre = None,
    workers: Workers = None,
) -> None:
    """Stage 1: sample the corpus by a hash of the places and embed the sample."""
    from gemix.chain import Run
    from gemix.chain.embed import embed as stage

    _execute(Run(out, flags(locals()), config), stage, dry_run, "embed")


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
    tol: Tolerance = None,
    n_init: Starts = None,
    seed: Seed = None,
) -> None:
    """Stage 2: fit the teacher, a balanced von Mises-Fisher mixture, to the embeddings of a run."""
    from gemix.chain import Run
    from gemix.chain.fit import fit as stage

    _execute(Run(run, flags(locals()), config), stage, dry_run, "fit")


@app.command()
@command()
def name(
    run: RunArgument,
    config: Config = None,
    dry_run: DryRun = False,
    representatives: Representatives = None,
    representatives_by: RepresentativesBy = None,
    llm_base_url: LLMBaseURL = None,
    llm_model: LLMModel = None,
) -> None:
    """Stage 3: choose representatives of every domain and name it: taxonomy.json, taxonomy.md, audit.parquet.

    Keywords make the names, or a language model: `gemix name run/ --llm-base-url http://localhost:8000/v1 --llm-model
    NAME`. With `--dry-run` the prompts are printed, with an estimate of their tokens, and nothing is sent.
    """
    from gemix.chain import Run
    from gemix.chain.name import name as stage
    from gemix.chain.name import prompts

    found = Run(run, flags(locals()), config)
    _execute(found, stage, dry_run, "name")
    if dry_run:
        for part in prompts(found):
            print(part)


@app.command()
@command()
def distill(
    run: RunArgument,
    config: Config = None,
    dry_run: DryRun = False,
    student_kind: StudentKind = None,
    student_sample: StudentSample = None,
    workers: Workers = None,
) -> None:
    """Stage 4: train the student on the teacher's labels and measure it on held-out documents.

    More documents make a more faithful student: `gemix distill run/ --student-sample 50000` embeds as many more of the
    corpus and lets the teacher label them.
    """
    from gemix.chain import Run
    from gemix.chain.distill import distill as stage

    _execute(Run(run, flags(locals()), config), stage, dry_run, "distill")


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
    from gemix.chain import Run, run_all
    from gemix.corpus.demo import write_demo_corpus

    settings = flags(locals()) | {"inputs": [str(path) for path in write_demo_corpus(out / "corpus")]}
    folder = out / "run"
    _execute(Run(folder, settings), run_all, False, after=lambda: _report(folder))


def _report(folder: Path) -> None:
    """Print the domain table and where the results lie."""
    from gemix.report.domains import domain_rows
    from gemix.report.terminal import print_domains

    print_domains(domain_rows(folder))
    for path, what in (
        ("labels/", "the domain of every document, one Parquet file a corpus file"),
        ("domains.csv", "documents and tokens of every domain"),
        ("taxonomy.md", "the domains for people: keywords and representatives"),
        ("student/", "the classifier; label more with `gemix label`"),
        ("run.json", "what was done with what"),
    ):
        print(f"{folder / path}  {what}")
    print(f"See them in a browser: gemix report {folder}")
