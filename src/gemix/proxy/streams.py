"""Where tokens go while data are prepared: training text to files at once, validation text to memory up to a limit."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gemix.proxy.dataset import Part, part_path
from gemix.proxy.documents import Tokens
from gemix.runtime.errors import GemixError

_HELD = 1 << 26  # bytes of tokens that wait for their files


class TrainStreams:
    """The training files of K domains, which grow as documents come.

    Documents wait until there are many, so that no more than one file is open at a time however many domains there are.
    """

    def __init__(self, folder: Path, domains: int, kind: np.dtype[Any]) -> None:
        self.documents, self.tokens, self.bytes = ([0] * domains for _ in range(3))
        self._paths = [part_path(folder, "train", k) for k in range(domains)]
        self._waiting: list[list[Tokens]] = [[] for _ in range(domains)]
        self._held = 0
        self._kind = kind
        _write(self._paths, [[] for _ in range(domains)])

    def add(self, domain: int, tokens: Tokens, size: int) -> None:
        """Add a document of a domain with its end-of-text token; `size` are the bytes of its text."""
        self.documents[domain] += 1
        self.tokens[domain] += len(tokens)
        self.bytes[domain] += size
        self._waiting[domain].append(tokens)
        self._held += tokens.nbytes
        if self._held >= _HELD:
            self.flush()

    def flush(self) -> None:
        """Bring to the disk what waits."""
        _write(self._paths, self._waiting)
        self._waiting = [[] for _ in self._paths]
        self._held = 0

    def parts(self, names: list[str]) -> list[Part]:
        """Return the sizes of the domains."""
        rows = zip(names, self.documents, self.tokens, self.bytes, strict=True)
        return [Part(name=name, documents=n, tokens=tokens, bytes=size) for name, n, tokens, size in rows]


class _Document(NamedTuple):
    hash: int
    number: int
    tokens: Tokens
    size: int


class ValidSet:
    """The documents of a validation set whose ids have the smallest hashes, up to a limit of tokens; at least one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[_Document] = []
        self._added = 0
        self._tokens = 0
        self._bar: int | None = None

    def wants(self, value: int) -> bool:
        """Return whether a document with this hash may be among the smallest."""
        return self._bar is None or value <= self._bar

    def add(self, value: int, tokens: Tokens, size: int) -> None:
        """Offer a document with this hash of its id."""
        self._kept.append(_Document(value, self._added, tokens, size))
        self._added += 1
        self._tokens += len(tokens)
        if self._tokens > 2 * self._limit and len(self._kept) > 1:
            self._prune()

    def write(self, path: Path, name: str) -> Part:
        """Write the documents in the order in which they came."""
        self._prune()
        kept = sorted(self._kept, key=lambda document: document.number)
        _write([path], [[document.tokens for document in kept]])
        return Part(
            name=name,
            documents=len(kept),
            tokens=sum(len(document.tokens) for document in kept),
            bytes=sum(document.size for document in kept),
        )

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


def _write(paths: list[Path], tokens: list[list[Tokens]]) -> None:
    """Append documents to their files and bring them to the disk; files and folders are made where they are missing."""
    for path, documents in zip(paths, tokens, strict=True):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if documents or not path.exists():
                with open(path, "ab") as file:
                    for document in documents:
                        file.write(document.data)
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise GemixError(f"cannot write {path}: {error.strerror or error}") from error
