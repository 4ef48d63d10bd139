"""MosaicML's MDS: shard.00000.mds, and index.json over all shards of a domain."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from gemix.runtime.errors import GemixError
from gemix.trainers.layouts.base import Documents, Part, unsigned

_COLUMN: Final = "tokens"
_LARGEST: Final = (1 << 32) - 1  # bytes of a shard: its offsets are uint32


@dataclass(frozen=True)
class Mds:
    """A sample a document with one column, `tokens`, of the encoding ndarray:uint16 or ndarray:uint32.

    A shard, little-endian: number of samples n (uint32), where each begins and the last ends (n + 1 uint32, from the
    begin of the file), a JSON object of the columns, the samples. A sample: its size without this number (uint32), one
    byte 4 + log2 of the bytes of the length that follows, the length in tokens, the tokens.
    """

    name: str = "mds"

    def dtype(self, vocabulary: int) -> np.dtype[Any]:
        """Return uint16 or uint32."""
        return unsigned(vocabulary)

    def part(self, number: int) -> str:
        """Return the name of the shard."""
        return f"shard.{number:05d}.mds"

    def files(self, part: str) -> list[str]:
        """Return the one file."""
        return [part]

    def write(self, paths: Sequence[Path], documents: Documents, dtype: np.dtype[Any]) -> None:
        """Write it.

        Raises:
            GemixError: it would have more than 4 GiB.

        """
        lengths = documents.lengths
        logs = np.searchsorted([1 << 8, 1 << 16, 1 << 32], lengths, side="right")
        sizes = 1 + (1 << logs) + lengths * dtype.itemsize
        config = json.dumps(_config(dtype), sort_keys=True).encode()
        offsets = np.concatenate([[0], np.cumsum(4 + sizes)]) + 4 + 4 * (len(lengths) + 1) + len(config)
        if offsets[-1] > _LARGEST:
            raise GemixError(f"a shard of {offsets[-1]:,} bytes, and mds holds 4 GiB at most: a smaller --file-bytes")
        with open(paths[0], "wb") as file:
            file.write(np.array(len(lengths), "<u4").tobytes() + offsets.astype("<u4").tobytes() + config)
            for tokens, size, log in zip(documents.tokens, sizes.tolist(), logs.tolist(), strict=True):
                file.write(size.to_bytes(4, "little") + bytes([4 | log]) + len(tokens).to_bytes(1 << log, "little"))
                file.write(tokens.data)

    def closing(self, parts: Sequence[Part], dtype: np.dtype[Any]) -> dict[str, str]:
        """Return the index."""
        shards = [
            _config(dtype)
            | {
                "raw_data": {"basename": part.name, "bytes": part.size, "hashes": {}},
                "samples": part.documents,
                "zip_data": None,
            }
            for part in parts
        ]
        return {"index.json": json.dumps({"shards": shards, "version": 2}, sort_keys=True) + "\n"}


def _config(dtype: np.dtype[Any]) -> dict[str, Any]:
    return {
        "column_encodings": [f"ndarray:{dtype.name}"],
        "column_names": [_COLUMN],
        "column_sizes": [None],
        "compression": None,
        "format": "mds",
        "hashes": [],
        "size_limit": None,
        "version": 2,
    }
