"""What every kind of proxy model does: tell the losses that a mixture leads to."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Proxy(Protocol):
    """A kind of model on one set of data (`gemix.proxy.dataset.ProxyData`)."""

    @property
    def domains(self) -> Sequence[str]:
        """Names of the K domains, in the order of a mixture's weights."""
        ...

    @property
    def valid(self) -> Sequence[str]:
        """Names of the V validation sets, in the order of the losses."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the losses besides mixture, budget and seed, as JSON: kind, sizes, fingerprint of the data."""
        ...

    def train(self, mixture: Floats, budget: int, seed: int = 0) -> Floats:
        """Return the losses of a model trained on `budget` tokens of a mixture, (V,) float64, in nats per token.

        Args:
            mixture: (K,) token shares, sum 1.
            budget: tokens to train on.
            seed: of initial weights and order of the data.

        Raises:
            GemixError: a domain with weight has no tokens, or the training failed (losses that are not finite).

        """
        ...

    def train_many(
        self, mixtures: Floats, budget: int, seeds: Sequence[int] | None = None
    ) -> Iterator[tuple[int, Floats]]:
        """Yield (row of `mixtures`, its losses) as they are known, in any order, each as `train` returns it.

        Args:
            mixtures: (n, K).
            budget: tokens for each.
            seeds: n seeds; None: 0 for all, so that runs differ by their mixture alone.

        """
        ...
