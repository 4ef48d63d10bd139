"""Texts as two plain arrays that a compiled kernel scans: no Python string is made or touched."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Texts = Sequence[str] | pa.Array | pa.ChunkedArray


class TextBuffers(NamedTuple):
    """n texts in UTF-8: text i is data[offsets[i] : offsets[i + 1]].

    Attributes:
        offsets: (n + 1,) int64.
        data: (bytes,) uint8, read-only.

    """

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]


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
        return TextBuffers(np.zeros(1, np.int64), np.empty(0, np.uint8))
    ends = np.frombuffer(offsets, np.int64 if wide else np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return TextBuffers(
        ends.astype(np.int64, copy=False), np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    )
