"""The commands for swarms in the user's own trainer: `swarm export` and `swarm collect`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemix.cli.mix_common import mix_command
from gemix.cli.numbers import COUNT
from gemix.cli.table import print_table
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.trainers.swarm import SwarmExport


@mix_command
def export(
    design: Annotated[
        Path,
        typer.Argument(
            metavar="DESIGN",
            help="mixtures of the runs: a CSV that `swarm design` wrote, or a folder with mixtures.csv",
            show_default=False,
        ),
    ],
    to: Annotated[
        str,
        typer.Option("--to", help="the trainer: megatron, olmo-core, torchtitan or hf-datasets", show_default=False),
    ],
    data: Annotated[Path, typer.Option("--data", help="data by domain, with index.json", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="folder of the runs, made if it is not there", show_default=False)
    ],
    proxy_tokens: Annotated[
        float | None,
        typer.Option("--proxy-tokens", help="tokens that a run sees: 400M", show_default="unknown", **COUNT),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            help="tokens of the real training: pools are cut so that a run repeats as often",
            show_default="whole pools",
            **COUNT,
        ),
    ] = None,
) -> None:
    """Write a swarm for your own trainer: one file a run, and a Slurm array script that trains them.

    Example: `gemix swarm export mixtures.csv --to megatron --data data/ --out runs/ --proxy-tokens 400M --budget 25B`
    """
    from gemix.mix.design_file import read_design
    from gemix.trainers.swarm import MIXTURES, SCRIPT, export_swarm

    mixtures = design / MIXTURES if (design / MIXTURES).is_file() else design
    tokens, total = (None if number is None else round(number) for number in (proxy_tokens, budget))
    done = export_swarm(
        mixtures,
        to,
        data,
        out,
        proxy_tokens=tokens,
        budget_tokens=total,
        design=read_design(mixtures.parent if mixtures.is_file() else mixtures),
    )
    _print_pools(done)
    say(f"{out}: {len(done.runs.ids):,} runs of {len(done.domains):,} domains for {to}")
    say(f"train them: sbatch {out / SCRIPT} COMMAND...")
    if done.pool_share is None:
        say("every run reads all data: --proxy-tokens and --budget together cut pools")


@mix_command
def collect(
    runs: Annotated[Path, typer.Argument(help="folder of `swarm export`", show_default=False)],
    metric: Annotated[
        list[str], typer.Option("--metric", help="a column of the results; may be repeated", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="CSV: run, a column a domain, a column a metric", show_default=False)
    ],
    results: Annotated[
        list[Path] | None,
        typer.Option(
            "--results",
            help="CSV, JSON lines, or a CSV that Weights & Biases exports; may be repeated",
            show_default="all .csv and .jsonl in the folders of the runs",
        ),
    ] = None,
) -> None:
    """Read what came out of the runs of your own trainer into a table, joined by the ids of the runs.

    Example: `gemix swarm collect runs/ --metric val_loss --results wandb_export.csv --out table.csv`
    """
    from gemix.mix.collect import SUFFIXES, collect_runs
    from gemix.mix.design_file import read_design, write_design
    from gemix.mix.read_runs import read_runs
    from gemix.mix.tables import listed, write_table
    from gemix.runtime.atomic import write_text
    from gemix.trainers.swarm import MIXTURES

    mixtures = read_runs(runs / MIXTURES)
    files: list[tuple[Path, str | None]] = [(path, None) for path in results or ()]
    if not results:
        files = [
            (path, name)
            for name in mixtures.ids
            for path in sorted((runs / name).glob("*"))
            if path.suffix.lower() in SUFFIXES
        ]
    if not files:
        raise ValueError(f"no .csv or .jsonl lies in the folders of the runs in {runs}: --results FILE")
    found = collect_runs(mixtures, files, metric)
    known = read_design(runs)
    if known is not None and read_design(out.parent) not in (None, known):
        raise ValueError(f"{out.parent} holds another design.json, which is of other runs: choose another folder")
    write_text(out, write_table(found.table))
    if known is not None:
        write_design(out.parent, known)
    say(f"{out}: {len(found.table.ids):,} of {len(mixtures.ids):,} runs, with {listed(metric)}")
    _say_names("missing, no result", found.missing)
    _say_names("failed", [f"{name} ({why})" for name, why in found.failed.items()])
    _say_names("repeated, the last result counts", found.repeated)
    _say_names("in no mixture, left out", found.unknown)


def _say_names(what: str, names: Sequence[str]) -> None:
    from gemix.mix.tables import listed

    if names:
        say(f"{what}: {len(names):,}: {listed(names, 20)}")


def _print_pools(done: "SwarmExport") -> None:
    epochs = [""] * len(done.domains) if done.epochs is None else [f"{value:.2f}" for value in done.epochs]
    rows = [
        (domain, name, f"{pool:,.0f}", often)
        for domain, name, pool, often in zip(done.domains, done.names, done.pools, epochs, strict=True)
    ]
    print_table(("domain", "name", "tokens of the pool", "most epochs of a run"), rows, text_columns=2)
