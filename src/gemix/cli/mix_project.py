"""`gemix mix project`: a mixture onto another partition of the same documents."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
)
from gemix.runtime.progress import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gemix.mix.mixture import Mixture
    from gemix.mix.partition import Partition


@mix_command
def project(
    mixture: Annotated[Path, typer.Argument(help="mixture.json over other domains", show_default=False)],
    source: Source,
    of: Annotated[
        Path,
        typer.Option(
            "--from",
            help="where its domains are: their run folder, their labels, or a table of domains with a column node (the "
            "leaves of merged domains)",
            show_default=False,
        ),
    ],
    out: Out = None,
    max_epochs: MaxEpochs = None,
    budget: Budget = None,
    group: Groups = None,
    plot: Plot = None,
    as_json: AsJSON = False,
) -> None:
    """Carry a mixture onto another partition of the same documents: merged, split, renamed or fitted anew.

    Every domain gives its weight to the new ones as its documents lie in them; caps and floors are those of the new
    table. Budget and epochs are those of the mixture where you give no others. Nobody has compared the result with
    natural shares: unproven.

    Example: `gemix mix project merged.json run/ --from run/domains-merged.leaves.csv`

    Example: `gemix mix project old/mixture.json new/ --from old/`
    """
    from gemix.mix.box import project as into
    from gemix.mix.formats import mixture_json
    from gemix.mix.project import carry_over

    try:
        told = mixture_json.parse(mixture.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{mixture}: {error}") from None
    epochs = max_epochs or told.provenance.get("max_epochs")
    job = begin(source, out, epochs, budget or told.budget_tokens, group, plot, as_json)
    if of.suffix == ".csv":
        shared = _by_nodes(told, of, job.partition)
    else:
        shared = _by_documents(told, of, source, job.partition)
    why, facts = carried(mixture)
    finish(job, "project", why, into(carry_over(told.weights, shared, told.keys), job.box), facts)


def _by_nodes(told: "Mixture", leaves: Path, onto: "Partition") -> "NDArray[np.int64]":
    """Return the tokens that domains and the nodes that they were merged into share: (K, L), in either direction."""
    import numpy as np

    from gemix.mix.levels import read_nodes, shared_tokens

    fine, nodes = read_nodes(leaves)
    heads, shared = shared_tokens(fine, nodes)
    if set(told.keys) == set(heads) and set(onto.keys) == set(fine.keys):
        rows, columns, shared = heads, fine.keys, shared.T
    elif set(told.keys) == set(fine.keys) and set(onto.keys) == set(heads):
        rows, columns = fine.keys, heads
    else:
        raise ValueError(f"{leaves}: its domains and nodes are not those of the mixture and of the table")
    return shared[np.ix_([rows.index(key) for key in told.keys], [columns.index(key) for key in onto.keys])]


def _by_documents(told: "Mixture", of: Path, source: Path, onto: "Partition") -> "NDArray[np.int64]":
    import numpy as np

    from gemix.labels.overlap import overlap_of

    if not source.is_dir():
        raise ValueError(f"{source} is a table: documents are compared where labels are, give the run folder")
    folders = [folder / "labels" if (folder / "labels").is_dir() else folder for folder in (of, source)]
    found = overlap_of(*folders)
    told.refuse_other(found.old.identity)
    if alone := found.old_alone + found.new_alone:
        say(
            f"note: {found.old_alone:,} documents are in {folders[0]} alone and {found.new_alone:,} in {folders[1]} "
            f"alone, {alone / (alone + found.documents):.1%} of all; the first is {found.first_alone}"
        )
    if set(told.keys) != set(found.old.keys) or set(onto.keys) != set(found.new.keys):
        raise ValueError(f"the domains of {of} and {source} are not those of the mixture and of the table")
    rows = [found.old.keys.index(key) for key in told.keys]
    return found.bytes[np.ix_(rows, [found.new.keys.index(key) for key in onto.keys])]
