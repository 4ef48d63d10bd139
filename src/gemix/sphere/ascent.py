"""From rows to a fitted mixture: seeds, starts on a subsample, then larger ones until all rows are in."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.levels import sample, subsamples
from gemix.sphere.mixture import Fit, Prior, run_em, start_from
from gemix.sphere.rows import Rows
from gemix.sphere.seeding import plus_plus
from gemix.sphere.steps import ExactStep, MirrorStep, reference_rows

Floats = NDArray[np.float64]

# The paper's lambda = 5000 at kappa about 900 and K = 24, kept as a ratio: lambda = 0.23 K kappa.
_AUTO_BALANCE: Final = 0.23
# Saves a quarter to a third of the iterations; at 1 and above they become more.
_RELAXATION: Final = 0.5


@dataclass(frozen=True, slots=True)
class Problem:
    """What to maximise and how far (see `gemix.GEM`); `balance` None stands for "auto"."""

    n_clusters: int
    target: Floats
    balance: float | None
    solver: Literal["exact", "mm"]
    shared: bool
    prior_strength: float
    max_iter: int
    tol: float
    max_sweeps: int


@dataclass(slots=True)
class Ascent:
    """A fit and the lambda that it was made with."""

    fit: Fit
    balance: float


def ascend(rows: Rows, problem: Problem, n_init: int, random: np.random.RandomState) -> Ascent:
    """Fit the mixture: `n_init` starts on the smallest subsample, then the best of them on larger ones.

    The mirror solver keeps assignments of all rows, so it has no use for subsamples.
    """
    k = problem.n_clusters
    levels = subsamples(rows, k, random) if problem.solver == "exact" else [rows]
    first = levels[0]
    reference = sample(first, reference_rows(k), random)
    prior: Prior | None = None
    balance = problem.balance
    relaxation = _RELAXATION if problem.solver == "exact" else 0.0  # the paper's solver stays the paper's
    best: tuple[Fit, ExactStep | MirrorStep] | None = None
    for _ in range(n_init):
        seeds = plus_plus(first, k, random)
        strength = _strength(problem, first, rows)
        log_alpha = np.full(k, -np.log(k))
        components, prior = start_from(first, seeds, log_alpha, strength, prior, problem.shared)
        if balance is None:
            balance = _AUTO_BALANCE * k * float(np.median(components.concentrations))
        step = (
            ExactStep(balance, problem.target, reference)
            if problem.solver == "exact"
            else MirrorStep(balance, problem.target, problem.max_sweeps, problem.tol / 10)
        )
        fit = run_em(
            first, components, step, prior, shared=problem.shared, max_iter=problem.max_iter, tol=problem.tol,
            relaxation=relaxation, reseed=lambda m: plus_plus(first, m, random),
        )  # fmt: skip
        if best is None or fit.objective[-1] > best[0].objective[-1]:
            best = fit, step
    assert best is not None
    assert prior is not None
    assert balance is not None
    fit, step = best
    for level in levels[1:]:
        prior = replace(prior, strength=_strength(problem, level, rows))
        fit = run_em(
            level, fit.components, step, prior, shared=problem.shared, max_iter=problem.max_iter, tol=problem.tol,
            relaxation=relaxation,
        )  # fmt: skip
    return Ascent(fit, balance)


def _strength(problem: Problem, level: Rows, rows: Rows) -> float:
    """Return the prior's pseudo-documents for a subsample: the same share of it, but where there are any, one."""
    return min(problem.prior_strength, max(1.0, problem.prior_strength * level.n / rows.n))
