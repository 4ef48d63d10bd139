"""A mixture with a fitted surrogate in a run folder, as `gemix mix regmix` writes it."""

import hashlib
from pathlib import Path

import numpy as np

from gemix.mix import surrogate_json
from gemix.mix.box import make_box, project
from gemix.mix.formats import mixture_json
from gemix.mix.grounds import Grounds
from gemix.mix.objective import Objective
from gemix.mix.partition import read_partition
from gemix.mix.result import make_mixture
from gemix.mix.surrogates import cross_validate, surrogate
from gemix.runtime.atomic import write_text


def runs(n: int = 40, domains: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    W = random.dirichlet(np.full(domains, 0.7), n)
    return W, 2 + np.exp(-2 * np.sqrt(W[:, 0])) + 0.3 * W[:, 1] + 0.01 * random.standard_normal(n)


def write_mixture(run: Path, kind: str = "gp", budget: int | None = 10**6, n: int = 40, cap: float = 0.6) -> None:
    """Put a mixture with a fitted surrogate over the run's own domains into the run folder, as `gemix mix` does."""
    partition = read_partition(run / "domains.csv")
    W, y = runs(n, len(partition.names))
    model = surrogate(kind).fit(W, y)
    goal = Objective([model], np.ones(1), "mean", np.array([y.mean()]), np.array([y.std()]))
    box = make_box(partition.keys, cap=np.full(len(partition.names), cap))
    fitted = surrogate_json.dump(goal, ["valid_loss"], box)
    write_text(run / "mixture.surrogate.json", fitted)
    weights = project(np.arange(1.0, len(partition.names) + 1), box)
    check = {"target": "valid_loss", "weight": 1.0} | cross_validate("linear", W, y).to_dict()
    quality = {"kind": kind, "objective": "mean", "targets": [check], "predicted": float(goal(weights[None])[0])}
    quality["sha256"] = hashlib.sha256(fitted.encode()).hexdigest()
    why = Grounds(verdict="unproven", reason="made for a test")
    made = make_mixture("regmix", weights, partition, why, budget, box, quality)
    write_text(run / "mixture.json", mixture_json.dump(made))
