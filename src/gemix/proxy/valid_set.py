"""The documents of a validation set: those with the smallest hashes, in bounded memory."""

from collections.abc import Iterator
from typing import NamedTuple

from gemix.proxy.documents import Tokens


class Held(NamedTuple):
    """A document that nothing is trained on: the hash of its text, how many came before it, tokens, bytes of text."""

    hash: float
    number: int
    tokens: Tokens
    size: int


class ValidSet:
    """The documents of a validation set whose texts have the smallest hashes, up to a limit of tokens; at least one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[Held] = []
        self._added = 0
        self._tokens = 0
        self._bar: float | None = None

    def wants(self, value: float) -> bool:
        """Return whether a document with this hash may be among the smallest."""
        return self._bar is None or value <= self._bar

    def add(self, value: float, tokens: Tokens, size: int) -> None:
        """Offer a document with this hash of its text."""
        self._kept.append(Held(value, self._added, tokens, size))
        self._added += 1
        self._tokens += len(tokens)
        if self._tokens > 2 * self._limit and len(self._kept) > 1:
            self._prune()

    def documents(self) -> Iterator[Held]:
        """Yield the documents in the order in which they came."""
        self._prune()
        yield from sorted(self._kept, key=lambda document: document.number)

    def _prune(self) -> None:
        self._kept.sort(key=lambda document: document[:2])
        total = 0
        for i, document in enumerate(self._kept):
            total += len(document.tokens)
            if total > self._limit and i:
                self._bar = self._kept[i].hash
                del self._kept[i:]
                total -= len(document.tokens)
                break
        self._tokens = total
