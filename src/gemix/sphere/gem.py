"""GEM: the balanced von Mises-Fisher mixture (arXiv 2605.26121), its E-step solved exactly or as in the paper."""

import os
import warnings
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gemix.sphere.ascent import Ascent, Problem
from gemix.sphere.checkpoint import Checkpoint
from gemix.sphere.estimator import SphereClusterer, _to_json, check_number
from gemix.sphere.mm import potentials_for_masses
from gemix.sphere.rows import Rows
from gemix.sphere.steps import MirrorStep
from gemix.sphere.vmf import log_normalizer

Floats = NDArray[np.float64]


class GEM(SphereClusterer):
    """Balanced mixture of von Mises-Fisher components on the unit hypersphere.

    Maximises, by exact block ascent over assignments G, mean directions mu and concentrations kappa,

        F = sum_i w_i [sum_k g_ik s_ik + H(g_i)] - (lambda/2) |pi - u|^2 + (n0/N) sum_k [log C_d(kappa_k) + kappa_k R0],
        s_ik = -log K + log C_d(kappa_k) + kappa_k mu_k.x_i,    pi = sum_i w_i g_i.

    Rows need not have unit length: each stands for its direction.

    Args:
        n_clusters: number of components K.
        balance: lambda, the pull of the masses towards `target`, on the per-sample scale; "auto" sets
            0.23 K median(kappa) at the start (`balance_` says what it chose); 0 is plain EM with a fixed prior and
            numpy.inf makes the masses equal the target.
        target: u, the wanted masses: "uniform"; "tempered", which is natural masses to the power `temper`, where the
            natural masses are those of an unbalanced fit from the same seeds; or (K,) positive numbers, in proportion.
        temper: tau of the tempered target: 0 is uniform, 1 natural.
        solver: "exact" (the dual, see `gemix.sphere.dual`) or "mm" (the paper's, see `gemix.sphere.mm`).
        concentration: "free" (one kappa a component) or "shared" (one for all).
        prior_strength: n0, pseudo-documents of the prior on every kappa. With 0 only the bound on kappa that rounding
            sets (84,000 for float32, 1e8 for float64) holds a component of copies; a warning says where it does.
        n_init: starts; the one with the largest F is kept.
        max_iter: EM iterations at most, on all rows and on each of the samples before them.
        tol: gain of F, in nats a document, over ten iterations (five where samples have converged before) at which to
            stop. The last E-step is solved to a tenth of it, earlier ones as far as gains need;
            for an infinite `balance` the last also to a thousandth of the target.
        max_sweeps: mirror steps an E-step at most (solver "mm" only).
        device: torch device to compute on, such as "cuda"; by default NumPy, or where the tensor X is.
        distributed: X is this process's share of the rows of a torch.distributed group; every process gets the same
            model, and `labels_` of its own rows. Needs an integer `random_state` and solver "exact".
        checkpoint: folder that keeps the state of the fit on all rows after every iteration; a fit that finds one of
            its own there goes on from it. Removed when the fit is done.
        random_state: seed of the k-means++ start.

    Attributes:
        mean_directions_: mu, (K, d) float64, unit rows.
        concentrations_: kappa, (K,) float64.
        potentials_: b, (K,) float64; responsibilities of any row are softmax(s - b), so what is balanced in `fit`
            stays balanced on new documents from the same source.
        masses_: pi of the last E-step, (K,) float64, sums to 1: soft.
        sizes_: share of the weight of the rows with each label, (K,) float64, sums to 1: hard.
        labels_: domains of the training rows, (n,) int32: the largest responsibility (of "mm", of its assignments).
        copies_: (share of the weight, first row) of every group of identical rows that outweighs a domain, 1/K. On
            more rows than a sample holds the share is of a sample; the row is None in a distributed fit.
        objective_: F after every E-step and every M-step on all rows, with all its terms, so also the prior's
            (n0/N) sum_k [...]; it never falls, except where `reseeded_` says. N is the number of different rows (of
            rows, where samples come before them).
        duality_gap_: bound on what the last E-step left on the table (infinite for "mm", which certifies nothing).
        balance_, target_: lambda and u, (K,), in force.
        prior_resultant_: R0.
        n_iter_, converged_: EM iterations on all rows, and whether `tol` was reached with E-steps certified as it asks;
            a ConvergenceWarning says what was not.
        n_evaluations_: passes over the n x K scores.
        reseeded_: (iteration, component) of every component that was empty and started anew.

    Raises (fit):
        ValueError: rows of zeros, NaN or infinity (the first is named), more clusters than rows, bad parameters.

    """

    _saved = (*SphereClusterer._saved, "objective_", "target_")
    _facts = (
        "balance", "duality_gap", "n_iter", "converged", "n_evaluations", "reseeded", "copies", "prior_resultant",
    )  # fmt: skip

    def __init__(
        self,
        n_clusters: int = 24,
        *,
        balance: float | Literal["auto"] = "auto",
        target: Literal["uniform", "tempered"] | ArrayLike = "uniform",
        temper: float = 0.5,
        solver: Literal["exact", "mm"] = "exact",
        concentration: Literal["free", "shared"] = "free",
        prior_strength: float = 20.0,
        n_init: int = 1,
        max_iter: int = 1000,
        tol: float = 1e-4,
        max_sweeps: int = 100,
        device: str | None = None,
        distributed: bool = False,
        checkpoint: str | os.PathLike[str] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.balance = balance
        self.target = target
        self.temper = temper
        self.solver = solver
        self.concentration = concentration
        self.prior_strength = prior_strength
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.max_sweeps = max_sweeps
        self.device = device
        self.distributed = distributed
        self.checkpoint = checkpoint
        self.random_state = random_state

    def _target(self) -> Floats | None:
        """Return u, (K,), or None where it is found in the fit."""
        k = self.n_clusters
        if isinstance(self.target, str):
            if self.target not in ("uniform", "tempered"):
                raise ValueError(f'target must be "uniform", "tempered" or {k} numbers, not {self.target!r}')
            return np.full(k, 1.0 / k) if self.target == "uniform" else None
        try:
            target = np.asarray(self.target, dtype=np.float64)
        except (TypeError, ValueError):
            target = np.empty(0)
        if target.shape != (k,) or not np.all(target > 0) or not np.all(np.isfinite(target)):
            raise ValueError(f"target must be {k} positive numbers, one a cluster, not {self.target!r}")
        return target / target.sum()

    def _check_parameters(self) -> None:
        if not (isinstance(self.balance, str) and self.balance == "auto"):
            check_number('balance, unless "auto",', self.balance, infinite=True)
        check_number("temper", self.temper)
        if self.solver not in ("exact", "mm"):
            raise ValueError(f'solver must be "exact" or "mm", not {self.solver!r}')
        if self.solver == "mm" and self.balance == np.inf:
            raise ValueError('an infinite balance needs solver="exact"')
        if self.distributed and (self.solver != "exact" or not isinstance(self.random_state, int | np.integer)):
            raise ValueError('a distributed fit needs solver="exact" and an integer random_state')
        if self.checkpoint is not None and self.solver != "exact":
            raise ValueError('checkpoints need solver="exact"')
        if self.concentration not in ("free", "shared"):
            raise ValueError(f'concentration must be "free" or "shared", not {self.concentration!r}')

    def fit(self, X: ArrayLike, y: None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the mixture to the rows of X.

        Args:
            X: (n, d) float16, float32 or float64; may be memory-mapped, it is read in chunks; or a torch tensor.
                float64 is computed in float64, the others in float32 with float64 sums.
            y: ignored.
            sample_weight: (n,) >= 0, for example token counts; only ratios matter.

        """
        self._check_parameters()
        rows = self._fit_rows(X, sample_weight)
        random = check_random_state(self.random_state)
        problem = Problem(
            n_clusters=self.n_clusters,
            target=self._target(),
            temper=self.temper,
            balance=None if self.balance == "auto" else float(self.balance),
            solver=self.solver,
            shared=self.concentration == "shared",
            prior_strength=self.prior_strength,
            max_iter=self.max_iter,
            tol=self.tol,
            max_sweeps=self.max_sweeps,
        )
        checkpoint = None if self.checkpoint is None else Checkpoint(Path(self.checkpoint), self._facts_of(rows))
        ascent = Ascent(rows, problem, self.n_init, random, checkpoint)
        self._keep(getattr(rows, "own", rows), ascent)
        self.sizes_ = rows.sizes(self.labels_, self.n_clusters)
        self._warn_of_copies()
        if not self.converged_:
            warnings.warn(f"GEM did not converge: {ascent.fit.shortfall}", ConvergenceWarning, stacklevel=2)
        return self

    def _warn_of_copies(self) -> None:
        highest = self._max_concentration
        if self.copies_:
            share, first = self.copies_[0]
            where = "" if first is None else f" (the first is row {first})"
            more = f", and there are {len(self.copies_) - 1} more such groups" if len(self.copies_) > 1 else ""
            warnings.warn(
                f"{share:.1%} of the weight are copies of one row{where}{more}: more than a domain's share, "
                f"1/{self.n_clusters}; hard labels cannot be balanced: remove duplicates or ask for fewer clusters",
                stacklevel=3,
            )
        bound = int(np.count_nonzero(self.concentrations_ >= 0.999 * highest))
        if bound:
            warnings.warn(
                f"{bound} of {self.n_clusters} concentrations are at their bound, {highest:.3g}: components of copies; "
                "a larger prior_strength holds them",
                stacklevel=3,
            )

    def _facts_of(self, rows: Rows) -> dict[str, Any]:
        """Return all that decides the fit, as JSON: what a checkpoint must agree with."""
        names = set(self.get_params()) - {"checkpoint", "device", "distributed"}
        facts = {name: _to_json(getattr(self, name)) for name in sorted(names)}
        return facts | {"rows": rows.n, "dimension": rows.d, "data": rows.fingerprint()}

    def _keep(self, rows: Rows, ascent: Ascent) -> None:
        fit = ascent.fit
        self.balance_, self.target_ = ascent.balance, ascent.target
        self.prior_resultant_ = ascent.prior.resultant
        self.mean_directions_ = fit.components.directions
        self.concentrations_ = fit.components.concentrations
        self.bias_ = fit.components.bias()
        self.masses_ = fit.assignment.masses
        self.potentials_ = fit.assignment.potentials
        if isinstance(ascent.step, MirrorStep):
            # Mirror ascent leaves assignments, not potentials; these reproduce its masses on new documents.
            assert ascent.step.ascent is not None
            scores = rows.scores(fit.components.scaled(), self.bias_ - self.bias_.mean())
            self.potentials_ = potentials_for_masses(scores, rows.weights, self.masses_).potentials
            self.labels_ = ascent.step.ascent.labels()
        else:
            self.labels_ = self._predict_rows(rows)
        self.objective_ = np.array(fit.objective)
        self.duality_gap_ = fit.assignment.gap
        self.n_iter_ = fit.n_iter
        self.converged_ = not fit.shortfall
        self.n_evaluations_ = fit.evaluations
        self.reseeded_ = fit.reseeded
        self.copies_ = ascent.copies
        self._max_concentration = rows.max_concentration

    def score_samples(self, X: ArrayLike) -> NDArray[Any]:
        """Return log sum_k f(x | mu_k, kappa_k) / K, the log density of each row in nats, (n,).

        The density does not contain the potentials: it is comparable between balances.
        """
        check_is_fitted(self)
        rows = self._rows(self._check_rows(X, reset=False))
        bias = log_normalizer(rows.d, self.concentrations_) - np.log(len(self.concentrations_))
        offset = float(bias.mean())
        directions = self.concentrations_[:, None] * self.mean_directions_
        scores = rows.scores(directions, bias - offset)
        return np.logaddexp.reduce(scores.astype(np.float64), axis=1) + offset

    def score(self, X: ArrayLike, y: None = None) -> float:
        """Return the mean log density of the rows of X, in nats (see `score_samples`)."""
        return float(np.mean(self.score_samples(X)))
