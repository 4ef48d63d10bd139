"""Tokens of domains from their exact bytes and a sample of whole documents whose tokens were counted."""

import math
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

_CONFIDENCE: Final = 0.975  # the quantile of a 95 % interval
_FEWEST: Final = 2  # documents from which a domain has a rate and a spread of its own
_GUESS: Final = 0.25  # tokens a byte, where no document of the corpus is in the sample
_WIDE: Final = 4.0  # text of all kinds has from 1/16 to 1 token a byte: this times and part of the usual quarter


class Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sums over the documents that were counted, one entry a domain: what a ratio estimator needs.

    Attributes:
        documents, tokens, bytes: of these documents.
        tokens_squared, tokens_bytes, bytes_squared: sums of the products, document by document.

    """

    documents: list[int]
    tokens: list[int]
    bytes: list[int]
    tokens_squared: list[int]
    tokens_bytes: list[int]
    bytes_squared: list[int]

    @classmethod
    def none(cls, k: int) -> "Counted":
        """Return the sums of no document in `k` domains."""
        return cls(*([0] * k for _ in cls.__struct_fields__))

    def add(self, domain: int, tokens: int, size: int) -> None:
        """Count a document."""
        values = (1, tokens, size, tokens * tokens, tokens * size, size * size)
        for name, value in zip(self.__struct_fields__, values, strict=True):
            getattr(self, name)[domain] += value

    def __add__(self, more: "Counted") -> "Counted":
        """Return the sums over both."""
        pairs = ((getattr(self, name), getattr(more, name)) for name in self.__struct_fields__)
        return Counted(*([a + b for a, b in zip(own, other, strict=True)] for own, other in pairs))


@dataclass(frozen=True)
class Estimate:
    """Tokens of K domains, the ends of their 95 % intervals, and tokens a byte, (K,) float64."""

    tokens: list[int]
    low: list[int]
    high: list[int]
    rates: NDArray[np.float64]


def estimate_tokens(documents: list[int], sizes: list[int], counted: Counted) -> Estimate:
    """Return tokens = bytes x (tokens a byte of the documents of the domain that were counted).

    The interval is that of a ratio estimator, by Student's t, with the correction for a finite population: a domain
    whose documents were all counted is exact. One with fewer than two that were goes by the rate of all domains, within
    a factor of four; that the whole documents of a sample were counted is a bound from below everywhere.

    Args:
        documents: of the K domains.
        sizes: bytes of text of the K domains.
        counted: the sums over the sample.

    """
    total = sum(counted.bytes)
    common = sum(counted.tokens) / total if total else _GUESS
    rows = [_domain(k, documents[k], sizes[k], counted, common) for k in range(len(documents))]
    tokens, low, high = ([row[i] for row in rows] for i in range(3))
    rates = np.array([n / size if size else common for n, size in zip(tokens, sizes, strict=True)])
    return Estimate(tokens, low, high, rates)


def _domain(k: int, documents: int, size: int, counted: Counted, common: float) -> tuple[int, int, int]:
    """Return tokens, low and high of a domain."""
    n, y, x = counted.documents[k], counted.tokens[k], counted.bytes[k]
    if n == documents:
        return y, y, y
    if n < _FEWEST:
        found = size * common
        return max(round(found), y), max(math.floor(found / _WIDE), y), max(math.ceil(found * _WIDE), y)
    from scipy.special import stdtrit

    rate = y / x
    # Integers until here: the three terms nearly cancel.
    squares = counted.tokens_squared[k] * x * x - 2 * y * x * counted.tokens_bytes[k] + y * y * counted.bytes_squared[k]
    variance = max(squares, 0) / (x * x) / (n - 1)
    error = math.sqrt(n * variance * (1 - x / size)) / x  # of the rate
    half = float(stdtrit(n - 1, _CONFIDENCE)) * error * size
    found = size * rate
    return max(round(found), y), max(math.floor(found - half), y), max(math.ceil(found + half), y)
