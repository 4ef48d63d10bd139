"""What the page begins with: the corpus, the domains and how good they are, in a few numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from gemix.report import read
from gemix.report.text import plain
from gemix.runtime.version import __version__


def overview(run: Path) -> dict[str, Any]:
    """Return title, tiles and notices of the page, and the place of each domain in the order of the tree."""
    domains = read.taxonomy(run)
    counted = read.counts(run)
    measured = read.evaluation(run)
    config = read.settings(run)
    k = len(domains.domains)
    by = counted.documents if config.balance_by == "documents" else counted.tokens
    relative = by / max(by.sum(), 1) * k
    tiles = [
        _tile("domains", f"{k:,}"),
        _tile("documents", f"{counted.documents.sum():,}", "labelled" if counted.corpus else "of the seed sample"),
        _tile(
            "tokens",
            short(int(counted.tokens.sum())),
            f"by {plain(config.tokenizer, 80)}" if config.tokenizer else "by the run's tokenizer",
        ),
        _tile("read by the teacher", f"{domains.documents:,}", "documents"),
        _tile("smallest domain", f"{relative.min():.2f}", f"of uniform, by {config.balance_by}"),
        _tile("largest domain", f"{relative.max():.2f}", f"of uniform, by {config.balance_by}"),
    ]
    if measured:
        tiles.append(_tile("student agrees", f"{measured.top1:.1%}", f"top 3: {measured.top3:.1%}"))
    notices = []
    if not counted.corpus:
        notices.append("The corpus is not labelled by a student of this teacher: all counts are of the seed sample.")
    return {
        "title": plain(run.resolve().name, 80),
        "subtitle": f"{k:,} domains of {', '.join(plain(path, 80) for path in config.inputs[:3])}"
        + (f" and {len(config.inputs) - 3:,} more" if len(config.inputs) > 3 else ""),
        "count": k,
        "tiles": tiles,
        "notices": notices,
        "order": order(run),
        "version": __version__,
    }


def order(run: Path) -> list[int]:
    """Return the place of each domain, (K,), when the leaves of the tree are read from one side to the other."""
    domains = read.taxonomy(run)
    k = len(domains.domains)
    nodes = domains.tree.nodes if domains.tree else []
    if not nodes:
        return list(range(k))
    leaves, stack = [], [nodes[-1].id]
    while stack:
        node = stack.pop()
        if node < k:
            leaves.append(node)
        else:
            stack += reversed(nodes[node - k].children)
    return [int(place) for place in np.argsort(leaves)]


def short(number: int) -> str:
    """Return a count as people say it: 5.0 M."""
    for size, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:,}"


def _tile(what: str, value: str, note: str = "") -> dict[str, str]:
    return {"what": what, "value": value, "note": note}
