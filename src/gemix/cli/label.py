"""The command that labels a corpus with a trained student."""

from pathlib import Path
from typing import Annotated

import typer

from gemix.cli.command import command
from gemix.cli.options import (
    Config,
    Count,
    DateKey,
    IdKey,
    Inputs,
    MaxBad,
    SourceKey,
    TextKey,
    TokenizerName,
    Workers,
    flags,
)
from gemix.cli.paths import PATH_OR_URL
from gemix.run.settings import resolve
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say
from gemix.runtime.storage import local_copy


def label(
    student: Annotated[
        Path,
        typer.Option("--student", **PATH_OR_URL, help="folder of a trained student, or a URL", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            **PATH_OR_URL,
            help="folder of the labels, made if it is not there; or a URL",
            show_default=False,
        ),
    ],
    inputs: Inputs = None,
    config: Config = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print what would be read, and write nothing")] = False,
    text_key: TextKey = None,
    id_key: IdKey = None,
    source_key: SourceKey = None,
    date_key: DateKey = None,
    max_bad_fraction: MaxBad = None,
    tokenizer: TokenizerName = None,
    count: Count = None,
    workers: Workers = None,
    rank: Annotated[
        str | None,
        typer.Option(
            "--rank", help="label only this process's share: a number from 0, or auto (Slurm, Kubernetes, ...)"
        ),
    ] = None,
    world_size: Annotated[
        int | None, typer.Option("--world-size", min=1, help="number of ranks", show_default="that of the scheduler")
    ] = None,
    collect: Annotated[
        bool,
        typer.Option("--collect", help="label nothing: join and sum up what ranks have left; name what is missing"),
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option("--ray", help="label with a Ray cluster: its address, auto, or local to start one here"),
    ] = None,
) -> None:
    """Stage 5, for any corpus: label every document with a trained student; one sidecar a file, resumable.

    Example: `gemix label "web/*.parquet" --student run/student --out labels/ --workers 16`

    On many machines: `srun gemix label ... --rank auto`, then the same command once with `--collect` for `--rank auto`.
    """
    import os

    from gemix.chain.label import write_table
    from gemix.cli.files import print_files
    from gemix.corpus.shards import refuse_overlap, resolve_shards
    from gemix.labels import Launcher, Reading, find_rank, in_a_world, label_corpus
    from gemix.labels.reading import one_in
    from gemix.labels.stats import describe_left_out, remarks
    from gemix.labels.totals import describe_damage
    from gemix.report.terminal import print_domains, rows_of_table
    from gemix.student.names import read_names

    settings = resolve(flags(locals()), config)
    if rank is None and world_size is not None:
        raise GemixError("--world-size needs --rank")
    if sum((rank is not None, collect, ray is not None)) > 1:
        raise GemixError("--rank, --collect and --ray exclude each other")
    own = None if rank is None else find_rank(rank, world_size, os.environ)
    if not (own or collect or ray) and (world := in_a_world(os.environ)):
        say(f"this is a process of {world}, and labels everything alone; --rank auto would divide the files")
    shards = resolve_shards(settings.inputs)
    refuse_overlap(shards, settings.inputs, out)
    if dry_run:
        print_files(shards, settings.text_key, settings.id_key, settings.source_key)
        return
    result = label_corpus(
        shards,
        student,
        out,
        Reading(
            settings.text_key,
            settings.id_key,
            settings.source_key,
            settings.date_key,
            settings.tokenizer,
            one_in(settings.count),
        ),
        launcher=Launcher(settings.workers, own, ray, collect),
        max_bad_fraction=settings.max_bad_fraction,
    )
    who = f"{own}: " if own else ""
    say(f"{who}labelled {len(result.labelled):,} files now, {len(result.trusted):,} were done before")
    if result.damaged:
        say(describe_damage(result.damaged))
    if own:
        say("when all ranks are done: the same command with --collect in place of --rank")
        return
    names = read_names(student)
    path = write_table(result.totals, student, out)
    if result.stale:
        say(describe_left_out(result.stale))
    if result.totals.bad.total:
        say(f"{result.totals.bad.total:,} rows have no label:\n{result.totals.bad.describe()}")
    for remark in remarks(result.totals, student, names):
        say(remark)
    with local_copy(path) as table:
        print_domains(rows_of_table(table))


app = typer.Typer()
app.command()(command()(label))
