"""The E-step's exact optimum from K numbers: its strongly convex dual.

The E-step maximises, over assignments g_i on the simplex with masses pi = sum_i w_i g_i,

    F(G) = sum_i w_i [ sum_k g_ik s_ik + H(g_i) ] - (lambda / 2) |pi - u|^2.

Writing -(lambda/2)|pi - u|^2 = min_b [ -b.(pi - u) + |b|^2 / (2 lambda) ] and exchanging min and max gives

    D(b) = sum_i w_i logsumexp_k(s_ik - b_k) + u.b + |b|^2 / (2 lambda),
    grad D = u - pi(b) + b / lambda,      Hess D = diag(pi) - sum_i w_i g_i g_i^T + I / lambda,

with g_i = softmax(s_i - b). Strong duality holds: D(b*) = max F, and at b* the masses are u + b* / lambda. For any b
the assignments softmax(s - b) are primal feasible and D(b) - F(G(b)) = (lambda / 2) |grad D(b)|^2: the gap is known
exactly at every point, at no cost. lambda -> infinity is entropic optimal transport with target marginals u (Cuturi
2013; Genevay et al. 2016, the semi-dual); lambda = 0 forces b = 0, plain EM with a fixed prior.
"""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import minimize

from gemix.runtime.threads import one_blas_thread
from gemix.sphere.scores import Scores

Floats = NDArray[np.float64]

# Up to this K a Newton step (K x K Hessian, one eigendecomposition) is cheaper than the passes L-BFGS would add.
_NEWTON_MAX_K: Final = 256


@dataclass(frozen=True, slots=True)
class Assignment:
    """The result of an E-step.

    Attributes:
        potentials: b, (K,) float64; the assignments are softmax(s - b).
        masses: pi(b), (K,) float64, sums to 1.
        objective: the primal value F(G(b)).
        gap: D(b) - F(G(b)) >= 0, an upper bound on the distance of F from its optimum.
        evaluations: passes over the scores.

    """

    potentials: Floats
    masses: Floats
    objective: float
    gap: float
    evaluations: int


class _Dual:
    """D and its derivatives by one pass over the scores."""

    def __init__(self, scores: Scores, target: Floats, inverse_balance: float) -> None:
        self.scores, self.target, self.inverse_balance = scores, target, inverse_balance
        self.evaluations = 0

    def __call__(self, b: Floats, hessian: bool = True) -> tuple[float, Floats, Floats, Floats]:
        """Return D, its gradient, the masses and the Hessian (of no meaning when not asked for)."""
        self.evaluations += 1
        log_sum, masses, gram = self.scores.evaluate(b, hessian)
        value, gradient = _value_and_gradient(log_sum, masses, b, self.target, self.inverse_balance)
        return value, gradient, masses, np.diag(masses + self.inverse_balance) - gram if hessian else gram

    def gap(self, gradient: Floats, b: Floats) -> float:
        """D - F at b."""
        return _gap(gradient, b, self.inverse_balance)


def _value_and_gradient(
    log_sum: float, masses: Floats, b: Floats, target: Floats, inverse_balance: float
) -> tuple[float, Floats]:
    value = log_sum + float(target @ b) + 0.5 * inverse_balance * float(b @ b)
    return value, target - masses + inverse_balance * b


def _gap(gradient: Floats, b: Floats, inverse_balance: float) -> float:
    """D - F at b; for infinite lambda, where the primal is constrained, what violating the constraint is worth."""
    if inverse_balance > 0:
        return 0.5 * float(gradient @ gradient) / inverse_balance
    return abs(float(b @ gradient)) + float(np.abs(gradient).sum())


def certify(potentials: Floats, masses: Floats, log_sum: float, target: Floats, balance: float) -> Assignment:
    """Return the assignment softmax(s - b), its objective and its duality gap, from what one pass at b found.

    Args:
        potentials: b, (K,).
        masses: pi(b), (K,).
        log_sum: sum_i w_i logsumexp_k(s_ik - b_k).
        target: u, (K,).
        balance: lambda; 0 takes b = 0 for granted.

    """
    if balance == 0:
        return Assignment(potentials, masses, log_sum, 0.0, 1)
    value, gradient = _value_and_gradient(log_sum, masses, potentials, target, 1.0 / balance)
    gap = _gap(gradient, potentials, 1.0 / balance)
    return Assignment(potentials, masses, value - gap, gap, 1)


def solve_dual(
    scores: Scores,
    target: Floats,
    balance: float,
    start: Floats | None = None,
    tolerance: float = 1e-12,
    max_evaluations: int = 500,
) -> Assignment:
    """Maximise the E-step objective exactly.

    Args:
        scores: s, (n, K), and the weights w of their rows.
        target: u, (K,) float64, sums to 1.
        balance: lambda >= 0; numpy.inf makes the masses equal `target`.
        start: potentials to start from, (K,); zeros by default.
        tolerance: stop when the duality gap is at most this times max(1, |D|).
        max_evaluations: stop there in any case; the gap of the result says how far it came.

    Returns:
        The assignment; `objective` is F, without the constant that a caller took out of the scores.

    """
    k = scores.shape[1]
    if balance == 0:
        value, _, masses, _ = _Dual(scores, target, 0.0)(np.zeros(k), hessian=False)
        return Assignment(np.zeros(k), masses, value, 0.0, 1)
    dual = _Dual(scores, target, 1.0 / balance)
    b = np.zeros(k) if start is None else start - start.mean()
    solver = _newton if k <= _NEWTON_MAX_K else _lbfgs
    with one_blas_thread():  # for K x K matrices more only wait for each other
        b, value, gradient, masses = solver(dual, b, tolerance, max_evaluations)
    gap = dual.gap(gradient, b)
    return Assignment(b, masses, value - gap, gap, dual.evaluations)


Solution = tuple[Floats, float, Floats, Floats]


def _newton(dual: _Dual, b: Floats, tolerance: float, max_evaluations: int) -> Solution:
    """Newton in a trust region.

    Far from the optimum the softmax is nearly hard, the Hessian nearly singular and a plain Newton step useless; the
    region's radius grows fast while the quadratic model holds. Near it the plain step lies inside the region, and one
    Cholesky factorisation finds it; only a step that does not needs the eigendecomposition, one a Hessian.
    """
    k = len(b)
    value, gradient, masses, hessian = dual(b)
    radius = float(np.sqrt(k))
    while dual.gap(gradient, b) > tolerance * max(1.0, abs(value)) and dual.evaluations < max_evaluations:
        model = _Quadratic(gradient, hessian)
        while dual.evaluations < max_evaluations:
            move, bounded = model.step(radius)
            move -= move.mean()
            predicted = -float(gradient @ move) - 0.5 * float(move @ (hessian @ move))
            trial = dual(b + move)
            # Rounding in D hides decreases below it; there the gradient's norm decides.
            noise = 1e-14 * max(1.0, abs(value)) if dual.scores.double else 1e-7 * max(1.0, abs(value))
            gain = value - trial[0]
            if predicted <= noise:
                if float(trial[1] @ trial[1]) >= float(gradient @ gradient):
                    return b, value, gradient, masses
                ratio = 1.0
            else:
                ratio = gain / predicted
            length = float(np.linalg.norm(move))
            if ratio < 0.25:
                radius = 0.25 * length
            elif bounded:
                radius = max(radius, (4.0 if ratio > 0.75 else 2.0) * length)
            if ratio > 0.05:
                b = b + move
                value, gradient, masses, hessian = trial
                break
    return b, value, gradient, masses


class _Quadratic:
    """D's quadratic model at a point: gradient.step + step.H.step / 2."""

    def __init__(self, gradient: Floats, hessian: Floats) -> None:
        self.gradient = gradient
        # D's gradient has no component along the ones vector once b sums to 0; adding it keeps lambda = inf regular.
        self.hessian = hessian + 1.0 / len(gradient)

    def step(self, radius: float) -> tuple[Floats, bool]:
        """Minimise within |step| <= radius; return the step and whether the bound holds it back."""
        with suppress(LinAlgError):
            step = -cho_solve(cho_factor(self.hessian, check_finite=False), self.gradient, check_finite=False)
            if np.linalg.norm(step) <= radius:
                return step, False
        eigenvalues, vectors = self._eigen
        slopes = vectors.T @ self.gradient
        step, shift = _trust_region_step(np.maximum(eigenvalues, 1e-15 * eigenvalues[-1]), slopes, radius)
        return vectors @ step, shift > 0

    @cached_property
    def _eigen(self) -> tuple[Floats, Floats]:
        return np.linalg.eigh(self.hessian)


def _trust_region_step(eigenvalues: Floats, slopes: Floats, radius: float) -> tuple[Floats, float]:
    """Minimise the quadratic model within |step| <= radius, in the eigenbasis; return the step and its multiplier."""
    step = -slopes / eigenvalues
    if np.linalg.norm(step) <= radius:
        return step, 0.0
    low, high = 0.0, float(np.linalg.norm(slopes)) / radius
    for _ in range(60):
        shift = 0.5 * (low + high)
        if np.linalg.norm(slopes / (eigenvalues + shift)) > radius:
            low = shift
        else:
            high = shift
    return -slopes / (eigenvalues + high), high


class _Reached(Exception):
    pass


def _lbfgs(dual: _Dual, b: Floats, tolerance: float, max_evaluations: int) -> Solution:
    """L-BFGS, for K at which K x K matrices cost more than passes."""
    best: list[Solution] = []

    def value_and_gradient(point: Floats) -> tuple[float, Floats]:
        value, gradient, masses, _ = dual(point, hessian=False)
        if not best or value <= best[0][1]:
            best[:] = [(point.copy(), value, gradient, masses)]
        if dual.gap(gradient, point) <= tolerance * max(1.0, abs(value)):
            best[:] = [(point.copy(), value, gradient, masses)]
            raise _Reached
        return value, gradient

    options = {"maxiter": max_evaluations, "maxfun": max_evaluations, "ftol": 0.0, "gtol": 0.0, "maxcor": 20}
    with suppress(_Reached):
        minimize(value_and_gradient, b, jac=True, method="L-BFGS-B", options=options)
    return best[0]
