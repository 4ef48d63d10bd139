"""OLMo-core: part-00000.npy, which in spite of its name has no header."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gemix.trainers.layouts.base import Documents, Part, numbered, unsigned, write_tokens


@dataclass(frozen=True)
class OlmoCore:
    """The tokens one after another and nothing else; the end-of-text token tells documents apart."""

    name: str = "olmo-core"

    def dtype(self, vocabulary: int) -> np.dtype[Any]:
        """Return uint16 or uint32; OLMo-core alone would take uint8 for a vocabulary of up to 256."""
        return np.dtype("u1") if vocabulary <= 1 << 8 else unsigned(vocabulary)

    def part(self, number: int) -> str:
        """Return the name of the file."""
        return f"{numbered(number)}.npy"

    def files(self, part: str) -> list[str]:
        """Return the one file."""
        return [part]

    def write(self, paths: Sequence[Path], documents: Documents, dtype: np.dtype[Any]) -> None:
        """Write it."""
        write_tokens(paths[0], documents)

    def closing(self, parts: Sequence[Part], dtype: np.dtype[Any]) -> dict[str, str]:
        """Return nothing."""
        return {}
