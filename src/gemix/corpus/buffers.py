"""Texts as two plain arrays that a compiled kernel scans: no Python string is made or touched."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Texts: TypeAlias = Sequence[str] | pa.Array | pa.ChunkedArray


class TextBuffers(NamedTuple):
    """n texts in UTF-8: text i is data[offsets[i] : offsets[i + 1]].

    Attributes:
        offsets: (n + 1,) int64, read-only.
        data: (bytes,) uint8, read-only.

    """

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]


def text_list(texts: Texts) -> Sequence[str]:
    """Return texts as Python strings."""
    return texts.to_pylist() if isinstance(texts, pa.Array | pa.ChunkedArray) else texts


def text_buffers(texts: Texts) -> TextBuffers:
    """Return the bytes of texts: those of an Arrow array as they lie, without a copy; null stands for "".

    Raises:
        TypeError: an Arrow array that holds no strings.
        UnicodeEncodeError: a Python string that has no UTF-8 (a lone surrogate).

    """
    if not isinstance(texts, pa.Array | pa.ChunkedArray):
        texts = pa.array(texts, pa.large_string())
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.cast(pa.large_string()).combine_chunks()
    if texts.type not in (pa.string(), pa.large_string()):
        if not pa.types.is_string_view(texts.type):
            raise TypeError(f"texts are strings, not {texts.type}")
        texts = texts.cast(pa.large_string())
    if texts.null_count:
        texts = texts.fill_null("")
    wide = texts.type == pa.large_string()
    _, offsets, data = texts.buffers()
    if not len(texts):
        return TextBuffers(fixed(np.zeros(1, np.int64)), fixed(np.empty(0, np.uint8)))
    ends = np.frombuffer(offsets, np.int64 if wide else np.int32)[texts.offset : texts.offset + len(texts) + 1]
    characters = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return TextBuffers(fixed(ends.astype(np.int64, copy=False)), fixed(characters))


def fixed(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, read-only: kernels are compiled once for all."""
    array.flags.writeable = False
    return array
