"""A part of the documents in a stream of tokens."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemix.proxy.dataset import Tokens

_PIECE = 1 << 24  # tokens searched at a time


def document_ends(tokens: Tokens, end: int) -> NDArray[np.int64]:
    """Return where each document ends, exclusive."""
    pieces = [np.flatnonzero(tokens[i : i + _PIECE] == end) + (i + 1) for i in range(0, len(tokens), _PIECE)]
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def some_documents(tokens: Tokens, end: int, limit: int) -> Tokens:
    """Return documents of about `limit` tokens in all: the same random ones each time, one at least, in their order."""
    if len(tokens) <= limit:
        return tokens
    ends = document_ends(tokens, end)
    starts = np.concatenate([[0], ends[:-1]])
    order = np.random.default_rng(0).permutation(len(ends))
    fitting = np.searchsorted(np.cumsum((ends - starts)[order]), limit, side="right")
    chosen: Any = np.concatenate([tokens[starts[i] : ends[i]] for i in np.sort(order[: max(1, fitting)])])
    return chosen
