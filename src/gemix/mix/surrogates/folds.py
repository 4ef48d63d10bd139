"""Splitting runs into folds, copies of a mixture together."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gemix.mix.surrogates.base import Floats, Surrogate

Rows = NDArray[np.intp]
DIGITS: Final = 7  # mixtures that agree to this many are copies


def mixtures_of(W: Floats) -> Rows:
    """Return the number of every run's mixture, (n,): 0, 1, ... by first appearance; copies have one number."""
    _, first, inverse = np.unique(np.round(W, DIGITS), axis=0, return_index=True, return_inverse=True)
    place = np.empty(len(first), np.intp)
    place[np.argsort(first)] = np.arange(len(first))
    return np.asarray(place[inverse.ravel()])


def split(mixtures: Rows, folds: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Yield (kept, left out) row numbers: every mixture is left out once, by a shuffle that only `seed` decides.

    With fewer mixtures than folds one at a time is left out. Fewer than three cannot be split: yields nothing.

    Args:
        mixtures: (n,) see `mixtures_of`.
        folds: parts.
        seed: of the shuffle.

    """
    count = int(mixtures.max(initial=-1)) + 1
    if count < 3:
        return
    order = np.random.default_rng(seed).permutation(count)
    for left in np.array_split(order, min(folds, count)):
        out = np.isin(mixtures, left)
        yield np.flatnonzero(~out), np.flatnonzero(out)


def out_of_fold(make: Callable[[], Surrogate], W: Floats, y: Floats, folds: int, seed: int) -> Floats:
    """Return a prediction of every run, (n,), by a fit to the folds that no run of its mixture is in.

    Runs of fewer than three mixtures are predicted by their mean.
    """
    predicted = np.full(len(y), y.mean())
    for kept, left in split(mixtures_of(W), folds, seed):
        predicted[left] = make().mean_only().fit(W[kept], y[kept]).predict(W[left])[0]
    return predicted
