"""Splitting runs into folds."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from gemix.mix.surrogates.base import Floats, Surrogate

Rows = NDArray[np.intp]


def split(n: int, folds: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Yield (kept, left out) row numbers: every run is left out once, by a shuffle that only `seed` decides.

    With fewer runs than folds one run at a time is left out. Fewer than three runs cannot be split: yields nothing.
    """
    if n < 3:
        return
    order = np.random.default_rng(seed).permutation(n)
    for left in np.array_split(order, min(folds, n)):
        yield np.setdiff1d(order, left), np.sort(left)


def out_of_fold(make: Callable[[], Surrogate], W: Floats, y: Floats, folds: int, seed: int) -> Floats:
    """Return a prediction of every run, (n,), by a fit to the folds that it is not in.

    Fewer than three runs are predicted by their mean.
    """
    predicted = np.full(len(y), y.mean())
    for kept, left in split(len(y), folds, seed):
        predicted[left] = make().mean_only().fit(W[kept], y[kept]).predict(W[left])[0]
    return predicted
