"""The commands that move between levels of the tree: `cut`, and `mix expand` back to the domains."""

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemix.cli.command import command
from gemix.cli.mix_common import Job, Plot, finish, mix_command, sha256
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.mix.partition import Partition
    from gemix.taxonomy import Taxonomy


def cut(
    run: Annotated[Path, typer.Argument(help="run folder", show_default=False)],
    nodes: Annotated[int, typer.Option("--nodes", "-n", min=1, help="how many", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="table of the nodes, CSV", show_default="RUN/domains-NODES.csv")
    ] = None,
    domains: Annotated[
        Path | None,
        typer.Option(help="table of the domains with the tokens to count", show_default="RUN/domains.csv"),
    ] = None,
) -> None:
    """Cut the tree of the domains into fewer, coarser ones, to mix these.

    Writes a table that `gemix mix` reads as it is, and beside it the domains with their nodes (.leaves.csv), by which
    `gemix mix expand` turns a mixture of nodes into one of domains.

    Example: `gemix cut run/ --nodes 8 --out domains-8.csv`
    """
    from gemix.mix.domain_ids import domain_key, domain_number, find_domains
    from gemix.mix.levels import coarsen
    from gemix.mix.partition import read_partition, write_partition
    from gemix.run.folder import RunFolder
    from gemix.runtime.atomic import write_text
    from gemix.taxonomy.edits import named_taxonomy

    source = domains or RunFolder(run).domains
    if domains is None and not source.exists():
        raise GemixError(f"{source} is not there: `gemix run` makes it, or give the one of your labels by --domains")
    partition = read_partition(source)
    taxonomy = named_taxonomy(run)
    owners = _owners(taxonomy, nodes, run)
    places = find_domains(partition.keys, [domain_key(k) for k in range(len(owners))], taxonomy.names)
    numbers = [place for place in places if place is not None]
    if sorted(numbers) != list(range(len(owners))):
        stranger = next((key for key, place in zip(partition.keys, places, strict=True) if place is None), None)
        what = f"{stranger!r} is no domain of the run" if stranger else "not every domain of the run is in it"
        raise GemixError(f"{source} is no table of the domains of {run}: {what}")
    names = [*taxonomy.names, *(node.name for node in taxonomy.tree.nodes)] if taxonomy.tree else taxonomy.names
    titles = {domain_key(node): names[node] for node in owners}
    of_domain = [domain_key(owners[number]) for number in numbers]
    table = out or run / f"domains-{nodes}.csv"
    leaves = table.with_suffix(".leaves.csv")
    coarse = coarsen(partition, of_domain, titles)
    write_text(leaves, _with_nodes(source, [str(domain_number(node)) for node in of_domain]))
    write_text(table, write_partition(coarse))
    _print(coarse, partition, of_domain)
    say(f"{table}: {nodes:,} nodes; {leaves}: the domains in them")


@mix_command
def expand(
    mixture: Annotated[Path, typer.Argument(help="mixture.json over nodes", show_default=False)],
    leaves: Annotated[
        Path,
        typer.Argument(help="table of the domains with a column node, as `gemix cut` writes it", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="the mixture, JSON")] = Path("mixture.json"),
    plot: Plot = None,
) -> None:
    """Turn a mixture of nodes into one of their domains, in proportion to the tokens inside each node.

    Example: `gemix mix expand mixture-8.json domains-8.leaves.csv --out mixture.json`
    """
    from gemix.mix.formats import mixture_json
    from gemix.mix.grounds import by_hand
    from gemix.mix.levels import expand as expand_weights
    from gemix.mix.levels import read_nodes

    try:
        coarse = mixture_json.parse(mixture.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{mixture}: {error}") from None
    partition, nodes = read_nodes(leaves)
    weights = dict(zip(coarse.keys, coarse.weights.tolist(), strict=True))
    try:
        fine = expand_weights(weights, partition, nodes)
    except ValueError as error:
        raise ValueError(f"{mixture} and {leaves}: {error}") from None
    facts = {"expanded_sha256": sha256(mixture), "nodes": len(weights), "of_nodes": coarse.provenance}
    why = coarse.grounds or by_hand(f"expanded from {mixture.name}")
    epochs = coarse.provenance.get("max_epochs")
    job = Job(partition, partition.box(), out, coarse.budget_tokens, epochs, (), plot, False)
    finish(job, coarse.strategy, why, fine, facts)


def _owners(taxonomy: "Taxonomy", nodes: int, run: Path) -> list[int]:
    """Return the node of every domain, by numbers."""
    from gemix.taxonomy import cut as cut_tree

    if taxonomy.tree is None:
        raise GemixError(f"the taxonomy of {run} has no tree: `gemix name` makes one")
    try:
        owners: list[int] = cut_tree(taxonomy.tree, nodes).of_leaf.tolist()
    except ValueError as error:
        raise GemixError(f"--nodes: {error}") from None
    return owners


def _with_nodes(source: Path, nodes: Sequence[str]) -> str:
    """Return a table of domains with their nodes in a further column; all else stays as it is."""
    from gemix.mix.levels import NODE
    from gemix.mix.partition import read_csv

    rows, columns = read_csv(source, source.read_bytes())
    text = io.StringIO()
    table = csv.DictWriter(text, list(dict.fromkeys([*columns, NODE])), lineterminator="\n")
    table.writeheader()
    table.writerows([row | {NODE: node} for (_, row), node in zip(rows, nodes, strict=True)])
    return text.getvalue()


def _print(coarse: "Partition", fine: "Partition", nodes: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("node", "token share", "tokens", "domains", box=None)
    table.columns[1].justify = table.columns[2].justify = "right"
    for n in (-coarse.tokens).argsort(kind="stable").tolist():
        under = [name for name, node in zip(fine.names, nodes, strict=True) if node == coarse.keys[n]]
        table.add_row(coarse.names[n], f"{coarse.shares[n]:.1%}", f"{coarse.tokens[n]:,}", ", ".join(under))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


app = typer.Typer()
app.command()(command(ValueError, extra="train")(cut))
