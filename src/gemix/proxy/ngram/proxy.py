"""The n-gram proxy: losses of mixtures from counts that are taken once."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gemix.proxy.dataset import ProxyData
from gemix.proxy.interface import Floats
from gemix.proxy.ngram import mixture_kernel as kernel
from gemix.proxy.ngram.count import count_ngrams
from gemix.proxy.ngram.smoothing import Smoothing
from gemix.runtime.errors import GemixError


class NgramProxy:
    """Interpolated n-gram models of mixtures of K domains, judged by V validation sets.

    Everything is deterministic: seeds change nothing. The formulas are in `gemix.proxy.ngram.model`.
    """

    def __init__(self, data: ProxyData, order: int = 3, valid_tokens: int = 100_000) -> None:
        """Count the n-grams of the validation sets in all domains: one pass over the tokens.

        Args:
            data: tokens of domains and validation sets.
            order: length of the longest n-grams, 1 to 5.
            valid_tokens: of each validation set, whole documents that are chosen at random; memory follows.

        Raises:
            GemixError: a bad option, an empty validation set, or no training text at all.

        """
        if not 1 <= order <= 5:
            raise GemixError(f"n-grams of {order} tokens: from 1 to 5 are counted")
        if valid_tokens < 1:
            raise GemixError(f"at least one token of a validation set is needed, not {valid_tokens}")
        empty = [part.name for part, tokens in zip(data.valid, data.held_out, strict=True) if not len(tokens)]
        if empty or not data.valid:
            raise GemixError(f"no validation text: {', '.join(map(repr, empty)) or 'there is no validation set'}")
        if not any(map(len, data.train)):
            raise GemixError("no domain has any training text")
        self._data = data
        self._order = order
        self._available = np.array([len(tokens) for tokens in data.train], np.float64)
        self._model, self._valid = count_ngrams(data, order, valid_tokens)

    @property
    def domains(self) -> Sequence[str]:
        """Names of the K domains."""
        return self._data.names

    @property
    def valid(self) -> Sequence[str]:
        """Names of the V validation sets."""
        return self._data.valid_names

    @property
    def smoothing(self) -> Smoothing:
        """How far contexts are trusted."""
        return self._model.smoothing

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the losses besides mixture and budget."""
        return {
            "kind": "ngram",
            "order": self._order,
            "vocabulary": self._data.vocabulary,
            "valid_tokens": [len(ngrams) for ngrams in self._valid.ngrams],
            "strength": self.smoothing.strength.tolist(),
            "growth": self.smoothing.growth.tolist(),
            "data": self._data.fingerprint,
        }

    def train(self, mixture: Floats, budget: int, seed: int = 0) -> Floats:
        """Return the losses of the model of a mixture, see `gemix.proxy.interface.Proxy`; `seed` changes nothing."""
        return next(losses for _, losses in self.train_many(np.asarray(mixture, np.float64)[None], budget))

    def train_many(
        self, mixtures: Floats, budget: int, seeds: Sequence[int] | None = None
    ) -> Iterator[tuple[int, Floats]]:
        """Yield (row, losses) of the models of mixtures, see `gemix.proxy.interface.Proxy`; seeds change nothing."""
        passes = self._passes(mixtures, budget)
        starts, sets, (shares,) = self._valid.shares
        for first, group in self._model.groups(passes):
            losses = np.zeros((len(self.valid), group.shape[1]))
            for ngram, logs in self._model.blocks(group):
                kernel.add_losses(ngram, logs, starts, sets, shares, losses)
            for i, column in enumerate(losses.T):
                yield first + i, column.copy()

    def log_likelihoods(self, valid: str) -> Floats:
        """Return log p_k(x_i) of every token of a validation set under the model of each domain alone, (n, K).

        This is what MixMin takes (`gemix.mix.strategies.mixmin`).

        Raises:
            GemixError: there is no such validation set, or a domain has no tokens.

        """
        if valid not in self.valid:
            raise GemixError(f"there is no validation set {valid!r}; there are {', '.join(map(repr, self.valid))}")
        alone = self._data.checked_mixtures(np.eye(len(self._available)))
        ngrams = self._valid.ngrams[self.valid.index(valid)]
        order = np.argsort(ngrams, kind="stable")
        out = np.empty((len(ngrams), len(alone)))
        for first, group in self._model.groups(alone):
            for ngram, logs in self._model.blocks(group):
                low, high = np.searchsorted(ngrams, [ngram, ngram + len(logs)], sorter=order)
                tokens = order[low:high]
                out[tokens, first : first + group.shape[1]] = logs[ngrams[tokens] - ngram]
        return out

    def _passes(self, mixtures: ArrayLike, budget: int) -> NDArray[np.float64]:
        """Return how often each mixture reads each domain, (K, n)."""
        w = self._data.checked_mixtures(mixtures)
        if not budget >= 1:
            raise GemixError(f"a model is trained on at least one token, not {budget}")
        return np.ascontiguousarray((budget * w / np.maximum(self._available, 1)).T)
