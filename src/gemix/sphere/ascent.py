"""From rows to a fitted mixture: seeds, starts on a subsample, then larger ones until all rows are in."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.checkpoint import Checkpoint, State
from gemix.sphere.levels import sample, subsamples
from gemix.sphere.mixture import Components, Fit, Prior, run_em, start_from
from gemix.sphere.rows import Rows
from gemix.sphere.seeding import plus_plus
from gemix.sphere.steps import EStep, ExactStep, MirrorStep, reference_rows

Floats = NDArray[np.float64]

# The paper's lambda = 5000 at kappa about 900 and K = 24, kept as a ratio: lambda = 0.23 K kappa.
_AUTO_BALANCE: Final = 0.23
# Over-relaxation saves a quarter to a third of the iterations; at 1 and above they become more. The paper's solver has
# none: it stays the paper's.
_RELAXATION: Final = 0.5


@dataclass(frozen=True, slots=True)
class Problem:
    """What to maximise and how far (see `gemix.GEM`); None stands for a balance "auto" and a target "tempered"."""

    n_clusters: int
    target: Floats | None
    temper: float
    balance: float | None
    solver: Literal["exact", "mm"]
    shared: bool
    prior_strength: float
    max_iter: int
    tol: float
    max_sweeps: int


class Ascent:
    """A fit in phases: starts on the smallest subsample, the best of them on larger ones, then all rows.

    The mirror solver keeps assignments of all rows, so it has no use for subsamples.

    Attributes:
        fit: the last phase, on all rows.
        balance, target: lambda and u, (K,), that it was made with.

    """

    fit: Fit
    balance: float
    target: Floats

    def __init__(
        self,
        rows: Rows,
        problem: Problem,
        n_init: int,
        random: np.random.RandomState,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Fit the mixture. A checkpoint keeps the last phase, where subsamples came before it."""
        self._problem, self._rows, self._random, self._checkpoint = problem, rows, random, checkpoint
        self._exact = problem.solver == "exact"
        levels = subsamples(rows, problem.n_clusters, random) if self._exact else [rows]
        self._reference = sample(levels[0], reference_rows(problem.n_clusters), random)
        saved = checkpoint.load() if checkpoint else None
        if rows.agree(saved is not None):
            assert saved is not None
            self._prior, self.balance, self.target = saved.prior, saved.balance, saved.target
            resumed = ExactStep(self.balance, self.target, self._reference, saved.potentials)
            resumed.error = saved.error
            self.fit = self._climb(rows, saved.components, resumed)
        else:
            self.fit = self._start(levels[0], n_init)
            step = self._step(self.fit.assignment.potentials)
            for level in levels[1:]:
                self._prior = replace(self._prior, strength=self._strength(level))
                self.fit = self._climb(level, self.fit.components, step)
        if checkpoint and rows.is_first:
            checkpoint.remove()

    def _start(self, first: Rows, n_init: int) -> Fit:
        """Settle R0, lambda and u at the first start, and return the best start."""
        problem, k = self._problem, self._problem.n_clusters
        uniform = np.full(k, 1.0 / k)
        prior: Prior | None = None
        best: Fit | None = None
        for _ in range(n_init):
            seeds = plus_plus(first, k, self._random)
            components, prior = start_from(
                first, seeds, np.log(uniform), self._strength(first), prior, problem.shared
            )  # fmt: skip
            if best is None:
                scale = _AUTO_BALANCE * k * float(np.median(components.concentrations))
                self._prior, self.balance = prior, scale if problem.balance is None else problem.balance
            if problem.target is None:  # what is natural must be known before it can be tempered: balance waits
                step: EStep = ExactStep(0.0, uniform, self._reference)
            else:
                self.target = problem.target
                step = self._step()
            fit = self._climb(first, components, step, reseed=True)
            if best is None or fit.objective[-1] > best.objective[-1]:
                best = fit
        assert best is not None
        if problem.target is None:
            self.target = _tempered(best.assignment.masses, problem.temper)
            best = self._climb(first, best.components, self._step(), reseed=True)
        return best

    def _step(self, potentials: Floats | None = None) -> EStep:
        if self._exact:
            return ExactStep(self.balance, self.target, self._reference, potentials)
        return MirrorStep(self.balance, self.target, self._problem.max_sweeps, self._problem.tol / 10)

    def _climb(self, level: Rows, components: Components, step: EStep, reseed: bool = False) -> Fit:
        last = level is self._rows and not reseed and self._checkpoint is not None

        def seed(m: int) -> Floats:
            return plus_plus(level, m, self._random)

        def keep(components: Components) -> None:
            assert isinstance(step, ExactStep)
            assert self._checkpoint is not None
            state = State(components, step.potentials, step.error, self._prior, self.balance, self.target)
            if level.is_first:
                self._checkpoint.save(state)

        return run_em(
            level, components, step, self._prior, shared=self._problem.shared, max_iter=self._problem.max_iter,
            tol=self._problem.tol, relaxation=_RELAXATION if self._exact else 0.0,
            reseed=seed if reseed else None, keep=keep if last else None,
        )  # fmt: skip

    def _strength(self, level: Rows) -> float:
        """Return the prior's pseudo-documents for a subsample: the same share of it, but where there are any, one."""
        strength = self._problem.prior_strength
        return min(strength, max(1.0, strength * level.n / self._rows.n))


def _tempered(masses: Floats, temper: float) -> Floats:
    """Return masses^tau, made to sum to 1; no target is smaller than a hundredth of a uniform one."""
    target: Floats = np.maximum(masses, 0.01 / len(masses)) ** temper
    return target / target.sum()
