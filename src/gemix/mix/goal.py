"""What runs are judged by: metrics, the direction in which each improves, and how they become one outcome."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gemix.mix.box import Floats
from gemix.mix.direction import Direction, direction
from gemix.mix.objective import combine


@dataclass(frozen=True)
class Goal:
    """One outcome of runs, made of their metrics.

    One metric is its own outcome, in its own unit and direction. Several are combined (see `gemix.mix.objective`) with
    those that rise counted negatively, and the outcome is to fall.

    Attributes:
        weights: metric -> weight, positive.
        directions: metric -> direction in which it improves.
        kind: "mean": the weighted sum; "worst": the largest, each standardised over the runs.

    Raises:
        ValueError: no metric, a weight that is not positive, or an unknown kind.

    """

    weights: Mapping[str, float]
    directions: Mapping[str, Direction]
    kind: Literal["mean", "worst"] = "mean"

    def __post_init__(self) -> None:
        if not self.weights:
            raise ValueError("a target is missing: the metric that is to improve")
        if self.kind not in ("mean", "worst"):
            raise ValueError(f"an objective is mean or worst, not {self.kind!r}")
        for name, weight in self.weights.items():
            if not 0 < weight < np.inf:
                raise ValueError(
                    f"the weight of target {name!r} must be positive, not {weight:g}; whether it rises or falls is "
                    "said by --maximise or --minimise"
                )

    @property
    def alone(self) -> bool:
        """Whether one metric is its own outcome."""
        return len(self.weights) == 1 and self.kind == "mean"

    @property
    def maximise(self) -> bool:
        """Whether the outcome improves as it rises."""
        return self.alone and self.directions[next(iter(self.weights))] == "up"

    @property
    def signed(self) -> Floats:
        """(T,) weights, negative for metrics that rise: a weighted sum of all is to fall."""
        signs = [-1.0 if self.directions[name] == "up" else 1.0 for name in self.weights]
        return np.array(signs) * np.array(list(self.weights.values()))

    def outcome(self, values: Floats, like: Floats | None = None) -> Floats:
        """Return the outcome of runs, (n,), from their metrics, (n, T); "worst" is standardised over `like`, (m, T)."""
        if self.alone:
            return values[:, 0]
        scaled = values if like is None else like
        return combine(values, self.signed, self.kind, scaled.mean(axis=0), scaled.std(axis=0))


def make_goal(
    weights: Mapping[str, float],
    maximise: Iterable[str] = (),
    minimise: Iterable[str] = (),
    kind: Literal["mean", "worst"] = "mean",
) -> Goal:
    """Return the goal; directions are stated, or known by a metric's name.

    Args:
        weights: metric -> weight.
        maximise: metrics that improve as they rise.
        minimise: metrics that improve as they fall.
        kind: see `Goal`.

    Raises:
        ValueError: a metric stands on both sides, or its direction is neither stated nor clear from its name.

    """
    up, down = set(maximise), set(minimise)
    if both := sorted(up & down):
        raise ValueError(f"{both[0]!r} cannot be maximised and minimised")
    directions: dict[str, Direction] = {}
    for name in weights:
        found: Direction | None = "up" if name in up else "down" if name in down else direction(name)
        if found is None:
            raise ValueError(
                f"whether {name!r} improves as it rises or falls is not clear from its name: add --maximise {name} or "
                f"--minimise {name}"
            )
        directions[name] = found
    return Goal(dict(weights), directions, kind)
