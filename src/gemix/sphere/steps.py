"""E-steps: from components to the statistics that the M-step needs, each with a warm start of its own."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.dual import Assignment, certify, solve_dual
from gemix.sphere.mm import MirrorAscent
from gemix.sphere.rows import Rows

Floats = NDArray[np.float64]

# Rows on which potentials are solved for before every row is asked: this many, or this many a component where that is
# more (with 4 rows for each of 4,096 components E-steps took up to 20 passes, with 16 two), but no more scores than:
_REFERENCE_ROWS: Final = 1 << 14
_REFERENCE_ROWS_A_COMPONENT: Final = 16
_REFERENCE_VALUES: Final = 1 << 28
_FINE: Final = 1e-18  # of the objective: as far as rounding goes, so that potentials, too, are known to it
_TRIES: Final = 6  # passes with potentials that a sample gives, before all rows are asked for them
_EVALUATIONS: Final = 60  # passes over all rows in search of potentials, at most


@dataclass(frozen=True, slots=True)
class Expectation:
    """An E-step: the assignment and its sums r_k = sum_i w_i g_ik x_i, (K, d)."""

    assignment: Assignment
    sums: Floats


def reference_rows(n_clusters: int) -> int:
    """Return how large a sample `SampledStep` wants for K components."""
    return min(max(_REFERENCE_ROWS, _REFERENCE_ROWS_A_COMPONENT * n_clusters), _REFERENCE_VALUES // n_clusters)


class EStep(ABC):
    """Assigns the rows given the components, and remembers what it needs to start warm the next time.

    Attributes:
        gap: how far below its optimum, in nats, an E-step may stay.
        slack: how far it may while F still gains much; no more than `gap` counts where that is larger.

    """

    gap: float = np.inf
    slack: float = 0.0

    @abstractmethod
    def run(self, rows: Rows, directions: Floats, bias: Floats, floor: float) -> Expectation:
        """Return an assignment whose objective is at least `floor` up to rounding, where there is one.

        Args:
            rows: the data.
            directions: kappa_k mu_k, (K, d).
            bias: what scores add to the products with them, (K,).
            floor: the objective before; -inf at the start.

        """

    def log_alpha(self, masses: Floats) -> Floats:
        """Return log prior weights, (K,), for the next iteration: all equal, whatever the masses."""
        return np.full(len(masses), -np.log(len(masses)))


class ExactStep(EStep):
    """The optimum from K potentials (see `gemix.sphere.dual`), found on the scores of all rows."""

    def __init__(
        self, balance: float, target: Floats, tol: float, potentials: Floats | None = None, fine: bool = True
    ) -> None:
        """Set up the step.

        Args:
            balance: lambda.
            target: u, (K,).
            tol: of the fit, in nats: E-steps are solved to a tenth of it; where lambda is infinite also to masses
                within a thousandth of their targets.
            potentials: b, (K,), to start from; zeros by default.
            fine: solve as far as rounding goes; on a sample a small part of the gap will do.

        """
        self.balance, self.target = balance, target
        self.potentials = np.zeros(len(target)) if potentials is None else potentials
        self.gap = 0.1 * tol if np.isfinite(balance) else min(0.1 * tol, 1e-3 * float(target.min()))
        self._tolerance = _FINE if fine else 1e-5 * self.gap

    def run(self, rows: Rows, directions: Floats, bias: Floats, floor: float) -> Expectation:
        """Solve the dual, then pass over the rows."""
        scores = rows.weighted_scores(directions, bias, self.potentials)
        self.potentials = solve_dual(scores, self.target, self.balance, self.potentials, self._tolerance).potentials
        return self._pass(rows, directions, bias)

    def _pass(self, rows: Rows, directions: Floats, bias: Floats) -> Expectation:
        found = rows.statistics(directions, bias, self.potentials)
        assignment = certify(self.potentials, found.masses, found.log_sum, self.target, self.balance)
        return Expectation(assignment, found.sums)


class SampledStep(ExactStep):
    """The same for more rows than scores are kept of: potentials are found on a sample.

    What the sample's masses at its own optimum miss of the masses of all rows is added to the target of the next
    solve. That converges to the optimum of all rows, in a pass or two where the sample is large enough. Where it does
    not, the dual is minimised over all rows: Newton's method, a pass an evaluation.
    """

    def __init__(
        self, sample: Rows, balance: float, target: Floats, tol: float, potentials: Floats | None = None
    ) -> None:
        """See `ExactStep`; `sample` is of the rows."""
        super().__init__(balance, target, tol, potentials)
        self.sample = sample
        self.error = np.zeros(len(target))

    def run(self, rows: Rows, directions: Floats, bias: Floats, floor: float) -> Expectation:
        """Pass over the rows until the gap is small enough, or it is plain that `floor` is out of reach."""
        scores = self.sample.weighted_scores(directions, bias, self.potentials)
        last, passes = np.inf, 0
        while True:
            # Sampling error cannot make a target negative; ten times smaller is as far as it is believed.
            target = np.maximum(self.target + self.error, 0.1 * self.target)
            solved = solve_dual(scores, target, self.balance, self.potentials)
            self.potentials = solved.potentials
            expectation = self._pass(rows, directions, bias)
            passes += 1
            found = expectation.assignment
            self.error = solved.masses - found.masses
            noise = (1e-13 if rows.dtype == np.float64 else 1e-8) * max(1.0, abs(found.objective))
            enough = found.gap <= max(self.gap, self.slack) and (found.objective >= floor or found.gap <= noise)
            # The dual bounds what any assignment reaches: nothing is gained by asking again.
            if enough or self.balance == 0 or found.objective + found.gap < floor - noise:
                return _with_passes(expectation, passes)
            if passes >= _TRIES or found.gap > 0.5 * last:
                break
            last = found.gap
        every = rows.streamed_scores(directions, bias)
        solved = solve_dual(every, self.target, self.balance, self.potentials, max_evaluations=_EVALUATIONS)
        self.potentials = solved.potentials
        self.error = scores.evaluate(self.potentials, False)[1] - solved.masses
        return _with_passes(self._pass(rows, directions, bias), passes + solved.evaluations + 1)


class MirrorStep(EStep):
    """The paper's mirror ascent (see `gemix.sphere.mm`), warm-started from the last assignments of all rows."""

    def __init__(self, balance: float, target: Floats, sweeps: int, tolerance: float) -> None:
        """Set lambda, u (K,), and how many sweeps an E-step may take until one raises F by less than `tolerance`."""
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
