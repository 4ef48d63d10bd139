"""What a layout is: how documents as tokens lie in the files that a trainer reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_SMALL = 1 << 16  # ids that a uint16 can tell apart


@dataclass(frozen=True)
class Documents:
    """Documents in the order in which they are written, each with the end-of-text token behind it.

    Attributes:
        lengths: tokens of each, (n,) int64, n > 0.
        tokens: n arrays of the layout's type, of these lengths; read once, one at a time.
        tokenizer: fingerprint of what made them.

    """

    lengths: NDArray[np.int64]
    tokens: Iterable[NDArray[Any]]
    tokenizer: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a domain as it was written: its name, documents, and the size of its first file in bytes."""

    name: str
    documents: int
    size: int


class Layout(Protocol):
    """How the tokens of a domain lie in its folder. A frozen dataclass, picklable."""

    @property
    def name(self) -> str:
        """What `--layout` calls it."""

    def dtype(self, vocabulary: int) -> np.dtype[Any]:
        """Return the type of a token, little-endian."""

    def part(self, number: int) -> str:
        """Return the name of a part, which the trainer is told if it is told single files."""

    def files(self, part: str) -> list[str]:
        """Return the names of a part's files."""

    def write(self, paths: Sequence[Path], documents: Documents, dtype: np.dtype[Any]) -> None:
        """Write those files to temporary paths.

        Raises:
            GemixError: the format cannot hold them.

        """

    def closing(self, parts: Sequence[Part], dtype: np.dtype[Any]) -> dict[str, str]:
        """Return texts by the names of the small files that stand once in the folder, over all parts in order."""


def unsigned(vocabulary: int) -> np.dtype[Any]:
    """Return uint16, or uint32 for a vocabulary that needs it."""
    return np.dtype("<u2" if vocabulary <= _SMALL else "<u4")


def numbered(number: int) -> str:
    """Return the usual name of a part."""
    return f"part-{number:05d}"


def write_tokens(path: Path, documents: Documents) -> None:
    """Write the tokens one after another and nothing else."""
    with open(path, "wb") as file:
        for tokens in documents.tokens:
            file.write(tokens.data)


def ends(documents: Documents) -> NDArray[np.int64]:
    """Return where each document ends, exclusive, in tokens from the begin of the file, (n,) int64."""
    return np.cumsum(documents.lengths, dtype=np.int64)
