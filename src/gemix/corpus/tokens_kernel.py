"""Words between white space, counted in UTF-8 bytes: the number of `str.split()` pieces without a string."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.compiled import compiled
from gemix.corpus.bytes_kernel import load_eight

_ONES: Final = np.uint64(0x0101010101010101)  # eight bytes
_HIGH: Final = _ONES << np.uint64(7)
_FROM_09, _FROM_0E, _FROM_1C, _FROM_21 = (np.uint64(0x80 - n) * _ONES for n in (0x09, 0x0E, 0x1C, 0x21))


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
    for i in range(len(counts)):
        position, end = offsets[i], offsets[i + 1]
        count: Any = 0
        inside = np.uint64(0)  # 0x80 if the last byte belongs to a word
        while position < end:
            stop = position + 8
            if stop <= end:
                eight = load_eight(data, position)
                if eight & _HIGH == 0:  # ASCII
                    words = _words(eight)
                    starts = words & ~(words << np.uint64(8) | inside)
                    count += np.int64(((starts >> np.uint64(7)) * _ONES) >> np.uint64(56))
                    inside = words >> np.uint64(56)
                    position = stop
                    continue
            stop = min(stop, end)
            while position < stop:
                length, space = _character(data, position)
                count += not space and inside == 0
                inside = np.uint64(0) if space else np.uint64(0x80)
                position += length
        counts[i] = count
    return counts


@compiled
def _words(eight: Any) -> Any:
    """Return 0x80 in each of eight ASCII bytes that is no white space, 0 elsewhere.

    To a byte below 0x80 that is at least n, adding 0x80 - n sets the upper bit, and nothing is carried over.
    """
    controls = (eight + _FROM_09) & ~(eight + _FROM_0E)
    blanks = (eight + _FROM_1C) & ~(eight + _FROM_21)
    return ~(controls | blanks) & _HIGH


@compiled
def _is_space(byte: Any) -> bool:
    return byte == 0x20 or 0x09 <= byte <= 0x0D or 0x1C <= byte <= 0x1F


@compiled
def _character(data: NDArray[np.uint8], position: int) -> tuple[int, bool]:
    """Return how many bytes the character at `position` has and whether it is white space."""
    lead = data[position]
    if lead < 0x80:
        return 1, _is_space(lead)
    if lead < 0xE0:
        second = data[position + 1]
        return 2, lead == 0xC2 and (second == 0x85 or second == 0xA0)
    if lead >= 0xF0:
        return 4, False
    second, third = data[position + 1], data[position + 2]
    if lead == 0xE2:
        if second == 0x80:
            return 3, third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF
        return 3, second == 0x81 and third == 0x9F
    if lead == 0xE1:
        return 3, second == 0x9A and third == 0x80
    return 3, lead == 0xE3 and second == 0x80 and third == 0x80
