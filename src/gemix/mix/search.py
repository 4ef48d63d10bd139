"""The mixture with the best bound on its gain, in the box and in the region of the runs."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from gemix.mix.box import Box, Floats, settle
from gemix.mix.process import Process
from gemix.mix.region import Region

DRAWN: Final = 512
STEPS: Final = 60
CLIMBS: Final = 150
TRIED: Final = 48


class Search:
    """Maximises gain - k sd over the mixtures that the region and the box allow.

    Args:
        process: gives gains over its reference.
        region: where to stay.
        box: where to stay.
        seed: of the mixtures to begin from.
        at_least: processes of other metrics, each with the least gain over its reference that is allowed.

    """

    def __init__(
        self,
        process: Process,
        region: Region,
        box: Box,
        seed: int = 0,
        at_least: Sequence[tuple[Process, float]] = (),
    ) -> None:
        self.process, self.region = process, region
        self.box = region.within(box)
        self._at_least, self._seed = at_least, seed
        self.pool = np.empty((0, len(box.floor))) if self.box is None else self._between_runs(self.box, seed)
        self.mean, self.sd = process.gain(self.pool)

    def best(self, k: float) -> Floats | None:
        """Return the mixture with the largest gain - k sd that was found, (K,); None where no mixture is allowed.

        Sequential quadratic programming from the mixtures of the pool with the best bound and the best ratio, in
        x = sqrt(w), in which nothing is singular at a weight of 0.
        """
        if self.box is None or not len(self.pool):
            return None
        low, high = np.sqrt(self.box.floor), np.sqrt(self.box.cap)
        constraints: list[dict[str, Any]] = [
            {"type": "eq", "fun": lambda x: x @ x - 1, "jac": lambda x: 2 * x},
            {"type": "ineq", "fun": lambda x: self.region.room(x)[0], "jac": lambda x: self.region.room(x)[1]},
        ]
        for group in self.box.groups:
            rows = np.bincount(group.members, minlength=len(low)).astype(float)
            for sign, bound in ((1.0, group.floor), (-1.0, group.cap)):
                constraints.append(
                    {
                        "type": "ineq",
                        "fun": lambda x, of=sign * rows, least=sign * bound: of @ (x * x) - least,
                        "jac": lambda x, of=sign * rows: 2 * of * x,
                    }
                )
        for other, least in self._at_least:
            constraints.append(
                {
                    "type": "ineq",
                    "fun": lambda x, other=other, least=least: other.slopes(x)[0] - least,
                    "jac": lambda x, other=other: other.slopes(x)[2],
                }
            )

        def loss(x: Floats) -> tuple[float, Floats]:
            g, s, by_g, by_s = self.process.slopes(x)
            return k * s - g, k * by_s - by_g

        first = {int((self.mean - k * self.sd).argmax()), int((self.mean / np.maximum(self.sd, 1e-9)).argmax())}
        found = [self.pool[row] for row in sorted(first)]
        for row in sorted(first):
            end = minimize(
                loss,
                np.clip(np.sqrt(self.pool[row]), low, high),
                jac=True,
                method="SLSQP",
                bounds=list(zip(low, high, strict=True)),
                constraints=constraints,
                options={"maxiter": STEPS, "ftol": 1e-5},
            ).x
            if np.isfinite(end).all() and end.any():
                found.append(self._drawn_back(settle(end**2 / (end @ end), self.box), self.pool[row]))
        g, s = self.process.gain(np.array(found))
        best = found[int((g - k * s).argmax())]
        return self._climbed(best, k) if self._at_least else best

    def _climbed(self, w: Floats, k: float) -> Floats:
        """Return where random moves between two domains lead from w: quadratic steps stop short at further bounds."""
        assert self.box is not None
        random = np.random.default_rng(self._seed)
        value = -np.inf
        for _ in range(CLIMBS):
            trial = np.concatenate([moved(np.tile(w, (TRIED, 1)), self.box, random, 3), w[None]])
            trial = trial[self.allows(trial)]
            g, s = self.process.gain(trial)
            bound = g - k * s
            if len(bound) and bound.max() > value:
                value, w = float(bound.max()), trial[int(bound.argmax())]
        return settle(w, self.box)

    def _between_runs(self, box: Box, seed: int) -> Floats:
        """Return mixtures of the reference with one to four runs, as many as are allowed."""
        random = np.random.default_rng(seed)
        reference, runs = self.process.reference**2, self.region.runs
        shares = random.dirichlet(np.ones(5), DRAWN)
        shares[::2, 3:] = 0.0
        shares /= shares.sum(axis=1, keepdims=True)
        chosen = random.integers(0, len(runs), (DRAWN, 4))
        drawn = shares[:, :1] * reference + (shares[:, 1:, None] * runs[chosen]).sum(axis=1)
        ways = [reference + t * (runs - reference) for t in (0.1, 0.3, 0.6, 1.0)]
        pool = np.concatenate([drawn, *ways])
        pool = pool[box.contains(pool, 1e-7)]
        return np.asarray(pool[self.allows(pool)])

    def allows(self, W: Floats) -> NDArray[np.bool_]:
        """Return which mixtures, (m, K), are in region, box and groups, and good enough in other metrics."""
        inside = self.region.contains(W)
        if self.box is not None and self.box.groups:
            inside &= self.box.contains(W, 1e-7)
        for other, least in self._at_least:
            inside &= other.gain(W)[0] >= least - 1e-9
        return inside

    def _drawn_back(self, w: Floats, start: Floats) -> Floats:
        """Return w, or the farthest of some points on its way from `start` that is inside: the constraint is curved."""
        way = start + np.array([1.0, 0.999, 0.99, 0.95, 0.8, 0.5])[:, None] * (w - start)
        inside = np.flatnonzero(self.allows(way))
        return np.asarray(way[inside[0]] if len(inside) else start)


def moved(W: Floats, box: Box, random: np.random.Generator, power: int) -> Floats:
    """Return mixtures, (m, K), each with weight moved from one domain to another, as the box's floors and caps allow.

    Args:
        W: (m, K), in the box.
        box: where they stay, but for groups.
        random: of domains and lengths.
        power: of a uniform number, which is the share of the room that is taken: steps of all sizes, as weights are.

    """
    every = np.arange(len(W))
    to, source = random.integers(0, W.shape[1], (2, len(W)))
    room = np.minimum(box.cap[to] - W[every, to], W[every, source] - box.floor[source])
    step = np.maximum(room, 0.0) * random.random(len(W)) ** power * (to != source)
    then = W.copy()
    then[every, to] += step
    then[every, source] -= step
    return then
