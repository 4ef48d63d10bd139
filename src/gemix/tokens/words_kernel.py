"""Words between white space, counted in UTF-8 bytes: the number of `str.split()` pieces without a string."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.bytes_kernel import copy_bytes, eight_ascii, is_space
from gemix.runtime.compiled import compiled

_BLOCK: Final = 128  # bytes looked at together: a few vectors, none of them half full
_BLANK: Final = np.uint8(0x20)


@compiled
def count_words(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of words of each text, (n,).

    White space is what `str.isspace` says: U+0009 to U+000D, U+001C to U+0020, U+0085, U+00A0, U+1680, U+2000 to
    U+200A, U+2028, U+2029, U+202F, U+205F, U+3000.

    Args:
        data: valid UTF-8.
        offsets: text i is data[offsets[i] : offsets[i + 1]], (n + 1,).

    """
    counts = np.empty(len(offsets) - 1, np.int64)
    block = np.empty(_BLOCK + 3, np.uint8)
    for i in range(len(counts)):
        begin, end = offsets[i], offsets[i + 1]
        count: Any = 0
        wide = False
        for position in range(begin, end, _BLOCK):
            reached = wide and _reaches(data, position)
            whole = begin < position and position + _BLOCK + 2 <= end
            if not whole:
                _copy(data, begin, position, end, block)
            starts, wide = _starts(data, position) if whole else _starts(block, 1)
            if wide or reached:
                if whole:
                    _copy(data, begin, position, end, block)
                _make_blank(data, begin, position, end, block)
                starts, _ = _starts(block, 1)
            count += starts
        counts[i] = count
    return counts


@compiled
def _starts(data: Any, position: int) -> tuple[int, bool]:
    """Return how many words begin at the bytes of a block, and whether white space beyond ASCII may begin there.

    All bytes take one path without a branch, of 8-bit numbers and with indices that cannot be negative: the compiler
    makes vectors of them.
    """
    starts, wide = np.uint8(0), np.uint8(0)
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    for i in range(np.uint64(position - 1), np.uint64(position - 1 + _BLOCK)):
        a, b = data[i], data[i + one]
        starts = np.uint8(starts + (is_space(a) & np.uint8(1 - is_space(b))))
        wide = np.uint8(wide | _may_be_wide(b, data[i + two], data[i + three]))
    return int(starts), wide != 0


@compiled
def _may_be_wide(a: Any, b: Any, c: Any) -> Any:
    """Return 1 if white space beyond ASCII may begin with these bytes; of its neighbours, quotes and dashes do not."""
    latin = (a == np.uint8(0xC2)) & ((b == np.uint8(0x85)) | (b == np.uint8(0xA0)))
    ogham = (a == np.uint8(0xE1)) & (b == np.uint8(0x9A))
    general = (b == np.uint8(0x80)) & (np.uint8(c & 0xF0) != np.uint8(0x90))
    general = (a == np.uint8(0xE2)) & (general | (b == np.uint8(0x81)) & (c == np.uint8(0x9F)))
    ideographic = (a == np.uint8(0xE3)) & (b == np.uint8(0x80))
    return np.uint8(latin | ogham | general | ideographic)


@compiled
def _copy(data: Any, begin: int, position: int, end: int, block: Any) -> None:
    """Copy a block, the byte before it and the two behind it, with blanks for what is not in the text."""
    block[:] = _BLANK
    first, stop = max(begin, position - 1), min(end, position + _BLOCK + 2)
    copy_bytes(block, first - position + 1, data, first, stop - first)


@compiled
def _make_blank(data: Any, begin: int, position: int, end: int, block: Any) -> None:
    """Write blanks over the white space beyond ASCII of a block that was copied."""
    i, stop = max(begin, position - 3), min(end, position + _BLOCK)
    while i < stop:
        if i + 8 <= stop and eight_ascii(data, i):
            i += 8
            continue
        for j in range(_wide_space(data, i)):
            if 0 <= i + j - position + 1 <= _BLOCK:
                block[i + j - position + 1] = _BLANK
        i += 1


@compiled
def _reaches(data: Any, position: int) -> bool:
    """Return whether white space beyond ASCII begins in the three bytes before, of which the text has all."""
    return _wide_space(data, position - 3) + _wide_space(data, position - 2) + _wide_space(data, position - 1) > 0


@compiled
def _wide_space(data: Any, i: int) -> int:
    """Return how many bytes the white space beyond ASCII has that begins here; 0 if none does."""
    a = data[i]
    if a < 0xC2 or a > 0xE3:
        return 0
    b = data[i + 1]
    if a == 0xC2:
        return 2 if b == 0x85 or b == 0xA0 else 0
    if a < 0xE1:
        return 0
    c = data[i + 2]
    if a == 0xE2 and b == 0x80:
        return 3 if c <= 0x8A or c == 0xA8 or c == 0xA9 or c == 0xAF else 0
    if a == 0xE2:
        return 3 if b == 0x81 and c == 0x9F else 0
    return 3 if (a == 0xE1 and b == 0x9A and c == 0x80) or (a == 0xE3 and b == 0x80 and c == 0x80) else 0
