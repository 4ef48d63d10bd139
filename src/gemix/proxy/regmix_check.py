"""What RegMix's choice is worth: ranked on runs that were not fitted, and trained beside the natural mixture."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gemix.mix.box import Box, Floats, project
from gemix.mix.objective import Objective
from gemix.mix.partition import Partition
from gemix.mix.surrogates.validate import interval, spearman
from gemix.mix.tables import RunTable
from gemix.proxy.swarm import Swarm


@dataclass(frozen=True)
class HeldOut:
    """Quality of the fit on runs that it has not seen.

    Attributes:
        runs: how many.
        spearman: rank correlation between predicted and true objective.
        low, high: its 95 % interval, by the bootstrap over runs.
        rmse: root mean squared error.

    """

    runs: int
    spearman: float
    low: float
    high: float
    rmse: float


def validate(goal: Objective, held_out: RunTable, targets: Sequence[str], seed: int = 0) -> HeldOut | None:
    """Return how well a fitted objective ranks the held-out runs; None if there are fewer than three.

    Args:
        goal: fitted to other runs.
        held_out: of `gather`.
        targets: in the order of the goal's predictors.
        seed: of the bootstrap.

    """
    if len(held_out.ids) < 3:
        return None
    true, predicted = _true(goal, held_out, targets), goal(held_out.W)
    low, high = interval(predicted[None], true, seed)
    rmse = float(np.sqrt(np.mean((predicted - true) ** 2)))
    return HeldOut(len(true), float(spearman(predicted, true)), low, high, rmse)


@dataclass(frozen=True)
class Check:
    """The chosen and the natural mixture, trained: predicted against true objective, lower is better.

    Attributes:
        predicted, predicted_std, true: of the chosen mixture.
        natural_predicted, natural: of the natural one.
        best_run: least true objective among the fitted runs.

    """

    predicted: float
    predicted_std: float
    true: float
    natural_predicted: float
    natural: float
    best_run: float

    @property
    def beats_natural(self) -> bool:
        """Whether the chosen mixture has the lower true objective."""
        return self.true < self.natural

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self) | {"beats_natural": self.beats_natural}


def check(
    swarm: Swarm,
    partition: Partition,
    box: Box,
    chosen: Floats,
    goal: Objective,
    table: RunTable,
    targets: Sequence[str],
) -> Check:
    """Train the chosen and the natural mixture in the swarm's folder and compare them with what was predicted.

    Args:
        swarm: of `gather`.
        partition: the domains.
        box: where mixtures lie; the natural one is projected to it.
        chosen: (K,) weights.
        goal: the fitted objective.
        table: the fitted runs.
        targets: in the order of the goal's predictors.

    Raises:
        GemixError: as `Swarm.train`.

    """
    # Another choice is another run: its id hangs on its weights.
    name = f"best-{hashlib.sha256(np.round(chosen, 12).tobytes()).hexdigest()[:8]}"
    mixtures = np.stack([chosen, project(partition.shares, box)])
    trained = swarm.train(RunTable([name, "natural"], partition.keys, mixtures)).table
    true, (predicted, stds) = _true(goal, trained, targets), goal.predict(mixtures)
    return Check(
        predicted=float(predicted[0]),
        predicted_std=float(stds[0]),
        true=float(true[0]),
        natural_predicted=float(predicted[1]),
        natural=float(true[1]),
        best_run=float(_true(goal, table, targets).min()),
    )


def _true(goal: Objective, table: RunTable, targets: Sequence[str]) -> Floats:
    return goal.of(table.targets(targets)[1])
