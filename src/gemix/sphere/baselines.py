"""What GEM is compared with, under the same estimator contract: k-means, spherical k-means, the plain vMF mixture."""

import warnings
from typing import Any, Literal, Self

import numpy as np
import sklearn.cluster
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gemix.sphere.estimator import SphereClusterer
from gemix.sphere.identity import distinct
from gemix.sphere.metrics import masses
from gemix.sphere.mixture import Fit, Momentum, Prior, run_em, start_from
from gemix.sphere.rows import Rows
from gemix.sphere.seeding import plus_plus
from gemix.sphere.steps import LearnedPriorStep

Floats = NDArray[np.float64]


def _warn_not_converged(model: SphereClusterer, shortfall: str) -> None:
    warnings.warn(f"{type(model).__name__} did not converge: {shortfall}", ConvergenceWarning, stacklevel=3)


class _HardClusterer(SphereClusterer):
    """A clusterer without probabilities: responsibilities are 0 or 1."""

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return 1 in the column of the row's cluster and 0 elsewhere, (n, K) float64."""
        check_is_fitted(self)
        return np.eye(len(self.mean_directions_))[self.predict(X)]

    def _keep_labels(self, rows: Rows) -> None:
        self.potentials_ = np.zeros(self.n_clusters)
        self.labels_ = self._predict_rows(rows)
        self.masses_ = self.sizes_ = masses(self.labels_, self.n_clusters, rows.weights)


class KMeans(_HardClusterer):
    """Euclidean k-means (scikit-learn's) on the unit rows of X.

    For unit rows argmin |x - c|^2 = argmax x.c - |c|^2 / 2, so a centre c is kept as direction c/|c|, factor |c| (in
    `concentrations_`) and bias -|c|^2 / 2.

    Args:
        n_clusters: number of clusters K.
        n_init: starts; the one with the smallest inertia is kept.
        max_iter: Lloyd iterations at most.
        tol: scikit-learn's tolerance on the movement of the centres.
        random_state: seed.

    Attributes:
        cluster_centers_: (K, d) float64.
        mean_directions_, masses_, sizes_, labels_, n_iter_: as in `gemix.GEM`; masses are sizes.

    """

    _saved = (*SphereClusterer._saved, "cluster_centers_")

    def __init__(
        self,
        n_clusters: int = 24,
        *,
        n_init: int = 1,
        max_iter: int = 300,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to the rows of X, (n, d); this baseline holds a normalised copy of them in memory."""
        rows = self._fit_rows(X, sample_weight)
        inner = sklearn.cluster.KMeans(
            self.n_clusters, n_init=self.n_init, max_iter=self.max_iter, tol=self.tol, random_state=self.random_state
        ).fit(rows.take(np.arange(rows.n)), sample_weight=rows.weights * rows.n)
        self.cluster_centers_ = inner.cluster_centers_.astype(np.float64)
        self.n_iter_ = inner.n_iter_
        lengths = np.linalg.norm(self.cluster_centers_, axis=1)
        self.mean_directions_ = self.cluster_centers_ / np.maximum(lengths, np.finfo(float).tiny)[:, None]
        self.concentrations_ = lengths
        self.bias_ = -0.5 * lengths**2
        self._keep_labels(rows)
        return self


class SphericalKMeans(_HardClusterer):
    """Spherical k-means (Dhillon and Modha 2001): maximises the mean cosine to the nearest mean direction.

    Args:
        n_clusters: number of clusters K.
        n_init: starts; the one with the largest objective is kept.
        max_iter: Lloyd iterations at most.
        tol: relative change of the objective at which to stop.
        random_state: seed.

    Attributes:
        mean_directions_, masses_, labels_, n_iter_: as in `gemix.GEM`; `concentrations_` are ones, the scores cosines.
        objective_: mean cosine to the own direction, before every update of the directions.

    """

    _saved = (*SphereClusterer._saved, "objective_")

    def __init__(
        self,
        n_clusters: int = 24,
        *,
        n_init: int = 1,
        max_iter: int = 300,
        tol: float = 1e-6,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to the rows of X, (n, d), read in chunks."""
        rows = self._fit_rows(X, sample_weight)
        random = check_random_state(self.random_state)
        fits = [self._lloyd(rows, plus_plus(rows, self.n_clusters, random), random) for _ in range(self.n_init)]
        self.mean_directions_, self.objective_, self.n_iter_, converged = max(fits, key=lambda fit: fit[1][-1])
        self.concentrations_ = np.ones(self.n_clusters)
        self.bias_ = np.zeros(self.n_clusters)
        self._keep_labels(rows)
        if not converged:
            _warn_not_converged(self, f"{self.max_iter} iterations ended before its mean cosine settled")
        return self

    def _lloyd(self, rows: Rows, directions: Floats, random: np.random.RandomState) -> tuple[Floats, Floats, int, bool]:
        objective: list[float] = []
        for iteration in range(1, self.max_iter + 1):
            near = rows.nearest(directions)
            objective.append(near.log_sum)
            lengths = np.linalg.norm(near.sums, axis=1)
            empty = lengths <= 1e-12 / rows.n
            directions = near.sums / np.where(empty, 1.0, lengths)[:, None]
            if empty.any():
                directions[empty] = plus_plus(rows, int(empty.sum()), random)
            elif iteration > 1 and abs(objective[-1] - objective[-2]) <= self.tol * abs(objective[-1]):
                return directions, np.array(objective), iteration, True
        return directions, np.array(objective), self.max_iter, False


class VonMisesFisherMixture(SphereClusterer):
    """Mixture of von Mises-Fisher components with learned weights, by EM (Banerjee et al. 2005).

    Args:
        n_clusters: number of components K.
        concentration: "free" (one kappa a component) or "shared".
        prior_strength: pseudo-documents of the prior on every kappa; 0 is plain maximum likelihood.
        n_init: starts; the one with the largest objective is kept.
        max_iter: EM iterations at most.
        tol: gain of the objective over ten iterations, in nats a document, at which to stop.
        random_state: seed.

    Attributes:
        weights_: learned prior weights, (K,).
        mean_directions_, concentrations_, masses_, labels_, objective_, n_iter_, converged_: as in `gemix.GEM`.

    """

    _saved = (*SphereClusterer._saved, "objective_", "weights_")
    _facts = ("n_iter", "converged")

    def __init__(
        self,
        n_clusters: int = 24,
        *,
        concentration: Literal["free", "shared"] = "free",
        prior_strength: float = 20.0,
        n_init: int = 1,
        max_iter: int = 1000,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.concentration = concentration
        self.prior_strength = prior_strength
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit to the rows of X, (n, d), read in chunks."""
        rows = self._fit_rows(X, sample_weight)
        random = check_random_state(self.random_state)
        shared = self.concentration == "shared"
        log_alpha = np.full(self.n_clusters, -np.log(self.n_clusters))
        share = self.prior_strength / distinct(rows)
        prior: Prior | None = None
        best: Fit | None = None
        for _ in range(self.n_init):
            seeds = plus_plus(rows, self.n_clusters, random)
            components, prior = start_from(rows, seeds, log_alpha, share, prior, shared)
            fit = run_em(
                rows, components, LearnedPriorStep(), prior, momentum=Momentum(prior.highest, shared), shared=shared,
                max_iter=self.max_iter, tol=self.tol, reseed=lambda m: plus_plus(rows, m, random),
            )  # fmt: skip
            if best is None or fit.objective[-1] > best.objective[-1]:
                best = fit
        assert best is not None
        self.mean_directions_ = best.components.directions
        self.concentrations_ = best.components.concentrations
        self.weights_ = np.exp(best.components.log_alpha)
        self.bias_ = best.components.bias()
        self.potentials_ = np.zeros(self.n_clusters)
        self.masses_ = best.assignment.masses
        self.labels_ = self._predict_rows(rows)
        self.sizes_ = masses(self.labels_, self.n_clusters, rows.weights)
        self.objective_ = np.array(best.objective)
        self.n_iter_ = best.n_iter
        self.converged_ = not best.shortfall
        if best.shortfall:
            _warn_not_converged(self, best.shortfall)
        return self
