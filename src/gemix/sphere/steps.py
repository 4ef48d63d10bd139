"""E-steps: from components to the statistics that the M-step needs, each with a warm start of its own."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.dual import Assignment, certify, solve_dual
from gemix.sphere.mm import MirrorAscent
from gemix.sphere.rows import Rows
from gemix.sphere.scores import Scores

Floats = NDArray[np.float64]

# Rows on which potentials are solved for before every row is asked: this many, or this many a component where that is
# more (with 4 rows for each of 4,096 components E-steps took up to 20 passes, with 16 two), but no more scores than:
_REFERENCE_ROWS: Final = 1 << 14
_REFERENCE_ROWS_A_COMPONENT: Final = 16
_REFERENCE_VALUES: Final = 1 << 28
_PASSES: Final = 20
_GAP: Final = 1e-8  # of the last E-step, relative to the objective


@dataclass(frozen=True, slots=True)
class Expectation:
    """An E-step: the assignment and its sums r_k = sum_i w_i g_ik x_i, (K, d)."""

    assignment: Assignment
    sums: Floats


class EStep(ABC):
    """Assigns the rows given the components, and remembers what it needs to start warm the next time."""

    @abstractmethod
    def run(self, rows: Rows, directions: Floats, bias: Floats, floor: float) -> Expectation:
        """Return an assignment whose objective is at least `floor` up to rounding, where there is one.

        Args:
            rows: the data.
            directions: kappa_k mu_k, (K, d).
            bias: what scores add to the products with them, (K,).
            floor: the objective before; -inf at the start.

        """

    def finish(self, rows: Rows, directions: Floats, bias: Floats, last: Expectation) -> Expectation:
        """Return `last`, bettered for the same components as far as the solver can; `evaluations` are further ones."""
        return _with_passes(last, 0)

    def log_alpha(self, masses: Floats) -> Floats:
        """Return log prior weights, (K,), for the next iteration: all equal, whatever the masses."""
        return np.full(len(masses), -np.log(len(masses)))


def reference_rows(n_clusters: int) -> int:
    """Return how large a sample `ExactStep` wants for K components."""
    return min(max(_REFERENCE_ROWS, _REFERENCE_ROWS_A_COMPONENT * n_clusters), _REFERENCE_VALUES // n_clusters)


class ExactStep(EStep):
    """The optimum by the dual (see `gemix.sphere.dual`), with about one pass over the data.

    Potentials need K numbers of accuracy, not n: they are solved for on a reference sample, whose masses are off by
    its sampling error. That error is measured at every pass over all rows, and hardly changes from one iteration to
    the next, so the following solve takes it out: with c = pi_reference - pi_all at the last potentials, the
    reference's dual for the target u + c has there the gradient that the full dual has (the control variate of
    stochastic variance reduction, Johnson and Zhang 2013). Every pass certifies what it found: the gap is exact. A pass
    is repeated, at better potentials, while its gap exceeds a tenth of the progress made or F would fall.
    """

    def __init__(self, balance: float, target: Floats, reference: Rows, potentials: Floats | None = None) -> None:
        """Say what to solve and from which potentials to start.

        Args:
            balance: lambda.
            target: u, (K,).
            reference: a sample of the rows, on which potentials are found; where it is all of them there is no error.
            potentials: b, (K,); zeros by default.

        """
        self.balance, self.target, self.reference = balance, target, reference
        self.potentials = np.zeros(len(target)) if potentials is None else potentials
        self.error = np.zeros(len(target))
        self.tolerance = 1e-12 if reference.dtype == np.float64 else 1e-10

    def run(self, rows: Rows, directions: Floats, bias: Floats, floor: float) -> Expectation:
        """Pass over the rows until the gap is small beside the progress."""
        scores = self.reference.weighted_scores(directions, bias, self.potentials)
        passes = 0
        while True:
            expectation = self._pass(rows, directions, bias, scores)
            passes += 1
            found = expectation.assignment
            noise = self._noise(found)
            done = found.objective >= floor - noise and found.gap <= max(0.1 * (found.objective - floor), noise)
            # The dual bounds what any assignment reaches: nothing is gained by asking again.
            hopeless = found.objective + found.gap < floor - noise
            if done or hopeless or passes == _PASSES or self._is_exact(rows):
                return _with_passes(expectation, passes)

    def finish(self, rows: Rows, directions: Floats, bias: Floats, last: Expectation) -> Expectation:
        """Pass over the rows until the gap is _GAP of the objective, or as small as rounding lets it be."""
        passes = 0
        if self._is_exact(rows):
            return _with_passes(last, passes)
        scores = self.reference.weighted_scores(directions, bias, self.potentials)
        while passes < _PASSES and last.assignment.gap > _GAP * max(1.0, abs(last.assignment.objective)):
            better = self._pass(rows, directions, bias, scores)
            passes += 1
            if better.assignment.gap >= last.assignment.gap:
                break
            last = better
        return _with_passes(last, passes)

    def _is_exact(self, rows: Rows) -> bool:
        return rows is self.reference or self.balance == 0

    def _noise(self, found: Assignment) -> float:
        return (1e-13 if self.reference.dtype == np.float64 else 1e-7) * max(1.0, abs(found.objective))

    def _pass(self, rows: Rows, directions: Floats, bias: Floats, scores: Scores) -> Expectation:
        # Sampling error cannot make a target negative; ten times smaller is as far as it is believed.
        target = np.maximum(self.target + self.error, 0.1 * self.target)
        solved = solve_dual(scores, target, self.balance, self.potentials, self.tolerance)
        self.potentials = solved.potentials
        statistics = rows.statistics(directions, bias, self.potentials)
        self.error = solved.masses - statistics.masses
        assignment = certify(self.potentials, statistics.masses, statistics.log_sum, self.target, self.balance)
        return Expectation(assignment, statistics.sums)


class MirrorStep(EStep):
    """The paper's mirror ascent (see `gemix.sphere.mm`), warm-started from the last assignments of all rows."""

    def __init__(self, balance: float, target: Floats, sweeps: int, tolerance: float) -> None:
        """Set lambda, u (K,), and how many sweeps an E-step may take for which relative gain of F."""
        self.balance, self.target, self.sweeps, self.tolerance = balance, target, sweeps, tolerance
        self.ascent: MirrorAscent | None = None

    def run(self, rows: Rows, directions: Floats, bias: Floats, floor: float) -> Expectation:
        """Sweep from where the last E-step ended: F cannot fall."""
        scores = rows.scores(directions, bias)
        self.ascent = self.ascent or MirrorAscent(scores)
        found = self.ascent.solve(scores, rows.weights, self.target, self.balance, self.sweeps, self.tolerance)
        return Expectation(found, rows.weighted_sums(self.ascent.responsibilities))


class LearnedPriorStep(EStep):
    """Plain EM: no potentials, prior weights follow the masses."""

    def run(self, rows: Rows, directions: Floats, bias: Floats, floor: float) -> Expectation:
        """Assign by the posterior."""
        none = np.zeros(len(bias))
        statistics = rows.statistics(directions, bias, none)
        return Expectation(certify(none, statistics.masses, statistics.log_sum, none, 0.0), statistics.sums)

    def log_alpha(self, masses: Floats) -> Floats:
        """Return the logarithm of the masses."""
        return np.log(np.maximum(masses, np.finfo(float).tiny))


def _with_passes(expectation: Expectation, passes: int) -> Expectation:
    return replace(expectation, assignment=replace(expectation.assignment, evaluations=passes))
