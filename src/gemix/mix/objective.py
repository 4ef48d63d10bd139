"""What to minimise when several results count: a weighted mean, the worst of them, or the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gemix.mix.box import Floats
from gemix.mix.surrogates.base import Surrogate


class Predictor(Protocol):
    """Anything fitted that predicts a result of mixtures: (n, K) -> mean (n,), standard deviation (n,)."""

    def predict(self, W: Floats, /) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the result of every mixture."""
        ...


@dataclass(frozen=True)
class Objective:
    """A function of mixtures to minimise.

    "mean" is sum_t c_t y_t(w), in the results' own units; "worst" is max_t c_t (y_t(w) - centre_t) / scale_t, in
    standard deviations over the runs, so that losses of different level and spread compare.

    Attributes:
        predictors: T fitted surrogates.
        weights: (T,) c; negative for a result of which more is better.
        kind: "mean" or "worst".
        centre, scale: (T,) of the results; only "worst" uses them.

    """

    predictors: Sequence[Predictor]
    weights: Floats
    kind: str = "mean"
    centre: Floats | None = None
    scale: Floats | None = None

    def __post_init__(self) -> None:
        if not self.predictors or len(self.weights) != len(self.predictors):
            raise ValueError(f"{len(self.predictors)} predictors need as many weights, at least 1")
        if not np.all(np.isfinite(self.weights)) or not np.any(self.weights):
            raise ValueError("weights of targets must be finite and not all 0")
        if self.kind not in ("mean", "worst"):
            raise ValueError(f"an objective is 'mean' or 'worst', not {self.kind!r}")
        if self.kind == "worst" and (self.centre is None or self.scale is None or not np.all(self.scale > 0)):
            raise ValueError("the worst case needs the centre and the positive scale of every result")

    def predictions(self, mixtures: Floats) -> Floats:
        """Return the predicted results, (n, T)."""
        means = [
            p.predict_mean(mixtures) if isinstance(p, Surrogate) else p.predict(mixtures)[0] for p in self.predictors
        ]
        return np.stack([np.asarray(mean, float) for mean in means], axis=1)

    def predict(self, mixtures: Floats) -> tuple[Floats, Floats]:
        """Return the objective of every mixture, (n,), and a bound on its standard deviation, (n,).

        How the errors of several targets go together is not known. Whatever it is, the standard deviation of a sum is
        at most the sum of the standard deviations (Minkowski), and the variance of a maximum at most the sum of the
        variances: |max a - max b|^2 <= sum_t (a_t - b_t)^2, and Var X = E (X - X')^2 / 2 for an independent copy X'.
        With one target it is the standard deviation itself.
        """
        predicted = [p.predict(mixtures) for p in self.predictors]
        values, stds = (np.stack(column, axis=1) for column in zip(*predicted, strict=True))
        if self.kind == "mean":
            return self.of(values), stds @ np.abs(self.weights)
        assert self.scale is not None  # by __post_init__
        return self.of(values), np.sqrt(((stds * self.weights / self.scale) ** 2).sum(axis=1))

    def __call__(self, mixtures: Floats) -> Floats:
        """Return the objective of every mixture, (n,); lower is better."""
        return self.of(self.predictions(mixtures))

    def of(self, values: Floats) -> Floats:
        """Return the objective of results, (n,), predicted or true, (n, T)."""
        return combine(values, self.weights, self.kind, self.centre, self.scale)


def combine(values: Floats, weights: Floats, kind: str, centre: Floats | None, scale: Floats | None) -> Floats:
    """Return the objective of results, (n, T), see `Objective`; a result that does not vary has scale 1."""
    if kind == "mean":
        return np.asarray(values @ weights)
    assert centre is not None  # the worst case needs them
    assert scale is not None
    return np.asarray(((values - centre) / np.where(scale > 0, scale, 1.0) * weights).max(axis=1))


def pareto_front(values: ArrayLike) -> NDArray[np.bool_]:
    """Return which rows no other row beats, (n,): none is <= in every column and < in one.

    Equal rows stay or go together.

    Args:
        values: (n, T), lower is better.

    Raises:
        ValueError: not a table, or not finite.

    """
    table = np.asarray(values, float)
    if table.ndim != 2 or not np.all(np.isfinite(table)):
        raise ValueError("a Pareto front needs an (n, T) table of finite numbers")
    distinct, place = np.unique(table, axis=0, return_inverse=True)
    front = np.zeros(len(distinct), bool)
    # In lexicographic order a row can only be beaten by an earlier one, and then by an earlier one of the front.
    kept = np.empty_like(distinct)
    size = 0
    for i, row in enumerate(distinct):
        if not np.any(np.all(kept[:size] <= row, axis=1)):
            front[i] = True
            kept[size] = row
            size += 1
    return np.asarray(front[place.ravel()])
