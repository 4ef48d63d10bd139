"""The command that puts mixtures one after another: `gemix mix phases`."""

from pathlib import Path
from typing import Annotated

import typer

from gemix.cli.mix_common import Budget, MaxEpochs, mix_command
from gemix.cli.table import print_table
from gemix.runtime.progress import say


@mix_command
def phases(
    mixtures: Annotated[list[Path], typer.Argument(help="mixture.json of every phase, in order", show_default=False)],
    at: Annotated[
        list[float],
        typer.Option("--at", help="share of the budget at which the next begins; once fewer", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="the mixture, JSON")] = Path("mixture.json"),
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
) -> None:
    """Put mixtures one after another: a training in phases, with caps and epochs over the whole.

    Example: `gemix mix phases A.json B.json --at 0.9 --out mixture.json`
    """
    from gemix.mix.domain_ids import shown
    from gemix.mix.formats import mixture_json
    from gemix.mix.phases import join_phases
    from gemix.runtime.atomic import write_text

    parts = []
    for path in mixtures:
        try:
            parts.append(mixture_json.parse(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    joined = join_phases(parts, at, None if budget is None else round(budget), max_epochs)
    write_text(out, mixture_json.dump(joined))
    rows = [
        (
            shown(entry.domain, entry.name),
            *(f"{phase.weights[k]:.2%}" for phase in joined.phases),
            f"{entry.weight:.2%}",
            "" if entry.epochs is None else f"{entry.epochs:.2f}",
        )
        for k, entry in enumerate(joined.domains)
    ]
    heads = [f"{path.name} ({phase.share:.0%})" for path, phase in zip(mixtures, joined.phases, strict=True)]
    print_table(("domain", *heads, "whole", "epochs"), rows)
    say(f"{out}: {len(joined.phases):,} phases of {len(joined.domains):,} domains")
