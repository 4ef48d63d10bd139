"""How good a fit is: rank correlation on runs that it has not seen."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from gemix.mix.surrogates.base import Floats, check_runs
from gemix.mix.surrogates.folds import mixtures_of, out_of_fold
from gemix.mix.surrogates.kinds import Kind, surrogate

RESAMPLES = 1000
LEVEL = 0.95
LARGE = 5e7  # runs^2 x domains


@dataclass(frozen=True)
class CrossValidation:
    """Quality of a surrogate on left-out runs.

    Attributes:
        kind: of the surrogate.
        spearman: Spearman's rank correlation between predictions of left-out mixtures and the mean results of their
            runs, over all mixtures at once, mean over the repeats; 0 where either is the same everywhere.
        low, high: its 95 % interval, by the bootstrap over mixtures (percentiles; Efron 1979).
        rmse: root mean squared error of the same predictions over runs, in the unit of y.
        runs, mixtures: how many runs, and how many distinct mixtures among them.
        folds, repeats, seed: of the procedure. With fewer than three mixtures there is none: folds and repeats are 0,
            nothing is known of the correlation, 0 (-1 to 1), and rmse is that of the mean.

    """

    kind: str
    spearman: float
    low: float
    high: float
    rmse: float
    runs: int
    mixtures: int
    folds: int
    repeats: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)


def cross_validate(
    kind: Kind, W: ArrayLike, y: ArrayLike, folds: int = 5, repeats: int | None = None, seed: int = 0
) -> CrossValidation:
    """Measure a kind of surrogate by repeated k-fold cross-validation.

    In each repeat the distinct mixtures are shuffled into folds, and each fold is predicted by a fit to the others: no
    run is predicted by a fit that saw it or a copy of it. Everything that a fit chooses (penalties, length scales, the
    weights of "auto") it chooses again, from the kept runs alone.

    Args:
        kind: one of `KINDS`.
        W: mixtures, (n, K).
        y: results, (n,).
        folds: parts, at least 2; with fewer mixtures than folds each mixture is left out alone.
        repeats: shuffles, at least 1; None: 3, or 1 where a fit to so many runs and domains takes half a minute.
        seed: of the shuffles and the bootstrap.

    Raises:
        ValueError: as `Surrogate.fit`, but for too few runs.

    """
    surrogate(kind)  # refuses an unknown one
    if folds < 2 or (repeats is not None and repeats < 1):
        raise ValueError(f"cross-validation needs at least 2 folds and 1 repeat, not {folds} and {repeats}")
    if np.size(y) < 2:
        return CrossValidation(kind, 0.0, -1.0, 1.0, 0.0, np.size(y), np.size(y), 0, 0, seed)
    W, y = check_runs(W, y)
    repeats = repeats or (1 if len(y) ** 2 * W.shape[1] > LARGE else 3)
    groups = mixtures_of(W)
    count = int(groups.max()) + 1
    if count < 3:
        return CrossValidation(kind, 0.0, -1.0, 1.0, float(y.std()), len(y), count, 0, 0, seed)
    seeds = np.random.SeedSequence(seed).generate_state(repeats)
    predicted = np.array([out_of_fold(lambda: surrogate(kind), W, y, folds, int(s)) for s in seeds])
    means = np.bincount(groups, weights=y) / np.bincount(groups)
    of_mixtures = predicted[:, np.unique(groups, return_index=True)[1]]  # copies have one prediction
    low, high = interval(of_mixtures, means, seed)
    return CrossValidation(
        kind=kind,
        spearman=float(np.mean([spearman(row, means) for row in of_mixtures])),
        low=low,
        high=high,
        rmse=float(np.sqrt(np.mean((predicted - y) ** 2))),
        runs=len(y),
        mixtures=count,
        folds=min(folds, count),
        repeats=repeats,
        seed=seed,
    )


def interval(predicted: Floats, y: Floats, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean rank correlation of predictions (r, n) with results (n,), see above."""
    draws = np.random.default_rng(seed).integers(len(y), size=(RESAMPLES, len(y)))
    resampled = np.mean([spearman(row[draws], y[draws]) for row in predicted], axis=0)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def spearman(a: Floats, b: Floats) -> Floats:
    """Return Spearman's rank correlation along the last axis; 0 where either side is constant."""
    ranks = [rankdata(side, axis=-1) for side in (a, b)]
    x, y = (side - side.mean(axis=-1, keepdims=True) for side in ranks)
    norms = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    correlation: Floats = (x * y).sum(axis=-1) / np.where(norms > 0, norms, 1.0)
    return correlation
