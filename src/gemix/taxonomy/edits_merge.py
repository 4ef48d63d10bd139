"""Domains that people join: the entry of one says which other it is part of, and labels stay as they are."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.errors import GemixError
from gemix.taxonomy.edits_file import Edit, Edits, domain_label
from gemix.taxonomy.model import Taxonomy


def heads(domains: Mapping[int, Edit], count: int) -> NDArray[np.intp]:
    """Return the domain that each of `count` domains counts as, (count,): itself, or the end of its merges.

    The label of a document in the coarser partition is `heads[label]`. The edits must have passed `check_merges`.
    """
    head = np.arange(count)
    for id in domains:
        at = id
        while (into := domains[at].merge if at in domains else None) is not None:
            at = into
        head[id] = at
    return head


def check_merges(edits: Edits, count: int) -> None:
    """Check what is said of merges in a run of `count` domains.

    Raises:
        GemixError: a domain is merged into one that is not there, into itself, in a circle, or though it is excluded;
            the sentence has file and line.

    """
    for id, edit in edits.domains.items():
        if edit.merge is None:
            continue
        what = f"{edits.path}, line {edit.line}: {domain_label(id)}" if edit.line else domain_label(id)
        if edit.merge >= count:
            raise GemixError(f"{what} is merged into {edit.merge}, which is not there: domains are 0 to {count - 1}")
        if edit.exclude:
            raise GemixError(f"{what} is excluded and part of {domain_label(edit.merge)}: it can be one of them")
        path = [id]
        while (into := edits.domains.get(path[-1], Edit()).merge) is not None:
            path.append(into)
            if into == id:
                shown = " into ".join(map(domain_label, path))
                raise GemixError(f"{what} is merged in a circle: {shown}")
            if into in path[:-1]:
                break  # a circle further on, which its own entries tell


def cut_merges(taxonomy: Taxonomy, nodes: int) -> dict[int, int]:
    """Return the domain that each domain joins so that `nodes` are left: the largest under its node of the tree.

    Raises:
        GemixError: the taxonomy has no tree, or cannot be cut into so many nodes.

    """
    from gemix.taxonomy.tree import cut  # its room compiles, and who only reads names need not wait for that

    if taxonomy.tree is None:
        raise GemixError("the taxonomy has no tree: `gemix name` makes one")
    try:
        of_leaf = cut(taxonomy.tree, nodes).of_leaf
    except ValueError as error:
        raise GemixError(str(error)) from None
    largest: dict[int, int] = {}
    for domain in sorted(taxonomy.domains, key=lambda domain: (-domain.documents, domain.id)):
        largest.setdefault(int(of_leaf[domain.id]), domain.id)
    return {k: largest[node] for k, node in enumerate(of_leaf.tolist()) if largest[node] != k}
