"""The tree of the domains, by tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemix.report import read
from gemix.report.text import plain

if TYPE_CHECKING:
    from gemix.taxonomy import Domain
    from gemix.taxonomy.model import Node


def panel(run: Path) -> dict[str, Any]:
    """Return the nodes by id, leaves first, the root last; a run without a tree has all domains below the root.

    A node has `name`, `tokens`, `documents`, `keywords`, `children` (ids, none for a leaf) and `height` (what its merge
    cost: the nodes of a cut are found by opening the highest first).
    """
    domains = read.taxonomy(run)
    counted = read.counts(run)
    nodes = [
        _node(domain, int(counted.tokens[domain.id]), int(counted.documents[domain.id]), [], 0.0)
        for domain in domains.domains
    ]
    tree = domains.tree.nodes if domains.tree else []
    if tree:
        for inner in tree:
            below = [nodes[child] for child in inner.children]
            tokens, documents = (sum(node[key] for node in below) for key in ("tokens", "documents"))
            nodes.append(_node(inner, tokens, documents, inner.children, inner.height))
    else:
        nodes.append(
            {
                "name": "all domains",
                "tokens": int(counted.tokens.sum()),
                "documents": int(counted.documents.sum()),
                "keywords": [],
                "children": list(range(len(nodes))),
                "height": 1.0,
            }
        )
    return {"nodes": nodes, "corpus": counted.corpus, "tree": bool(tree)}


def _node(
    described: "Domain | Node", tokens: int, documents: int, children: Sequence[int], height: float
) -> dict[str, Any]:
    return {
        "name": plain(described.name, 80),
        "tokens": tokens,
        "documents": documents,
        "keywords": [plain(word, 40) for word in described.keywords[:8]],
        "children": list(children),
        "height": height,
    }
