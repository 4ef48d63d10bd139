"""Where the runs have been: the part of the simplex in which a prediction stands on evidence."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from gemix.mix.box import Box, Floats
from gemix.mix.process import matern, matern_slope, squared_distances

WIDTH: Final = 0.5  # of the Matern process that measures distance from the runs, in sqrt(w)
JITTER: Final = 1e-2
QUANTILE: Final = 0.95
EDGE: Final = 1e-9


@dataclass(frozen=True)
class Region:
    """The region that runs span.

    A mixture is inside where every domain's weight is between the smallest and the largest of the runs, and where it is
    no farther from the runs than they are from each other: the standard deviation that a process through the runs has
    there is at most the 95th percentile of what it has at each run, left out. (A box alone admits corners far from all
    runs.) It depends on the mixtures alone, not on their outcomes.

    Attributes:
        runs: distinct mixtures, (n, K).
        low, high: (K,) smallest and largest weight of each domain over the runs.
        limit: largest standard deviation; 0 at a run, 1 far from all.
        reach: 1: the runs' own region; more: everything farther from their mean by this factor.

    """

    runs: Floats
    low: Floats
    high: Floats
    limit: float
    reach: float = 1.0

    @classmethod
    def of(cls, runs: Floats, reach: float = 1.0) -> "Region":
        """Return the region of runs, (n, K) on the simplex; copies do not matter.

        Raises:
            ValueError: a reach that is not positive and finite.

        """
        if not 0 < reach < np.inf:
            raise ValueError(f"the reach must be positive, not {reach}")
        distinct = np.unique(runs, axis=0)
        inverse = np.linalg.inv(_covariance(np.sqrt(distinct)))
        left_out = np.sqrt(np.clip(1 / np.diag(inverse) - JITTER, 0.0, 1.0))
        region = cls(distinct, distinct.min(axis=0), distinct.max(axis=0), 1.0)
        # A run is inside, however far from the others: its outcome is known.
        limit = max(float(np.quantile(left_out, QUANTILE)), float(region.spread(distinct).max()))
        return replace(region, limit=limit, reach=reach)

    @property
    def mean(self) -> Floats:
        """(K,) of the distinct runs."""
        return np.asarray(self.runs.mean(axis=0))

    def bounds(self) -> tuple[Floats, Floats]:
        """Return the smallest and largest weight of every domain, (K,) each, with the reach."""
        low = np.maximum(self.mean + self.reach * (self.low - self.mean), 0.0)
        return low, np.minimum(self.mean + self.reach * (self.high - self.mean), 1.0)

    def within(self, box: Box) -> Box | None:
        """Return the box of the weights that the region and `box` both allow; None where there are none."""
        low, high = self.bounds()
        try:
            return replace(box, floor=np.maximum(low, box.floor), cap=np.minimum(high, box.cap))
        except ValueError:
            return None

    def spread(self, W: Floats) -> Floats:
        """Return the standard deviation, (m,), of the process through the runs at mixtures, (m, K)."""
        x = np.sqrt(self._drawn_in(W))
        across = matern(squared_distances(x, np.sqrt(self.runs)), WIDTH)
        solved = cho_solve(self._factor, across.T)
        return np.sqrt(np.clip(1 - (across * solved.T).sum(axis=1), 0.0, 1.0))

    def contains(self, W: Floats, slack: float = 0.0) -> NDArray[np.bool_]:
        """Return which mixtures, (m, K), are inside, (m,) bool.

        Args:
            W: on the simplex.
            slack: share of a domain's range over the runs by which its weight may pass the range.

        """
        drawn = self._drawn_in(W)
        margin = slack * (self.high - self.low) + EDGE
        inside = np.all((drawn >= self.low - margin) & (drawn <= self.high + margin), axis=1)
        return np.asarray(inside & (self.spread(W) <= self.limit + 1e-6))

    def outside(self, w: Floats, slack: float = 0.0) -> int | None:
        """Return the domain whose weight is farthest out of range in a mixture, (K,); -1: distance; None: inside."""
        if self.contains(w[None], slack)[0]:
            return None
        drawn = self._drawn_in(w[None])[0]
        beyond = np.maximum(self.low - drawn, drawn - self.high) - slack * (self.high - self.low)
        return int(beyond.argmax()) if beyond.max() > EDGE else -1

    def room(self, x: Floats) -> tuple[float, Floats]:
        """Return limit^2 - spread^2 at the roots of one mixture, (K,), and its derivative by the roots."""
        drawn = self._drawn_in(x[None] ** 2)[0]
        root, X = np.sqrt(drawn), np.sqrt(self.runs)
        squared = ((root - X) ** 2).sum(axis=1)
        across = matern(squared, WIDTH)
        solved = cho_solve(self._factor, across)
        pulled = 2 * solved * matern_slope(squared, WIDTH) * 2
        by_root = pulled.sum() * root - pulled @ X
        by_weight = by_root / (2 * np.maximum(root, 1e-6)) / self.reach
        return self.limit**2 - (1 - float(across @ solved)), by_weight * 2 * x

    def _drawn_in(self, W: Floats) -> Floats:
        """Return the mixtures nearer to the mean by the reach: inside the runs' own region if W is in this one."""
        return W if self.reach == 1 else np.maximum(self.mean + (W - self.mean) / self.reach, 0.0)

    @cached_property
    def _factor(self) -> tuple[Floats, bool]:
        return cho_factor(_covariance(np.sqrt(self.runs)))


def _covariance(x: Floats) -> Floats:
    return matern(squared_distances(x, x), WIDTH) + JITTER * np.eye(len(x))
