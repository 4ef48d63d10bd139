"""The paper's E-step: majorisation-minimisation with mirror ascent over every assignment.

R(pi) = -(lambda/2)|pi - u|^2 is replaced by its tangent at pi_t minus (lambda/2)|pi - pi_t|^2, and by Jensen
|pi - pi_t|^2 <= sum_i w_i |g_i - g_i^t|^2, so that the surrogate splits per sample. One mirror step on it is

    g_i <- softmax( (1 - eta) log g_i + eta (s_i - lambda (pi - u)) ).

-F is L-smooth relative to sum_i w_i sum_k g_ik log g_ik with L = 1 + lambda from that surrogate, so
eta = 1 / (1 + lambda) never lowers F. The bound is loose: by Cauchy-Schwarz
(sum_i w_i v_ik)^2 <= pi_k sum_i w_i v_ik^2 / g_ik, which gives L = 1 + lambda max_k pi_k along a step on which the
masses do not grow; about K times the step once the masses are balanced. We take that step, check F, and fall back to
the guaranteed one wherever F would fall. The surrogate is refreshed every sweep: it costs nothing, since the masses
come out of the sweep.
"""

from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.dual import Assignment, solve_dual
from gemix.sphere.scores import ArrayScores, softmax

Floats = NDArray[np.float64]

_CHUNK_VALUES: Final = 1 << 20


class MirrorAscent:
    """Assignments g_i kept as logarithms between E-steps, since mirror ascent has no shorter description of them.

    Attributes:
        log_g: (n, K) log assignments, in the dtype of the scores.
        sweeps: passes over log_g so far.

    """

    longer: ClassVar[bool] = True  # whether the step beyond the guaranteed one is tried first

    def __init__(self, scores: NDArray[Any]) -> None:
        """Start from the assignments without balance, softmax(scores)."""
        n, k = scores.shape
        self.log_g = np.empty_like(scores)
        self._step = max(1, _CHUNK_VALUES // k)
        self.sweeps = 0
        for rows in self._slices(n):
            g, _ = softmax(scores[rows], np.zeros(k))
            self.log_g[rows] = np.log(np.maximum(g, np.finfo(g.dtype).tiny))

    def _slices(self, n: int) -> list[slice]:
        return [slice(start, start + self._step) for start in range(0, n, self._step)]

    def responsibilities(self, rows: slice) -> NDArray[Any]:
        """Return g for a range of rows, (m, K)."""
        return np.exp(self.log_g[rows])

    def labels(self) -> NDArray[np.int32]:
        """Return the largest assignment of every row, (n,)."""
        return self.log_g.argmax(axis=1).astype(np.int32)

    def _sweep(
        self, scores: NDArray[Any], weights: Floats, pull: Floats, eta: float, out: NDArray[Any]
    ) -> tuple[float, Floats]:
        """Write the next log g to `out`; return sum_i w_i [g.s + H(g)] and the masses there."""
        linear, masses = 0.0, np.zeros(scores.shape[1])
        for rows in self._slices(len(scores)):
            z = (1 - eta) * self.log_g[rows] + eta * (scores[rows] - pull.astype(scores.dtype))
            z -= z.max(axis=1, keepdims=True)
            g = np.exp(z)
            total = g.sum(axis=1, keepdims=True)
            z -= np.log(total)
            g /= total
            out[rows] = z
            w = weights[rows]
            linear += float(w @ np.einsum("ik,ik->i", g, scores[rows] - z))
            masses += w @ g
        return linear, masses

    def solve(
        self,
        scores: NDArray[Any],
        weights: Floats,
        target: Floats,
        balance: float,
        sweeps: int,
        tolerance: float,
    ) -> Assignment:
        """Run up to `sweeps` mirror steps; stop when one raises F by at most `tolerance`, in nats.

        Returns:
            The masses and F that the sweeps reached. `potentials` are the gradient of the balance term there,
            lambda (pi - u), and `gap` is infinite: mirror ascent certifies nothing.

        """
        linear, masses = self._sweep(scores, weights, np.zeros(len(target)), 0.0, self.log_g)
        value = linear - 0.5 * balance * float(np.sum((masses - target) ** 2))
        spare = np.empty_like(self.log_g)
        safe = 1.0 / (1.0 + balance)
        done = 0
        while done < sweeps:
            pull = balance * (masses - target)
            steps = (1.0 / (1.0 + balance * float(masses.max())), safe) if self.longer else (safe,)
            for eta in steps:
                linear, new_masses = self._sweep(scores, weights, pull, eta, spare)
                new_value = linear - 0.5 * balance * float(np.sum((new_masses - target) ** 2))
                done += 1
                if new_value >= value:
                    break
            gain = new_value - value
            if gain < 0:  # rounding at the optimum
                break
            self.log_g, spare = spare, self.log_g
            masses, value = new_masses, new_value
            if gain <= tolerance:
                break
        self.sweeps += done
        return Assignment(balance * (masses - target), masses, value, np.inf, done)


def potentials_for_masses(scores: NDArray[Any], weights: Floats, masses: Floats) -> Assignment:
    """Return potentials b whose softmax(s - b) has the given masses: new documents fall as mirror ascent's did."""
    return solve_dual(ArrayScores(scores, weights), masses, np.inf)
