"""What every surrogate is: a fit of losses over mixtures, and how its input is checked."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SUM_TOLERANCE = 0.01  # published run tables round weights to three digits: their rows sum to 0.996 .. 1.003


class Surrogate(ABC):
    """A regression of a run's result on its mixture: `fit(W, y)`, `predict(W) -> mean, std`.

    The result is standardised before fitting, so that no setting depends on its unit. A constant result is predicted
    as that constant with std 0.
    """

    kind: ClassVar[str]

    mean_: float
    scale_: float
    n_domains_: int

    def fit(self, W: ArrayLike, y: ArrayLike) -> Self:
        """Fit to runs.

        Args:
            W: mixtures, (n, K) float64, one a row, on the simplex; weights are token shares. Sums within 0.01 of 1
                are scaled to 1.
            y: results, (n,) float64, for example validation losses; any unit.

        Raises:
            ValueError: fewer than two runs, shapes that do not match, values that are not finite, rows off the
                simplex; the message names the rows (counted from 0).

        """
        W, y = check_runs(W, y)
        self.n_domains_ = W.shape[1]
        self.mean_ = float(y.mean())
        # The mean of equal numbers can differ from them in its last digit.
        self.scale_ = float(y.std()) if np.ptp(y) > 0 else 0.0
        if self.scale_ > 0:
            self._fit(W, (y - self.mean_) / self.scale_)
        return self

    def predict(self, W: ArrayLike) -> tuple[Floats, Floats]:
        """Predict the results of new runs.

        Args:
            W: mixtures, (m, K).

        Returns:
            mean, (m,), and std, (m,), of one new run's result at each mixture: what is not known about the curve and
            the noise of a run, together, in the unit of y.

        """
        W = self._check(W)
        if self.scale_ == 0:
            return np.full(len(W), self.mean_), np.zeros(len(W))
        mean, std = self._predict(W)
        return self.mean_ + self.scale_ * mean, self.scale_ * std

    def predict_mean(self, W: ArrayLike) -> Floats:
        """Return the mean of `predict` alone, (m,), to the last digit, where a search needs it of many mixtures."""
        W = self._check(W)
        if self.scale_ == 0:
            return np.full(len(W), self.mean_)
        return self.mean_ + self.scale_ * self._predict_mean(W)

    def _check(self, W: ArrayLike) -> Floats:
        W = check_mixtures(W)
        if not hasattr(self, "n_domains_"):
            raise ValueError(f"the {self.kind} surrogate is not fitted yet")
        if W.shape[1] != self.n_domains_:
            raise ValueError(f"the surrogate was fitted over {self.n_domains_} domains, the mixtures have {W.shape[1]}")
        return W

    def mean_only(self) -> Self:
        """Give up std (it may be NaN) where leaving it out makes fitting faster; return self."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return everything that prediction needs as plain numbers, strings and lists: JSON without loss."""
        if not hasattr(self, "n_domains_"):
            raise ValueError(f"the {self.kind} surrogate is not fitted yet")
        head = {"kind": self.kind, "domains": self.n_domains_, "mean": self.mean_, "scale": self.scale_}
        return head | (self._state() if self.scale_ > 0 else {})

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Return the surrogate that `to_dict` described; it predicts the same numbers."""
        new = cls()
        try:
            new.n_domains_, new.mean_, new.scale_ = int(state["domains"]), float(state["mean"]), float(state["scale"])
            if new.scale_ > 0:
                new._restore(state)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the description of a {cls.kind} surrogate: {error}") from error
        return new

    @abstractmethod
    def _fit(self, W: Floats, z: Floats) -> None:
        """Fit to checked mixtures and standardised results."""

    @abstractmethod
    def _predict(self, W: Floats) -> tuple[Floats, Floats]:
        """Return mean and std, standardised."""

    def _predict_mean(self, W: Floats) -> Floats:
        """Return the mean of `_predict`; for surrogates whose std takes long."""
        return self._predict(W)[0]

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """Return what `_restore` needs."""

    @abstractmethod
    def _restore(self, state: dict[str, Any]) -> None:
        """Take over what `_state` returned."""


def check_mixtures(W: ArrayLike) -> Floats:
    """Return mixtures as (n, K) float64 with rows that sum to 1.

    Raises:
        ValueError: not a table, not finite, negative, or a row that sums to something else; names the rows.

    """
    weights = np.array(W, dtype=np.float64)
    if weights.ndim != 2 or 0 in weights.shape:
        raise ValueError(f"mixtures must be a table of shape (runs, domains), not {weights.shape}")
    _refuse(~np.isfinite(weights).all(axis=1), "a weight is not a finite number")
    _refuse((weights < 0).any(axis=1), "a weight is negative")
    sums = weights.sum(axis=1, keepdims=True)
    _refuse(np.abs(sums[:, 0] - 1) > SUM_TOLERANCE, f"the weights do not sum to 1 within {SUM_TOLERANCE}")
    scaled: Floats = weights / sums
    return scaled


def check_runs(W: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Return mixtures (n, K) and results (n,) as float64.

    Raises:
        ValueError: as `check_mixtures`; or results that do not match the rows, are not finite, or fewer than two.

    """
    weights, results = check_mixtures(W), np.array(y, dtype=np.float64)
    if results.shape != (len(weights),):
        raise ValueError(f"{len(weights)} mixtures need results of shape ({len(weights)},), not {results.shape}")
    _refuse(~np.isfinite(results), "the result is not a finite number")
    if len(weights) < 2:
        raise ValueError("a surrogate needs at least two runs, this table has one")
    return weights, results


def _refuse(bad: Any, reason: str) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        named = ", ".join(map(str, rows[:10])) + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")
        raise ValueError(f"{reason}: row{'s' if len(rows) > 1 else ''} {named} (counted from 0)")
