"""Linear regression on the weights."""

from typing import Any

import numpy as np

from gemix.mix.surrogates.base import Floats, Surrogate

PENALTIES = np.logspace(-6, 2, 33)


class Linear(Surrogate):
    """y = a + b.w, RegMix's linear model (arXiv 2407.01492), with a ridge penalty.

    The penalty is the one with the smallest exact leave-one-out error (Allen's PRESS): near zero with many runs, where
    this is least squares, and what makes the fit unique with fewer runs than domains. std is the usual one of a
    linear prediction, s^2 (1 + h).
    """

    kind = "linear"

    def _fit(self, W: Floats, z: Floats) -> None:
        n = len(z)
        self.center_ = W.mean(axis=0)
        U, d, V = np.linalg.svd(W - self.center_, full_matrices=False)
        best = np.inf
        for penalty in PENALTIES * n:
            shrunk = d**2 / (d**2 + penalty)
            hat = 1 / n + (U**2) @ shrunk
            residuals = z - U @ (shrunk * (U.T @ z))
            error = np.mean((residuals / np.maximum(1 - hat, 1e-9)) ** 2)
            if error < best:
                best = error
                self.coefficients_ = V.T @ (d / (d**2 + penalty) * (U.T @ z))
                self.spread_ = (V.T / np.sqrt(d**2 + penalty)) @ V
                self.noise_ = float(np.sqrt(residuals @ residuals / max(n - hat.sum(), 1.0)))
        self.runs_ = n

    def _predict(self, W: Floats) -> tuple[Floats, Floats]:
        X = W - self.center_
        leverage = 1 / self.runs_ + ((X @ self.spread_) ** 2).sum(axis=1)
        return X @ self.coefficients_, self.noise_ * np.sqrt(1 + leverage)

    def _state(self) -> dict[str, Any]:
        return {
            "runs": self.runs_,
            "center": self.center_.tolist(),
            "coefficients": self.coefficients_.tolist(),
            "noise": self.noise_,
            "spread": self.spread_.tolist(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.runs_, self.noise_ = state["runs"], state["noise"]
        self.center_, self.coefficients_ = np.array(state["center"]), np.array(state["coefficients"])
        self.spread_ = np.array(state["spread"])
