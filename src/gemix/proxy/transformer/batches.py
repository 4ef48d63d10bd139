"""Windows of tokens in an order that a mixture and a seed decide."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gemix.proxy.dataset import ProxyData
from gemix.proxy.documents import Tokens
from gemix.proxy.interface import Floats
from gemix.runtime.errors import GemixError

Ids = NDArray[np.int64]


class Assignment:
    """An endless sequence of domains in which every beginning keeps to the weights.

    After n terms the count of domain k is within 1 - 1 / (2 K - 2) of w_k n (K domains with weight), the best bound
    that holds for all weights: Tijdeman 1980, "The chairman assignment problem", Discrete Mathematics 32. Of the
    domains that are owed at least 1 / (2 K - 2) of a term, the next is the one that would be overdue first.
    """

    def __init__(self, weights: Floats) -> None:
        """Begin; weights (K,) are >= 0 with sum 1."""
        self.weights = weights
        self.counts: Ids = np.zeros(len(weights), np.int64)
        self._alive = np.flatnonzero(weights)

    def take(self, n: int) -> Ids:
        """Return the next n terms."""
        alive = self._alive
        if len(alive) == 1:
            self.counts[alive[0]] += n
            return np.full(n, alive[0])
        w = self.weights[alive]
        counts = self.counts[alive]
        least = 1.0 / (2 * len(alive) - 2)
        done = int(counts.sum())
        out = np.empty(n, np.int64)
        for i in range(n):
            owed = w * (done + i + 1) - counts
            due = np.divide(1.0 - least - owed, w, out=np.full(len(w), np.inf), where=owed >= least)
            k = int(due.argmin())
            counts[k] += 1
            out[i] = alive[k]
        self.counts[alive] = counts
        return out


@dataclass
class Windows:
    """Windows of one domain: `context` + 1 tokens, of which all but the last are read and all but the first predicted.

    The tokens are a ring. In an epoch windows begin every `context` tokens from a random place and come in a random
    order, each once; what is left over at the end of an epoch (less than a window) differs from epoch to epoch. A
    domain shorter than a window is read around the ring, so that every window has the same length.

    Attributes:
        tokens: (n,) of the domain.
        context: tokens that are predicted.
        seed: numbers that decide order and places.
        taken: windows so far.

    """

    tokens: Tokens
    context: int
    seed: Sequence[int]
    taken: int = 0
    _order: Ids = field(init=False, repr=False)
    _first: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.per_epoch = max(len(self.tokens) // self.context, 1)

    def next(self) -> Tokens:
        """Return the next window, (context + 1,)."""
        epoch, place = divmod(self.taken, self.per_epoch)
        if place == 0:
            random = np.random.default_rng([*self.seed, epoch])
            self._first = int(random.integers(len(self.tokens)))
            self._order = random.permutation(self.per_epoch)
        self.taken += 1
        n = len(self.tokens)
        start = (self._first + int(self._order[place]) * self.context) % n
        stop = start + self.context + 1
        if stop <= n:
            return self.tokens[start:stop]
        return self.tokens[np.arange(start, stop) % n]

    @property
    def epochs(self) -> float:
        """How often the domain has been read."""
        return self.taken * self.context / len(self.tokens)


class Batches:
    """The batches of one training.

    Which domain a sequence is from is decided by the mixture (`Assignment`), which window of that domain by the seed
    (`Windows`): two trainings with one seed read each domain in one order, however much they read of it.
    """

    def __init__(self, data: ProxyData, mixture: Floats, context: int, seed: int) -> None:
        """Begin.

        Raises:
            GemixError: weights that are no mixture of the domains, or on a domain without tokens; a negative seed.

        """
        if seed < 0:
            raise GemixError(f"a seed is at least 0, not {seed}")
        self.mixture = data.checked_mixtures([mixture])[0]
        self.seed, self.step = seed, 0
        self._assignment = Assignment(self.mixture)
        self._windows = {int(k): Windows(data.train[k], context, (seed, int(k))) for k in np.flatnonzero(self.mixture)}

    def next(self, n: int) -> tuple[Ids, Ids]:
        """Return n sequences, (n, context + 1) token ids, and their domains, (n,), in random order."""
        domains = self._assignment.take(n)
        np.random.default_rng([self.seed, self.step, 1]).shuffle(domains)
        self.step += 1
        return np.stack([self._windows[int(k)].next() for k in domains]).astype(np.int64), domains

    @property
    def epochs(self) -> Floats:
        """How often each domain has been read, (K,)."""
        out = np.zeros(len(self.mixture))
        for k, windows in self._windows.items():
            out[k] = windows.epochs
        return out
