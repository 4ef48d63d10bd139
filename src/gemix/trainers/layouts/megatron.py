"""Megatron's indexed dataset: part-00000.bin with the tokens, part-00000.idx with the documents."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from gemix.runtime.errors import GemixError
from gemix.trainers.layouts.base import Documents, Part, numbered, unsigned, write_tokens

_MAGIC: Final = b"MMIDIDX\x00\x00"
_VERSION: Final = 1
_CODES: Final = {"u2": 8, "i4": 4}  # the numbers that Megatron gives to types


@dataclass(frozen=True)
class Megatron:
    """A sequence a document.

    The index, little-endian: magic, version (uint64), code of the type (uint8), number of sequences n (uint64), number
    of document bounds n + 1 (uint64); lengths in tokens (n int32), begins in bytes (n int64), bounds 0 ... n (int64).
    """

    name: str = "megatron"

    def dtype(self, vocabulary: int) -> np.dtype[Any]:
        """Return uint16 or int32: it knows no uint32."""
        return unsigned(vocabulary) if unsigned(vocabulary).itemsize == 2 else np.dtype("<i4")

    def part(self, number: int) -> str:
        """Return the prefix that Megatron is told."""
        return numbered(number)

    def files(self, part: str) -> list[str]:
        """Return tokens and index."""
        return [f"{part}.bin", f"{part}.idx"]

    def write(self, paths: Sequence[Path], documents: Documents, dtype: np.dtype[Any]) -> None:
        """Write both.

        Raises:
            GemixError: a document is longer than an int32 can say.

        """
        lengths = documents.lengths
        if lengths.max() > np.iinfo(np.int32).max:
            raise GemixError(f"a document has {lengths.max():,} tokens, and megatron's index holds 2^31 - 1 at most")
        write_tokens(paths[0], documents)
        n = len(lengths)
        with open(paths[1], "wb") as file:
            file.write(_MAGIC + struct.pack("<QBQQ", _VERSION, _CODES[dtype.str[1:]], n, n + 1))
            file.write(lengths.astype("<i4").data)
            file.write(((np.cumsum(lengths) - lengths) * dtype.itemsize).astype("<i8").data)
            file.write(np.arange(n + 1, dtype="<i8").data)

    def closing(self, parts: Sequence[Part], dtype: np.dtype[Any]) -> dict[str, str]:
        """Return nothing."""
        return {}
