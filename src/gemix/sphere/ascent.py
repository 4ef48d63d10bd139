"""From rows to a fitted mixture: seeds, starts on a subsample, then larger ones until all rows are in."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

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


@dataclass(slots=True)
class Ascent:
    """A fit, and the lambda and u that it was made with."""

    fit: Fit
    balance: float
    target: Floats


def ascend(rows: Rows, problem: Problem, n_init: int, random: np.random.RandomState) -> Ascent:
    """Fit the mixture: `n_init` starts on the smallest subsample, then the best of them on larger ones.

    The mirror solver keeps assignments of all rows, so it has no use for subsamples.
    """
    k = problem.n_clusters
    exact = problem.solver == "exact"
    levels = subsamples(rows, k, random) if exact else [rows]
    first = levels[0]
    reference = sample(first, reference_rows(k), random)
    prior: Prior | None = None
    balance, target = problem.balance, problem.target

    def climb(level: Rows, components: Components, step: EStep, reseed: bool) -> Fit:
        assert prior is not None
        return run_em(
            level, components, step, prior, shared=problem.shared, max_iter=problem.max_iter, tol=problem.tol,
            relaxation=_RELAXATION if exact else 0.0,
            reseed=(lambda m: plus_plus(level, m, random)) if reseed else None,
        )  # fmt: skip

    def step_for(target: Floats, potentials: Floats | None = None) -> EStep:
        assert balance is not None
        if exact:
            return ExactStep(balance, target, reference, potentials)
        return MirrorStep(balance, target, problem.max_sweeps, problem.tol / 10)

    fit: Fit | None = None
    for _ in range(n_init):
        seeds = plus_plus(first, k, random)
        strength = _strength(problem, first, rows)
        components, prior = start_from(first, seeds, np.full(k, -np.log(k)), strength, prior, problem.shared)
        if balance is None:
            balance = _AUTO_BALANCE * k * float(np.median(components.concentrations))
        # What is natural must be known before it can be tempered: without a target, balance waits.
        step = ExactStep(0.0, np.full(k, 1 / k), reference) if target is None else step_for(target)
        start = climb(first, components, step, reseed=True)
        if fit is None or start.objective[-1] > fit.objective[-1]:
            fit = start
    assert fit is not None
    assert balance is not None
    assert prior is not None
    if target is None:
        target = _tempered(fit.assignment.masses, problem.temper)
        fit = climb(first, fit.components, step_for(target), reseed=True)
    step = step_for(target, fit.assignment.potentials)
    for level in levels[1:]:
        prior = replace(prior, strength=_strength(problem, level, rows))
        fit = climb(level, fit.components, step, reseed=False)
    return Ascent(fit, balance, target)


def _tempered(masses: Floats, temper: float) -> Floats:
    """Return masses^tau, made to sum to 1; no target is smaller than a hundredth of a uniform one."""
    target: Floats = np.maximum(masses, 0.01 / len(masses)) ** temper
    return target / target.sum()


def _strength(problem: Problem, level: Rows, rows: Rows) -> float:
    """Return the prior's pseudo-documents for a subsample: the same share of it, but where there are any, one."""
    return min(problem.prior_strength, max(1.0, problem.prior_strength * level.n / rows.n))
