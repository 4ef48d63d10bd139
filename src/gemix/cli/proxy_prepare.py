"""`gemix proxy prepare`: a labelled corpus becomes the tokens that proxies train on and are judged by."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemix.cli.by_domain import RankOption, Ray, Workers, WorldSize, find_launcher, say_rank
from gemix.cli.options import LabelledInputs
from gemix.cli.table import print_table
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.corpus.shards import Shard
    from gemix.proxy.dataset import ProxyData


def prepare(
    labels: Annotated[Path, typer.Option("--labels", help="folder of the corpus's labels", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="folder of the data, made if it is not there", show_default=False)
    ],
    inputs: LabelledInputs = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option("--tokenizer", help="the tokenizer.json that counted the labels", show_default="that of the run"),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--end", help="end-of-text token of the tokenizer.json", show_default="<|endoftext|> or the like"),
    ] = None,
    held_out: Annotated[
        float, typer.Option("--held-out", help="share of the documents that nothing is trained on")
    ] = 0.05,
    valid_tokens: Annotated[
        int, typer.Option("--valid-tokens", min=1, help="tokens of a validation set, at most")
    ] = 100_000,
    valid: Annotated[
        list[str] | None,
        typer.Option(
            "--valid",
            metavar="NAME=INPUT",
            help="a further validation set: any corpus file, folder or glob, with the same columns; repeatable",
            show_default="one per domain, of held-out documents",
        ),
    ] = None,
    workers: Workers = None,
    rank: RankOption = None,
    world_size: WorldSize = None,
    ray: Ray = None,
) -> None:
    """Tokenise a labelled corpus by domain: training text, and validation sets of held-out documents.

    What all proxies read: see docs/proxy-data.md. Finished data are left alone; interrupted, the same command goes on.

    Example: `gemix proxy prepare corpus/ --labels run/labels --out proxy/ --valid law=target.jsonl.zst`
    """
    from gemix.cli.export import inputs_of_run
    from gemix.corpus.shards import refuse_overlap, resolve_shards
    from gemix.labels.labelled import domains_of
    from gemix.proxy.prepare import PrepareSettings, prepare_data

    given = inputs or inputs_of_run(labels.parent)
    shards = resolve_shards(given)
    refuse_overlap(shards, given, out)
    settings = PrepareSettings(tokenizer, end, held_out, valid_tokens)
    launcher = find_launcher(workers, rank, world_size, ray)
    data = prepare_data(shards, labels, out, settings, _targets(valid or []), launcher)
    if data is None:
        say_rank(launcher.rank)
        return
    _print(data, domains_of(labels)[0].titles or [])
    tokens = sum(part.tokens for part in data.domains)
    say(f"{out}: {len(data.domains):,} domains, {tokens:,} tokens; {len(data.valid):,} validation sets")


def _targets(options: list[str]) -> "dict[str, list[Shard]]":
    from gemix.corpus.shards import resolve_shards

    found: dict[str, list[Shard]] = {}
    for option in options:
        name, equals, source = option.partition("=")
        if not (equals and name and source):
            raise GemixError(f"--valid {option}: give NAME=INPUT")
        if name in found:
            raise GemixError(f"--valid {option}: two validation sets have this name")
        found[name] = resolve_shards([source])
    return found


def _print(data: "ProxyData", names: Sequence[str]) -> None:
    from itertools import zip_longest

    from gemix.mix.domain_ids import shown

    rows = []
    train = {part.name: part for part in data.domains}
    for held, title in zip_longest(data.valid, names):
        part = train.get(held.name)
        own = (
            ("", "", "")
            if part is None
            else (f"{part.documents:,}", f"{part.tokens:,}", f"{part.bytes / part.tokens:.2f}")
        )
        rows.append((shown(held.name, title), *own, f"{held.documents:,}", f"{held.tokens:,}"))
    print_table(("domain", "documents", "tokens", "bytes/token", "validation documents", "tokens"), rows)
