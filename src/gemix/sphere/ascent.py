"""From rows to a fitted mixture: seeds, starts on a sample of the rows, then larger ones until all rows are in."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.checkpoint import Checkpoint, State
from gemix.sphere.identity import distinct, heavy_copies
from gemix.sphere.levels import sample, samples
from gemix.sphere.mixture import Components, Fit, Momentum, Prior, run_em, start_from
from gemix.sphere.rows import Rows
from gemix.sphere.seeding import plus_plus
from gemix.sphere.steps import EStep, ExactStep, MirrorStep, SampledStep, reference_rows

Floats = NDArray[np.float64]

# The paper's lambda = 5000 at kappa about 900 and K = 24, kept as a ratio: lambda = 0.23 K kappa.
_AUTO_BALANCE: Final = 0.23
# F has plateaus, and gains are small after a restart: so many must be small together. On 9,608 pages, K = 24, three
# seeds, tol = 1e-4, 10 left at most 0.1 % of the labels to move until tol = 1e-6, 5 up to 2.8 %. Where a sample has
# converged before, 5 left at most 0.2 % until 1e-5 (100,000 rows made from the pages, two seeds).
_WINDOW: Final = 10
_SHORT: Final = 5
# A sample's optimum is off that of all rows by about K d / 2m nats for m rows: it is climbed to a share of K d / m, not
# to tol. On 400,000 rows, K = 24, a hundredth takes 14 % off the time of a thousandth and ends at the same F.
_SAMPLED: Final = 1e-2


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
    """A fit in levels: the best of some starts on the smallest sample, then on larger ones, then on all rows.

    Samples are climbed until less is left than their optimum is off that of all rows; the last level to the tolerance.

    The mirror solver keeps assignments of all rows, so it has no use for samples.

    Attributes:
        fit: the last phase, on all rows.
        step: its E-step.
        balance, target: lambda and u, (K,), that it was made with.
        prior: the prior on the concentrations.
        copies: rows whose copies outweigh a domain (see `gemix.sphere.identity.heavy_copies`).

    """

    fit: Fit
    step: EStep
    prior: Prior
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
        """Fit the mixture. A checkpoint keeps the last phase, where samples came before it."""
        self._problem, self._rows, self._random, self._checkpoint = problem, rows, random, checkpoint
        self._exact = problem.solver == "exact"
        self._levels = samples(rows, problem.n_clusters, random) if self._exact else [rows]
        self._reference = sample(self._levels[0], reference_rows(problem.n_clusters), random)
        last = len(self._levels) - 1
        self.copies = heavy_copies(self._levels[0], rows, problem.n_clusters)
        # Copies are no evidence for a concentration. (Where there are samples, those of all rows are not counted.)
        self._documents = rows.count if last else distinct(rows)
        saved = checkpoint.load() if checkpoint else None
        if rows.agree(saved is not None):
            assert saved is not None
            self.prior, self.balance, self.target = saved.prior, saved.balance, saved.target
            step = SampledStep(self._reference, self.balance, self.target, problem.tol, saved.potentials)
            step.error = saved.error
            self.fit = self._climb(last, saved.components, step=step, momentum=saved.momentum)
        else:
            self.fit = self._start(n_init)
            for level in range(1, last + 1):
                self.prior = self._prior_of(level)
                self.fit = self._climb(level, self.fit.components, self.fit.assignment.potentials)
        if checkpoint and rows.is_first:
            checkpoint.remove()

    def _start(self, n_init: int) -> Fit:
        """Settle R0, lambda and u at the first start, and return the best start."""
        problem, k, first = self._problem, self._problem.n_clusters, self._levels[0]
        uniform = np.full(k, 1.0 / k)
        prior: Prior | None = None
        best: Fit | None = None
        for _ in range(n_init):
            seeds = plus_plus(first, k, self._random)
            components, prior = start_from(first, seeds, np.log(uniform), self._share(0), prior, problem.shared)
            if best is None:
                scale = _AUTO_BALANCE * k * float(np.median(components.concentrations))
                self.prior, self.balance = prior, scale if problem.balance is None else problem.balance
            if problem.target is None:  # what is natural must be known before it can be tempered: balance waits
                fit = self._climb(0, components, step=ExactStep(0.0, uniform, problem.tol))
            else:
                self.target = problem.target
                fit = self._climb(0, components)
            if best is None or fit.objective[-1] > best.objective[-1]:
                best, step = fit, self.step
        assert best is not None
        self.step = step
        if problem.target is None:
            self.target = _tempered(best.assignment.masses, problem.temper)
            best = self._climb(0, best.components)
        return best

    def _climb(
        self,
        level: int,
        components: Components,
        potentials: Floats | None = None,
        step: EStep | None = None,
        momentum: Momentum | None = None,
    ) -> Fit:
        problem, rows = self._problem, self._levels[level]
        step = self.step = step or self._step(level, potentials)
        if self._exact and momentum is None:  # the paper's solver stays the paper's
            momentum = Momentum(self.prior.highest, problem.shared)

        def seed(m: int) -> Floats:
            return plus_plus(rows, m, self._random)

        def keep(components: Components) -> None:
            assert isinstance(step, SampledStep)
            assert self._checkpoint is not None
            assert momentum is not None
            if rows.is_first:
                found = step.potentials, step.error
                state = State(components, *found, momentum, self.prior, self.balance, self.target)
                self._checkpoint.save(state)

        return run_em(
            rows, components, step, self.prior, shared=problem.shared, max_iter=problem.max_iter, tol=self._tol(level),
            momentum=momentum, window=_WINDOW if level == 0 else _SHORT, reseed=seed if level == 0 else None,
            keep=keep if self._checkpoint and level == len(self._levels) - 1 > 0 else None,
        )  # fmt: skip

    def _step(self, level: int, potentials: Floats | None = None) -> EStep:
        problem = self._problem
        if not self._exact:
            return MirrorStep(self.balance, self.target, problem.max_sweeps, 0.1 * problem.tol)
        if level == 0:
            return ExactStep(self.balance, self.target, problem.tol, potentials, len(self._levels) == 1)
        return SampledStep(self._reference, self.balance, self.target, problem.tol, potentials)

    def _tol(self, level: int) -> float:
        """Return the gain of F at which a level ends."""
        rows, tol = self._levels[level], self._problem.tol
        if level == len(self._levels) - 1:
            return tol
        return max(tol, _SAMPLED * self._problem.n_clusters * rows.d / rows.n)

    def _share(self, level: int) -> float:
        """Return n0 / N; on a sample where there are pseudo-documents at least one."""
        strength = self._problem.prior_strength
        return max(strength / self._documents, min(strength, 1.0) / self._levels[level].count)

    def _prior_of(self, level: int) -> Prior:
        return Prior(self._share(level), self.prior.resultant, self.prior.highest)


def _tempered(masses: Floats, temper: float) -> Floats:
    """Return masses^tau, made to sum to 1; no target is smaller than a hundredth of a uniform one."""
    target: Floats = np.maximum(masses, 0.01 / len(masses)) ** temper
    return target / target.sum()
