"""DoReMi's rule (arXiv 2305.10429, Algorithm 1), free of any trainer.

At every step: the excess of domain k is the mean over its tokens of max(proxy loss - reference loss, 0); the weights
are multiplied by exp(eta excess) and renormalised; then w <- (1 - c) w + c / K. The result is the average over steps.

A domain without tokens in a step keeps the excess of its last step, as in the authors' public code; before its first it
is 0 (their code starts from log(vocabulary), with which a domain that is late grows for no reason).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gemix.mix.box import Floats


def excess_loss(proxy: ArrayLike, reference: ArrayLike, domain: ArrayLike, k: int) -> Floats:
    """Return the mean clipped excess loss of every domain, (K,); NaN where a domain has no token.

    Args:
        proxy: (n,) losses of tokens under the proxy model, in nats.
        reference: (n,) losses of the same tokens under the reference model.
        domain: (n,) integers, the domain of every token.
        k: number of domains.

    Raises:
        ValueError: shapes that differ, losses that are not finite, or a domain out of range.

    """
    p, r, d = np.asarray(proxy, float), np.asarray(reference, float), np.asarray(domain)
    if not (p.shape == r.shape == d.shape and p.ndim == 1):
        raise ValueError(f"losses and domains of tokens must have one shape (n,), not {p.shape}, {r.shape}, {d.shape}")
    if not (np.all(np.isfinite(p)) and np.all(np.isfinite(r))):
        raise ValueError("losses must be finite")
    if len(d) and (d.min() < 0 or d.max() >= k):
        raise ValueError(f"domains must be 0 to {k - 1}")
    counts = np.bincount(d.astype(np.intp), minlength=k)
    sums = np.bincount(d.astype(np.intp), weights=np.maximum(p - r, 0.0), minlength=k)
    return np.divide(sums, counts, out=np.full(k, np.nan), where=counts > 0)


@dataclass(frozen=True)
class DoReMi:
    """The state between steps.

    Attributes:
        weights: (K,) of the next step.
        average: (K,) mean of the weights over the steps so far; DoReMi's result.
        excess: (K,) last known excess.
        steps: how many.

    """

    weights: Floats
    average: Floats
    excess: Floats
    steps: int = 0

    @classmethod
    def start(cls, weights: ArrayLike) -> Self:
        """Return the state before the first step; the paper starts from uniform weights.

        Raises:
            ValueError: weights that are not positive: a weight of 0 could never grow.

        """
        w = np.asarray(weights, float)
        if not np.all(np.isfinite(w)) or not np.all(w > 0):
            raise ValueError("DoReMi starts from positive weights")
        w = w / w.sum()
        return cls(w, w, np.zeros_like(w))

    def step(self, excess: Floats, eta: float = 1.0, smoothing: float = 1e-3) -> Self:
        """Return the state after one update.

        Args:
            excess: (K,) of `excess_loss`; NaN where a domain was absent.
            eta: step size.
            smoothing: c, the share of the uniform mixture.

        Raises:
            ValueError: an excess that is negative or infinite, or constants out of range.

        """
        if not eta > 0 or not 0 <= smoothing <= 1:
            raise ValueError(f"eta must be positive and the smoothing 0 to 1, not {eta} and {smoothing}")
        known: Floats = np.where(np.isnan(excess), self.excess, excess)
        if not np.all(np.isfinite(known)) or np.any(known < 0):
            raise ValueError("excess losses are finite and >= 0")
        with np.errstate(divide="ignore"):
            logs = np.log(self.weights) + eta * known
        w = np.exp(logs - logs.max())
        w = (1 - smoothing) * w / w.sum() + smoothing / len(w)
        steps = self.steps + 1
        average = w if self.steps == 0 else self.average + (w - self.average) / steps
        return replace(self, weights=w, average=average, excess=known, steps=steps)


def bounded_step(eta: float, k: int, steps: int) -> float:
    """Return the step size of a training of so many steps: eta, but at most sqrt(2 log K / steps).

    Steps that do not shrink with their number add up: weights go like exp(eta times the sum of the excess), and after
    enough of them one domain has all. With this bound the average is within sqrt(log K / (2 steps)) of the minimax
    mixture for an excess up to 1 nat (Freund and Schapire 1999).
    """
    return min(eta, float(np.sqrt(2 * np.log(k) / steps))) if k > 1 else eta


def doremi_replay(excess: NDArray[np.float64], start: ArrayLike, eta: float = 1.0, smoothing: float = 1e-3) -> DoReMi:
    """Return the state after all steps of a recorded training.

    Args:
        excess: (T, K) of `excess_loss`, a row a step; NaN where a domain was absent.
        start: (K,) weights before the first step.
        eta: step size that the training used.
        smoothing: c that it used.

    Raises:
        ValueError: no steps, or as `DoReMi.step`, with the number of the step.

    """
    *_, last = doremi_states(excess, start, eta, smoothing)
    return last


def doremi_states(
    excess: NDArray[np.float64], start: ArrayLike, eta: float = 1.0, smoothing: float = 1e-3
) -> Iterator[DoReMi]:
    """Yield the state after every step of a recorded training, see `doremi_replay`."""
    if excess.ndim != 2 or not len(excess):
        raise ValueError("DoReMi needs the excess losses of at least one step")
    state = DoReMi.start(start)
    for i, row in enumerate(excess):
        try:
            state = state.step(row, eta, smoothing)
        except ValueError as error:
            raise ValueError(f"step {i}: {error}") from None
        yield state
