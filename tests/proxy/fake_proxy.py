"""A proxy whose losses are a known function of the mixture: what swarms are tested with."""

import time

import numpy as np

DOMAINS = ("web", "code", "math", "books")
CENTRES = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])


def bowl(w):
    """Two validation losses, least (2 and 3) at CENTRES."""
    return np.array([2.0, 3.0]) + ((w[:, None] - CENTRES) ** 2).sum(axis=2)


class FakeProxy:
    """Losses by `function` (n, K) -> (n, V); counts what it trains, and can be slow or fail."""

    def __init__(self, function=bowl, domains=DOMAINS, valid=("page", "poem"), facts=None, pause=0.0, fail_at=None):
        self.function, self.domains, self.valid = function, tuple(domains), tuple(valid)
        self.facts = {"kind": "fake", "data": {"fingerprint": "f00"}} | (facts or {})
        self.pause, self.fail_at = pause, fail_at
        self.trained: list[np.ndarray] = []

    def train(self, mixture, budget, seed=0):
        return next(self.train_many(np.atleast_2d(mixture), budget, [seed]))[1]

    def train_many(self, mixtures, budget, seeds=None):
        # In an order of its own, as parallel trainers do.
        for row in reversed(range(len(mixtures))):
            if self.fail_at is not None and len(self.trained) >= self.fail_at:
                raise RuntimeError("the machine is gone")
            time.sleep(self.pause)
            self.trained.append(mixtures[row])
            yield row, self.function(mixtures[row : row + 1])[0]
