"""Where a hashed student begins: it knows what the teacher thinks of words, and no document yet."""

from collections.abc import Callable, Collection
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.buffers import text_buffers
from gemix.student.hashed_kernel import Bags, Reading, read_bags
from gemix.student.hashed_kernel_training import document_logits
from gemix.student.words import Glossary, leanings

# Of the factors that suit the words' leanings best where nothing is learned on top.
_SHARE: Final = 0.8


class Beginning:
    """Weights for single words: what the teacher thinks of each alone and, if that is known, of each in its contexts.

    To a document the words in context are as the other parts of the documents have them. Weights that the document
    itself gave to its rare words would explain it, and nothing would be left to learn.

    Attributes:
        parts: numbers of the parts that the documents fall into.
        bias: (K,) float32.

    """

    def __init__(self, glossary: Glossary | None, bags: Bags, parts: NDArray[Any], reading: Reading, k: int) -> None:
        """Begin with a glossary, or with zeros.

        Args:
            glossary: words and the teacher's opinion of them.
            bags: the words of n documents.
            parts: the part of each document, (n,).
            reading: how a word becomes a bucket.
            k: number of domains.

        """
        self.parts = frozenset(parts.tolist())
        self.bias = np.zeros(k, np.float32)
        self._bags, self._part_of, self._buckets = bags, parts, 1 << reading.bits
        self._sources: list[Callable[[Collection[int]], NDArray[np.float32]]] = []
        self._factors: list[float] = []
        if glossary is None or not glossary.words:
            return
        # Each word is read as the student reads it. Of two in one bucket the more frequent, which comes first, is kept.
        own = read_bags(text_buffers(glossary.words), reading)
        self._whole = np.flatnonzero(np.diff(own.ends) == 1)[::-1]
        self._places = own.buckets[own.ends[self._whole]]
        alone = leanings(glossary)
        self._sources.append(lambda parts: alone)
        if (contexts := glossary.contexts) is not None:
            self._sources.append(lambda parts: contexts.leanings(sorted(parts)))

    def fit(self, parts: Collection[int], targets: NDArray[np.float32]) -> None:
        """Fit one factor for all words of a source, and the bias, to the targets (n, K) of the documents of `parts`."""
        if not self._sources:
            return
        rows = np.flatnonzero(np.isin(self._part_of, list(parts)))
        alone = np.eye(len(self._sources)).tolist()
        logits = [self._logits(factors, parts)[rows].astype(np.float64) for factors in alone]
        factors, bias = _fit_factors(logits, targets[rows])
        self._factors = [_SHARE * factor for factor in factors]
        self.bias = bias.astype(np.float32)

    def weights(self, parts: Collection[int]) -> NDArray[np.float32]:
        """Return the weights by the words as these parts have them, (buckets, K)."""
        return self._weights(self._factors, parts)

    def logits(self, parts: Collection[int]) -> NDArray[np.float32]:
        """Return the logits of all documents, (n, K), by the words as these parts but the document's own have them."""
        return self._logits(self._factors, parts) + self.bias

    def _weights(self, factors: list[float], parts: Collection[int]) -> NDArray[np.float32]:
        weights = np.zeros((self._buckets, len(self.bias)), np.float32)
        for factor, source in zip(factors, self._sources, strict=True):
            if factor:
                weights[self._places] += np.float32(factor) * source(parts)[self._whole]
        return weights

    def _logits(self, factors: list[float], parts: Collection[int]) -> NDArray[np.float32]:
        logits = np.zeros((len(self._part_of), len(self.bias)), np.float32)
        none = np.zeros_like(self.bias)
        for own in self.parts if factors else ():
            rows = np.flatnonzero(self._part_of == own)
            logits[rows] = document_logits(self._weights(factors, set(parts) - {own}), none, self._bags, rows)
        return logits


def _fit_factors(
    logits: list[NDArray[np.float64]], targets: NDArray[np.float32]
) -> tuple[list[float], NDArray[np.float64]]:
    """Return a_j >= 0 and b, (K,), of the softmax(sum_j a_j logits_j + b) with the least cross-entropy to the targets.

    Logits that are all the same say nothing: their factor is 0.
    """
    from scipy.optimize import minimize

    deviations = [float(part.std()) for part in logits]
    telling = [part / deviation for part, deviation in zip(logits, deviations, strict=True) if deviation > 1e-6]
    m = len(telling)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        factors = np.exp(parameters[:m])
        z = np.broadcast_to(parameters[m:], targets.shape).copy()
        for factor, part in zip(factors, telling, strict=True):
            z += factor * part
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        totals = p.sum(axis=1, keepdims=True)
        slope = (p / totals - targets) / len(z)
        value = (np.log(totals[:, 0]) - (targets * z).sum(axis=1)).mean()
        slopes = [factor * (slope * part).sum() for factor, part in zip(factors, telling, strict=True)]
        return float(value), np.concatenate([slopes, slope.sum(axis=0)])

    found = minimize(loss, np.zeros(m + targets.shape[1]), jac=True, method="L-BFGS-B").x
    factors = iter(np.exp(found[:m]).tolist())
    return [next(factors) / deviation if deviation > 1e-6 else 0.0 for deviation in deviations], found[m:]
