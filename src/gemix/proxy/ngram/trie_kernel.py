"""The compiled part of the trie of n-grams: a hash table from (node, next token) to node."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.compiled import compiled

FREE: Final = np.int32(-1)
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_FOLD: Final = np.uint64(29)
_HALF: Final = np.uint64(32)


@compiled
def slot(key: Any, keys: NDArray[np.uint64], values: NDArray[np.int32]) -> Any:
    """Return where a key lies, or the free place where it would."""
    mask = np.uint64(len(keys) - 1)
    place = key * _SPREAD
    place = (place ^ (place >> _FOLD)) * _SPREAD
    place = (place >> _HALF) & mask
    while values[place] != FREE and keys[place] != key:
        place = (place + np.uint64(1)) & mask
    return place


@compiled
def rehash(
    old_keys: NDArray[np.uint64],
    old_values: NDArray[np.int32],
    keys: NDArray[np.uint64],
    values: NDArray[np.int32],
) -> None:
    """Move all entries into a larger table whose values are `FREE`."""
    for i in range(len(old_keys)):
        if old_values[i] != FREE:
            place = slot(old_keys[i], keys, values)
            keys[place] = old_keys[i]
            values[place] = old_values[i]


# Arrays one by one: numba knows no structs of them here, and inlines nothing across calls.
@compiled
def insert(
    tokens: NDArray[np.uint32],
    end: int,
    start: NDArray[np.int32],
    state: NDArray[np.int32],
    keys: NDArray[np.uint64],
    values: NDArray[np.int32],
    prefix: NDArray[np.int32],
    suffix: NDArray[np.int32],
    size: int,
    top: NDArray[np.int32],
) -> int:
    """Add the n-grams that end at each token; return the new number of nodes.

    Ten arguments: compiled code takes the arrays of the trie one by one.

    Args:
        tokens: (n,).
        end: the token behind which a document begins.
        start: (order,) node of the last 0, 1, ... tokens before a document.
        state: (order,) the same before the first of `tokens`; left behind as it is after the last.
        keys: of the table, with room for order x n entries.
        values: of the table.
        prefix: (nodes,) the n-gram without its last token; room as above.
        suffix: (nodes,) the n-gram without its first token.
        size: nodes so far.
        top: (n,) out: the longest n-gram that ends at each token.

    """
    order = len(start)
    for i in range(len(tokens)):
        token = np.uint64(tokens[i])
        shorter = np.int32(0)
        carried = state[0]
        for length in range(1, order + 1):
            key = (np.uint64(carried) << _HALF) | token
            place = slot(key, keys, values)
            node = values[place]
            if node == FREE:
                node = np.int32(size)
                keys[place] = key
                values[place] = node
                prefix[size] = carried
                suffix[size] = shorter
                size += 1
            if length < order:
                carried = state[length]
                state[length] = node
            shorter = node
        top[i] = shorter
        if tokens[i] == end:
            state[:] = start
    return size


@compiled
def count(
    tokens: NDArray[np.uint32],
    end: int,
    start: NDArray[np.int32],
    state: NDArray[np.int32],
    keys: NDArray[np.uint64],
    values: NDArray[np.int32],
    document: int,
    tally: NDArray[np.int64],
) -> int:
    """Count the n-grams of the trie; return the number of the document that the next token belongs to.

    Args:
        tokens: (n,).
        end: as `insert` has it.
        start: as `insert` has it.
        state: as `insert` has it; `FREE` stands for an n-gram that is not in the trie.
        keys: of the table.
        values: of the table.
        document: number of the document that the first token belongs to; from 1.
        tally: (nodes, 6) in place. How often an n-gram occurs, in how many documents, in which it did last; and the
            same of its occurrences with a token behind. One row is one line of the cache.

    """
    order = len(start)
    for i in range(len(tokens)):
        token = np.uint64(tokens[i])
        carried = state[0]
        for length in range(1, order + 1):
            node = FREE
            if carried != FREE:
                row = tally[carried]
                row[3] += 1
                if row[5] != document:
                    row[4] += 1
                    row[5] = document
                node = values[slot((np.uint64(carried) << _HALF) | token, keys, values)]
                if node != FREE:
                    row = tally[node]
                    row[0] += 1
                    if row[2] != document:
                        row[1] += 1
                        row[2] = document
            if length < order:
                carried = state[length]
                state[length] = node
        if tokens[i] == end:
            state[:] = start
            document += 1
    return document
