"""Words between white space, counted in UTF-8 bytes: the number of `str.split()` pieces without a string."""

import numpy as np
from numpy.typing import NDArray

from gemix.compiled import compiled

_BLOCK = 64  # bytes looked at at once where all are ASCII


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
        count = 0
        inside = False  # a word
        while position < end:
            stop = position + _BLOCK
            if stop <= end:
                block = data[position:stop]
                bits = np.uint8(0)
                for byte in block:
                    bits |= byte
                if bits < 0x80:
                    starts = np.uint8(_is_word(block[0]) & ~np.uint8(inside))
                    for j in range(1, _BLOCK):
                        starts = np.uint8(starts + (_is_word(block[j]) & ~_is_word(block[j - 1])))
                    count += int(starts)
                    inside = _is_word(block[_BLOCK - 1]) != 0
                    position = stop
                    continue
            stop = min(stop, end)
            while position < stop:
                length, space = _character(data, position)
                count += not space and not inside
                inside = not space
                position += length
        counts[i] = count
    return counts


@compiled
def _is_word(byte: np.uint8) -> np.uint8:
    """Return whether an ASCII character is no white space, as 0 or 1 of a type that keeps loops narrow."""
    space = (byte == 0x20) | (np.uint8(byte - 0x09) < 5) | (np.uint8(byte - 0x1C) < 4)
    return np.uint8(not space)


@compiled
def _character(data: NDArray[np.uint8], position: int) -> tuple[int, bool]:
    """Return how many bytes the character at `position` has and whether it is white space."""
    lead = data[position]
    if lead < 0x80:
        return 1, _is_word(lead) == 0
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
