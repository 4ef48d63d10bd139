"""The exponential law of data mixing."""

from typing import Any

import numpy as np
from scipy.optimize import least_squares

from gemix.mix.surrogates.base import Floats, Surrogate

PENALTIES = (0.15, 0.05, 0.015, 0.005)
GAPS = (0.3, 3.0)  # starts: how far the floor c lies below the best run, in standard deviations of y
CEILING = 50.0  # of the exponent, against overflow


class LogLinear(Surrogate):
    """y = c + exp(t.w): data mixing laws (Ye et al., arXiv 2403.16952), also olmix (arXiv 2602.12237).

    Their factor k is inside t, because the weights sum to one. Least squares with a ridge penalty that pulls the t_k
    to each other, chosen by the leave-one-out error of the linearised fit; Levenberg-Marquardt from two starts. std is
    that of the linearised fit (delta method).
    """

    kind = "loglinear"

    def _fit(self, W: Floats, z: Floats) -> None:
        n, domains = W.shape
        apart = np.eye(domains) - 1 / domains
        best = np.inf
        for penalty in PENALTIES:
            pull = penalty * apart

            def residuals(p: Floats, pull: Floats = pull) -> Floats:
                return np.concatenate([_curve(W, p)[0] - z, pull @ p[:-1]])

            def jacobian(p: Floats, pull: Floats = pull) -> Floats:
                return np.vstack([_curve(W, p)[1], np.column_stack([pull, np.zeros(domains)])])

            for gap in GAPS:
                floor = z.min() - gap
                target = np.concatenate([np.log(z - floor), np.zeros(domains)])
                start = np.linalg.lstsq(np.vstack([W, 0.3 * apart]), target, rcond=None)[0]
                p = least_squares(residuals, np.append(start, floor), jac=jacobian, method="lm", max_nfev=200).x
                J = jacobian(p)
                inverse = np.linalg.pinv(J.T @ J)
                hat = np.einsum("ij,jk,ik->i", J[:n], inverse, J[:n])
                left = residuals(p)[:n]
                error = np.mean((left / np.maximum(1 - hat, 1e-3)) ** 2)
                if error < best:
                    best = error
                    self.exponents_, self.floor_ = p[:-1], float(p[-1])
                    self.inverse_ = inverse
                    self.noise_ = float(np.sqrt(left @ left / max(n - hat.sum(), 1.0)))

    def _predict(self, W: Floats) -> tuple[Floats, Floats]:
        mean, J = _curve(W, np.append(self.exponents_, self.floor_))
        leverage = np.maximum(((J @ self.inverse_) * J).sum(axis=1), 0.0)
        return mean, self.noise_ * np.sqrt(1 + leverage)

    def _state(self) -> dict[str, Any]:
        return {
            "exponents": self.exponents_.tolist(),
            "floor": self.floor_,
            "noise": self.noise_,
            "inverse": self.inverse_.tolist(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.exponents_, self.floor_ = np.array(state["exponents"]), state["floor"]
        self.noise_, self.inverse_ = state["noise"], np.array(state["inverse"])


def _curve(W: Floats, p: Floats) -> tuple[Floats, Floats]:
    """Return c + exp(t.w), (n,), and its derivative by (t, c), (n, K + 1)."""
    grown = np.exp(np.minimum(W @ p[:-1], CEILING))
    return grown + p[-1], np.column_stack([grown[:, None] * W, np.ones(len(W))])
