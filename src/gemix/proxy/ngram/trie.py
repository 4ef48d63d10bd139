"""The n-grams that occur in some text, and how often each occurs in another.

A node is an n-gram of up to `order` tokens; the root, node 0, is the empty one. What stands before a document are
end-of-text tokens, as many as a context needs, so no context reaches into the document before.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.proxy.documents import Tokens
from gemix.proxy.ngram import trie_kernel as kernel
from gemix.runtime.errors import GemixError

Nodes = NDArray[np.int32]
Counts = NDArray[np.int64]
_PIECE = 1 << 20  # tokens read at a time


class Tally(NamedTuple):
    """Counts of the n-grams of a trie in some documents, each (nodes,) int64.

    Attributes:
        events: occurrences.
        event_documents: documents with one.
        contexts: occurrences with a token of the document behind.
        context_documents: documents with one of these.

    """

    events: Counts
    event_documents: Counts
    contexts: Counts
    context_documents: Counts


class Trie:
    """A growing set of n-grams, closed under leaving out the first or the last token.

    Attributes:
        order: length of the longest n-grams.
        end: the end-of-text token.
        size: number of nodes.

    """

    def __init__(self, order: int, end: int) -> None:
        self.order = order
        self.end = end
        self.size = 1
        self._keys, self._values = _table(1 << 12)
        self._prefix = np.zeros(1 << 12, np.int32)
        self._suffix = np.zeros(1 << 12, np.int32)
        # The n-grams of padding: state[0] is the root, state[i] the node of i end-of-text tokens.
        self._start = np.zeros(order, np.int32)
        for length in range(1, order):
            self._start[length] = self._add_padding(int(self._start[length - 1]))

    @property
    def prefix(self) -> Nodes:
        """The n-gram without its last token, (size,) int32: the context. It has a smaller number."""
        return self._prefix[: self.size]

    @property
    def suffix(self) -> Nodes:
        """The n-gram without its first token, (size,) int32. It has a smaller number."""
        return self._suffix[: self.size]

    @property
    def lengths(self) -> NDArray[np.int8]:
        """Tokens of every n-gram, (size,) int8."""
        lengths = np.zeros(self.size, np.int8)
        node = np.arange(self.size, dtype=np.int32)
        while (deeper := node > 0).any():
            lengths += deeper
            node = self._prefix[node]
        return lengths

    def insert(self, tokens: Tokens) -> Nodes:
        """Add the n-grams of documents; return the longest that ends at each token, (tokens,) int32."""
        top = np.empty(len(tokens), np.int32)
        state = self._start.copy()
        done = 0
        for piece in _pieces(tokens):
            self._make_room(self.order * len(piece))
            self.size = kernel.insert(
                piece, self.end, self._start, state, self._keys, self._values, self._prefix, self._suffix, self.size,
                top[done : done + len(piece)],
            )  # fmt: skip
            done += len(piece)
        return top

    def count(self, tokens: Tokens, advance: Callable[[float], None] = lambda n: None) -> Tally:
        """Return how often the n-grams occur in documents, and in how many."""
        tally = np.zeros((self.size, 6), np.int64)
        state = self._start.copy()
        document = 1
        for piece in _pieces(tokens):
            document = kernel.count(piece, self.end, self._start, state, self._keys, self._values, document, tally)
            advance(len(piece))
        return Tally(*(tally[:, i].copy() for i in (0, 1, 3, 4)))

    def _add_padding(self, context: int) -> int:
        node = self.size
        key = np.uint64(context << 32 | self.end)
        place = kernel.slot(key, self._keys, self._values)
        self._keys[place], self._values[place] = key, node
        self._prefix[node] = self._suffix[node] = context
        self.size += 1
        return node

    def _make_room(self, more: int) -> None:
        wanted = self.size + more
        if wanted >= 1 << 31:
            raise GemixError(f"{wanted:,} n-grams are more than can be counted: take fewer validation tokens")
        if wanted > len(self._prefix):
            room = max(wanted, 2 * len(self._prefix))
            self._prefix = np.concatenate([self._prefix, np.zeros(room - len(self._prefix), np.int32)])
            self._suffix = np.concatenate([self._suffix, np.zeros(room - len(self._suffix), np.int32)])
        if 2 * wanted > len(self._keys):
            keys, values = _table(1 << (2 * wanted - 1).bit_length())
            kernel.rehash(self._keys, self._values, keys, values)
            self._keys, self._values = keys, values


def _table(places: int) -> tuple[NDArray[Any], Nodes]:
    return np.zeros(places, np.uint64), np.full(places, kernel.FREE, np.int32)


def _pieces(tokens: Tokens) -> Iterator[NDArray[np.uint32]]:
    """Yield tokens in pieces, of one type: kernels are compiled once."""
    for i in range(0, len(tokens), _PIECE):
        yield np.array(tokens[i : i + _PIECE], np.uint32)
