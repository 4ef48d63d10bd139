"""For any reader: NumPy arrays of tokens and of the places where documents begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gemix.trainers.layouts.base import Documents, Part, ends, numbered, unsigned


@dataclass(frozen=True)
class Npy:
    """part-00000.npy, the tokens, and part-00000.offsets.npy, (n + 1,) int64: document i is tokens[o[i] : o[i + 1]].

    Both are files of NumPy with a header: `numpy.load(path, mmap_mode="r")`.
    """

    name: str = "npy"

    def dtype(self, vocabulary: int) -> np.dtype[Any]:
        """Return uint16 or uint32."""
        return unsigned(vocabulary)

    def part(self, number: int) -> str:
        """Return the name of the file of tokens."""
        return f"{numbered(number)}.npy"

    def files(self, part: str) -> list[str]:
        """Return tokens and offsets."""
        return [part, f"{part.removesuffix('.npy')}.offsets.npy"]

    def write(self, paths: Sequence[Path], documents: Documents, dtype: np.dtype[Any]) -> None:
        """Write both."""
        offsets = np.concatenate([[0], ends(documents)]).astype("<i8")
        header = {"descr": dtype.str, "fortran_order": False, "shape": (int(offsets[-1]),)}
        with open(paths[0], "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for tokens in documents.tokens:
                file.write(tokens.data)
        with open(paths[1], "wb") as file:
            np.lib.format.write_array(file, offsets, (1, 0), allow_pickle=False)

    def closing(self, parts: Sequence[Part], dtype: np.dtype[Any]) -> dict[str, str]:
        """Return nothing."""
        return {}
