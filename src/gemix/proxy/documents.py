"""Documents in a stream of tokens, each with the end-of-text token behind it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.uint16] | NDArray[np.uint32]

_PIECE = 1 << 24  # tokens searched at a time


def document_ends(tokens: Tokens, end: int) -> NDArray[np.int64]:
    """Return where each document ends, exclusive."""
    pieces = [np.flatnonzero(tokens[i : i + _PIECE] == end) + (i + 1) for i in range(0, len(tokens), _PIECE)]
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def split_documents(tokens: Tokens, end: int) -> list[Tokens]:
    """Return the documents one by one."""
    ends = document_ends(tokens, end)
    return [tokens[start:stop] for start, stop in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True)]


def some_documents(tokens: Tokens, end: int, limit: int) -> Tokens:
    """Return documents of about `limit` tokens in all: the same random ones each time, one at least, in their order."""
    if len(tokens) <= limit:
        return tokens
    lengths, order = _shuffled(tokens, end, 0)
    fitting = np.searchsorted(np.cumsum(lengths[order]), limit, side="right")
    return _joined(tokens, lengths, order[: max(1, fitting)])


def nearest_documents(tokens: Tokens, end: int, size: float, seed: int | Sequence[int]) -> Tokens:
    """Return random documents, in their order, whose tokens together come as near to `size` as whole documents can."""
    lengths, order = _shuffled(tokens, end, seed)
    totals = np.cumsum(lengths[order])
    count = int(np.searchsorted(totals, size))
    if count < len(totals) and (count == 0 or totals[count] - size < size - totals[count - 1]):
        count += 1
    return _joined(tokens, lengths, order[:count])


def _shuffled(tokens: Tokens, end: int, seed: int | Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lengths of the documents, and their numbers in random order."""
    lengths = np.diff(document_ends(tokens, end), prepend=0)
    return lengths, np.random.default_rng(seed).permutation(len(lengths))


def _joined(tokens: Tokens, lengths: NDArray[np.int64], numbers: NDArray[np.int64]) -> Tokens:
    stops = np.cumsum(lengths)
    chosen: Any = np.concatenate([tokens[stops[i] - lengths[i] : stops[i]] for i in np.sort(numbers)])
    return chosen
