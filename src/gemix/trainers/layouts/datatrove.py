"""datatrove's tokenised file: part-00000.ds, its index of documents, and a note on the tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gemix.trainers.layouts.base import Documents, Part, ends, numbered, unsigned, write_tokens


@dataclass(frozen=True)
class Datatrove:
    """The tokens one after another; beside them where each document ends (uint64), in tokens.

    The note has three lines: tokenizer|bytes of a token, number of tokens, the same for people.
    """

    name: str = "datatrove"

    def dtype(self, vocabulary: int) -> np.dtype[Any]:
        """Return uint16 or uint32."""
        return unsigned(vocabulary)

    def part(self, number: int) -> str:
        """Return the name of the file of tokens."""
        return f"{numbered(number)}.ds"

    def files(self, part: str) -> list[str]:
        """Return tokens, index and note."""
        return [part, f"{part}.index", f"{part}.metadata"]

    def write(self, paths: Sequence[Path], documents: Documents, dtype: np.dtype[Any]) -> None:
        """Write all three."""
        write_tokens(paths[0], documents)
        paths[1].write_bytes(ends(documents).astype("<u8").data)
        total = int(documents.lengths.sum())
        note = [f"{documents.tokenizer.replace('|', ' ')}|{dtype.itemsize}", str(total), f"{total:,} T"]
        paths[2].write_text("\n".join(note), encoding="utf-8")

    def closing(self, parts: Sequence[Part], dtype: np.dtype[Any]) -> dict[str, str]:
        """Return nothing."""
        return {}
