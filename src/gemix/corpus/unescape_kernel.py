"""Strings of JSON without their escapes, compiled: msgspec has checked them, but makes Python strings only."""

from typing import Any, Final

import numpy as np

from gemix.corpus.bytes_kernel import copy_bytes, load_eight, write_character
from gemix.runtime.compiled import compiled

_BACKSLASH: Final = np.uint8(ord("\\"))
_BACKSLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_ONES: Final = np.uint64(0x0101010101010101)
_HIGH: Final = np.uint64(0x8080808080808080)
_MEANS: Final = np.zeros(256, np.uint8)
for _letter, _meaning in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
    _MEANS[_letter] = _meaning


@compiled
def unescape(data: Any, stops: Any, there: Any, out: Any, ends: Any) -> None:
    """Write the strings that pieces of JSON stand for.

    Args:
        data: the pieces, one behind the other, (bytes,) uint8.
        stops: where each ends, (n,).
        there: whether it is a string with its quotes, (n,); others are passed over.
        out: has room for as many bytes.
        ends: where each string ends in `out`, (n + 1,); the first says where to begin.

    """
    to, start = ends[0], 0
    for i in range(len(stops)):
        if there[i]:
            to = _string(data, start + 1, stops[i] - 1, out, to)
        start = stops[i]
        ends[i + 1] = to


@compiled
def _string(data: Any, at: int, stop: int, out: Any, to: int) -> int:
    """Write one string, which lies between its quotes; return where it ends."""
    while at < stop:
        start = at
        while at + 8 <= stop:
            others = load_eight(data, at) ^ _BACKSLASHES  # a zero byte is a backslash
            if (others - _ONES) & ~others & _HIGH:
                break
            at += 8
        while at < stop and data[at] != _BACKSLASH:
            at += 1
        copy_bytes(out, to, data, start, at - start)
        to += at - start
        if at == stop:
            break
        if data[at + 1] != np.uint8(ord("u")):
            out[to] = _MEANS[data[at + 1]]
            to, at = to + 1, at + 2
            continue
        point, at = _four_digits(data, at + 2), at + 6
        if point >> 10 == 0xD800 >> 10:  # the first half of a pair; the other follows
            point, at = 0x10000 + ((point & 0x3FF) << 10 | (_four_digits(data, at + 2) & 0x3FF)), at + 6
        to = write_character(point, out, to)
    return to


@compiled
def _four_digits(data: Any, at: int) -> Any:
    """Return the number that four hexadecimal digits make."""
    number = np.int64(0)
    for i in range(at, at + 4):
        digit = np.int64(data[i])
        number = number << 4 | ((digit & 0xF) + 9 * (digit >> 6))  # letters have bit 6
    return number
