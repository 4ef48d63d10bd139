"""`gemix mix reuse`: an old mixture over new domains."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gemix.cli.mix_common import (
    AsJSON,
    Budget,
    Groups,
    MaxEpochs,
    Out,
    Plot,
    Source,
    begin,
    carried,
    finish,
    mix_command,
    read_weights_of,
    sha256,
)
from gemix.runtime.progress import say


@mix_command
def reuse(
    mixture: Annotated[Path, typer.Argument(help="the old mixture.json", show_default=False)],
    source: Source,
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
    out: Out = None,
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
    plot: Plot = None,
    as_json: AsJSON = False,
) -> None:
    """Keep an old mixture's ratios among the domains that did not change, and recompute the rest.

    Example: `gemix mix reuse old/mixture.json run/ --split "science=physics,biology"`
    """
    from gemix.mix import reuse as reusing
    from gemix.mix.partition import write_partition
    from gemix.runtime.atomic import write_text

    job = begin(source, out, max_epochs, budget, group, plot, as_json)
    partition, box = job.partition, job.box
    found = reusing.match(read_weights_of(mixture, partition), partition, _splits(split or []))
    if reduced is not None:
        small, _ = reusing.reduce(found, box)
        write_text(reduced, write_partition(small))
        say(f"{reduced}: {len(small.keys):,} domains, {reusing.VIRTUAL} stands for {len(found.kept):,}")
        return
    weights = reusing.carry(found, box) if solved is None else reusing.expand(found, read_weights_of(solved))
    if solved is not None and not box.contains(weights):
        say("warning: the expanded mixture leaves the caps and floors of the new table")
    why, facts = carried(mixture)
    if solved is not None:
        facts["solved_sha256"] = sha256(solved)
    finish(job, "reuse", why, weights, facts)


def _splits(texts: Sequence[str]) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    for text in texts:
        parent, sign, children = text.partition("=")
        names = [child.strip() for child in children.split(",") if child.strip()]
        if not sign or not names or parent.strip() in splits:
            raise ValueError(f"--split is OLD=NEW1,NEW2, once for every old domain, not {text!r}")
        splits[parent.strip()] = names
    return splits
