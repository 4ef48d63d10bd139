"""Sizes of the domains before and after balancing, and beside other methods."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemix.report import read
from gemix.report.baselines import load_baselines
from gemix.report.text import plain
from gemix.run.folder import RunFolder


def panel(run: Path) -> dict[str, Any]:
    """Return how large the domains are by each method, relative to uniform, and what balancing did to each domain.

    "Before" is the same teacher without its potentials: every document in the domain of its largest density. `methods`
    hold sizes from the largest to the smallest; `domains` have their own `before` and `after`.
    """
    from gemix.sphere import metrics

    domains = read.taxonomy(run).domains
    k, weights = len(domains), read.weights(run)
    X = read.seed(run, ["tokens"])[1]
    model = RunFolder(run).read_teacher()
    after = RunFolder(run).read_assignment().domains
    model.potentials_ = np.zeros(k)
    before = model.predict(X)
    masses = {
        "before balancing": metrics.masses(before, k, weights),
        "after balancing": metrics.masses(after, k, weights),
    }
    counted = read.counts(run)
    if counted.corpus:
        by = counted.documents if weights is None else counted.tokens
        masses["labelled corpus"] = by / max(int(by.sum()), 1)
    baselines = load_baselines(run)
    masses |= {found.name: np.array(found.masses) for found in baselines}
    fit = read.stages(run)["fit"]
    return {
        "by": read.settings(run).balance_by,
        "target": fit["settings"].get("target", "uniform"),
        "moved": float(np.mean(before != after)),
        "baselines": bool(baselines),
        "methods": [_method(name, sizes) for name, sizes in masses.items()],
        "domains": [
            {
                "name": plain(domain.name, 80),
                "before": float(masses["before balancing"][i]) * k,
                "after": float(masses["after balancing"][i]) * k,
            }
            for i, domain in enumerate(domains)
        ],
    }


def _method(name: str, masses: NDArray[np.float64]) -> dict[str, Any]:
    from gemix.sphere import metrics

    return {
        "name": name,
        "sizes": np.round(np.sort(masses)[::-1] * len(masses), 4).tolist(),
        "smallest": metrics.smallest_to_uniform(masses),
        "largest": metrics.largest_to_uniform(masses),
        "effective": metrics.effective_domains(masses),
        "entropy": metrics.normalized_entropy(masses),
    }
