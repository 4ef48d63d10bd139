"""A Gaussian process over mixtures, on the sphere."""

from typing import Any

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from gemix.mix.surrogates.base import Floats, Surrogate
from gemix.mix.surrogates.kernel import CONSTANT, Parameters, covariance, factor, negative_log_posterior, prior
from gemix.runtime.threads import one_blas_thread

# Where the search for the hyper-parameters starts: shifts of the length scales from their prior mean, and the noise.
STARTS = ((0.0, -2.0), (-0.7, -5.0))
BOUNDS = {"length_scales": (-5.0, 8.0), "signal": (-12.0, 8.0), "slope": (-12.0, 8.0), "noise": (-12.0, 2.0)}

BLOCK = 4096  # mixtures predicted at a time


class GaussianProcess(Surrogate):
    """Gaussian process on x = sqrt(w) with one length scale a domain.

    sqrt maps the simplex to the unit sphere, where equal distances are about equal changes in distribution (Fisher,
    Rao; Hellinger's distance is the chord), and opens up the corner near zero where a domain's first percents matter
    most. The covariance is

        signal * Matern-5/2(|(x - x') / l|) + slope * sum_k (x_k - c_k)(x'_k - c_k) / l_k^2 + constant

    with c the mean input. A Matern process alone falls back to the mean result away from the runs: a mixture beyond
    the best runs would be predicted worse than they are. The linear part carries their trend on, and because it
    shares the length scales only the domains that matter have one. Hyper-parameters maximise the marginal posterior
    (L-BFGS, exact gradients, fixed starts). Time grows as n^3: below a second at 512 runs.
    """

    kind = "gp"

    parameters_: Parameters

    @one_blas_thread()  # more wait for each other: two threads took five times as long at 200 domains
    def _fit(self, W: Floats, z: Floats) -> None:
        x = np.sqrt(W)
        self.center_ = x.mean(axis=0)
        self.inputs_ = x - self.center_
        mean, _ = prior(x.shape[1])
        bounds = [BOUNDS["length_scales"]] * x.shape[1] + [BOUNDS["signal"], BOUNDS["slope"], BOUNDS["noise"]]
        found = []
        for shift, noise in STARTS:
            start = mean.copy()
            start[:-3] += shift
            start[-1] = noise
            found.append(
                minimize(
                    negative_log_posterior,
                    start,
                    args=(self.inputs_, z),
                    jac=True,
                    method="L-BFGS-B",
                    bounds=bounds,
                    options={"maxiter": 200},
                )
            )
        self.parameters_ = Parameters.from_log(min(found, key=lambda result: result.fun).x)
        A = self._scaled(self.inputs_)
        # Row-major like what from_dict reads: the same order of operations gives the same last digit.
        self.cholesky_ = np.ascontiguousarray(factor(covariance(A, A, self.parameters_), self.parameters_.noise))
        self.alpha_ = cho_solve((self.cholesky_, True), z)

    def curve(self, W: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the posterior of the curve, without run noise, standardised.

        Args:
            W: checked mixtures, (m, K).

        Returns:
            mean (m,), variance (m,), and half (n, m): the covariance of two mixtures is their prior covariance less
            the product of their columns of half.

        """
        A, B = self._scaled(self.inputs_), self._scaled(np.sqrt(W) - self.center_)
        across = covariance(A, B, self.parameters_)
        half = solve_triangular(self.cholesky_, across, lower=True)
        alone = self.parameters_.signal + self.parameters_.slope * (B * B).sum(axis=1) + CONSTANT
        return self.alpha_ @ across, np.maximum(alone - (half * half).sum(axis=0), 0.0), half

    def prior_covariance(self, W: Floats, V: Floats) -> Floats:
        """Return the covariance of the curve before any run, (len(W), len(V)), standardised."""
        A, B = (self._scaled(np.sqrt(mixtures) - self.center_) for mixtures in (W, V))
        return covariance(A, B, self.parameters_)

    def _scaled(self, inputs: Floats) -> Floats:
        scaled: Floats = inputs / self.parameters_.length_scales
        return scaled

    def _predict(self, W: Floats) -> tuple[Floats, Floats]:
        blocks = [self.curve(W[start : start + BLOCK])[:2] for start in range(0, len(W), BLOCK)]
        mean, variance = (np.concatenate(column) for column in zip(*blocks, strict=True))
        return mean, np.sqrt(variance + self.parameters_.noise)

    def _predict_mean(self, W: Floats) -> Floats:
        A = self._scaled(self.inputs_)
        blocks = (W[start : start + BLOCK] for start in range(0, len(W), BLOCK))
        scaled = (self._scaled(np.sqrt(block) - self.center_) for block in blocks)
        return np.concatenate([self.alpha_ @ covariance(A, B, self.parameters_) for B in scaled])

    def _state(self) -> dict[str, Any]:
        return {
            "inputs": self.inputs_.tolist(),
            "center": self.center_.tolist(),
            "length_scales": self.parameters_.length_scales.tolist(),
            "signal": self.parameters_.signal,
            "slope": self.parameters_.slope,
            "noise": self.parameters_.noise,
            "alpha": self.alpha_.tolist(),
            "cholesky": [row[: i + 1].tolist() for i, row in enumerate(self.cholesky_)],
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.inputs_, self.center_ = np.array(state["inputs"]), np.array(state["center"])
        scales = np.array(state["length_scales"])
        self.parameters_ = Parameters(scales, state["signal"], state["slope"], state["noise"])
        self.alpha_ = np.array(state["alpha"])
        self.cholesky_ = np.zeros((len(self.alpha_), len(self.alpha_)))
        for i, row in enumerate(state["cholesky"]):
            self.cholesky_[i, : i + 1] = row
