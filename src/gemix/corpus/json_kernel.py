"""The compiled part of reading JSON lines: a walk over the bytes of plain JSON, see `plain_json`."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.bytes_kernel import copy_bytes, write_character
from gemix.runtime.compiled import compiled

_DEPTH: Final = 32  # of nested values
_DIGITS: Final = 18  # of an integer id; other numbers may have as many characters again
_ODD: Final = -1  # for the other parser
_WORDS: Final = tuple(np.frombuffer(word, np.uint8) for word in (b"true", b"false", b"null"))
_QUOTE, _BACKSLASH = np.uint8(ord('"')), np.uint8(ord("\\"))
_PLACES: Final = np.uint64(0x0001020304050607)


class Strings(NamedTuple):
    """Strings one behind the other: their bytes, where each ends, whether it is there."""

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    there: NDArray[np.bool_]


class Wanted(NamedTuple):
    """Keys and the columns of their values: text, id and the others."""

    keys: tuple[NDArray[np.uint8], ...]
    columns: tuple[Strings, ...]


class Marked(NamedTuple):
    """Lines, each with a line break behind it, and a zero byte, which plain JSON does not hold: all reading ends there.

    Byte i of `marks`, eight in a number, is 1 where a string may end or a byte is not itself (quotes, backslashes,
    control characters), and behind the last.
    """

    data: NDArray[np.uint8]
    marks: NDArray[np.uint64]


@compiled
def mark(data: Any, marks: Any) -> None:
    """Fill in the marks of the bytes, (bytes,) uint8 both."""
    for i in range(len(data)):
        marks[i] = (data[i] == _QUOTE) | (data[i] == _BACKSLASH) | (data[i] < 0x20)


@compiled
def scan(lines: Marked, wanted: Wanted, first: int, stop: int) -> bool:
    """Read all lines, the rows from `first` to `stop`; return whether each is plain."""
    position = 0
    for row in range(first, stop):
        for column in wanted.columns:
            column.ends[row + 1] = column.ends[row]
        position = _object(lines, position, wanted, row)
        if position == _ODD or lines.data[position] != ord("\n"):
            return False
        position += 1
    return position == len(lines.data) - 1


@compiled
def _object(lines: Marked, position: int, wanted: Wanted, row: int) -> int:
    """Read an object of which some values are wanted; return where it and the white space behind it end."""
    data = lines.data
    position = _skip(data, position)
    if data[position] != ord("{"):
        return _ODD
    position = _skip(data, position + 1)
    if data[position] == ord("}"):
        return _skip(data, position + 1)
    while True:
        if data[position] != _QUOTE:
            return _ODD
        end = _next_mark(lines.marks, position + 1)
        if data[end] != _QUOTE:  # keys have no escapes
            return _ODD
        column = 0
        while column < len(wanted.keys) and not _same(data, position + 1, end, wanted.keys[column]):
            column += 1
        position = _skip(data, end + 1)
        if data[position] != ord(":"):
            return _ODD
        position = _skip(data, position + 1)
        if column < len(wanted.keys):
            position = _wanted(lines, position, row, wanted.columns[column], column == 1)
        else:
            position = _other(lines, position)
        if position == _ODD:
            return _ODD
        position = _skip(data, position)
        if data[position] == ord("}"):
            return _skip(data, position + 1)
        if data[position] != ord(","):
            return _ODD
        position = _skip(data, position + 1)


@compiled
def _wanted(lines: Marked, position: int, row: int, strings: Strings, number: bool) -> int:
    """Keep a string, null or, if `number`, an integer; return where it ends."""
    data = lines.data
    begin = strings.ends[row]  # of a repeated key the last value counts
    strings.there[row] = False
    strings.ends[row + 1] = begin
    if data[position] == _QUOTE:
        position, end = _copy(lines, position, strings.data, begin)
        if position == _ODD:
            return _ODD
    elif number and (data[position] == ord("-") or _is_digit(data[position])):
        start, position = position, _number(data, position)
        first = start + (data[start] == ord("-"))
        if position == _ODD or position - first > _DIGITS or (first > start and data[first] == ord("0")):
            return _ODD
        if _digits(data, first) != position:  # a fraction
            return _ODD
        copy_bytes(strings.data, begin, data, start, position - start)
        end = begin + position - start
    else:
        return _literal(data, position) if data[position] == ord("n") else _ODD
    strings.there[row] = True
    strings.ends[row + 1] = end
    return position


@compiled
def _other(lines: Marked, position: int) -> int:
    """Check a value that nobody wants; return where it ends."""
    data = lines.data
    depth, objects = 0, np.uint64(0)  # bit i: whether the value i levels up is an object
    while True:
        if data[position] == ord("{") or data[position] == ord("["):
            if depth == _DEPTH:
                return _ODD
            is_object = data[position] == ord("{")
            position = _skip(data, position + 1)
            if data[position] == (ord("}") if is_object else ord("]")):
                position += 1
            else:
                depth += 1
                objects = objects << np.uint64(1) | np.uint64(is_object)
                if is_object:
                    position = _key(lines, position)
                    if position == _ODD:
                        return _ODD
                continue
        else:
            if data[position] == _QUOTE:
                position = _pass(lines, position)
            elif data[position] == ord("-") or _is_digit(data[position]):
                position = _number(data, position)
            else:
                position = _literal(data, position)
            if position == _ODD:
                return _ODD
        while True:  # behind a value
            if depth == 0:
                return position
            position = _skip(data, position)
            is_object = objects & np.uint64(1) == 1
            if data[position] == ord(","):
                break
            if data[position] != (ord("}") if is_object else ord("]")):
                return _ODD
            position += 1
            depth -= 1
            objects = objects >> np.uint64(1)
        position = _skip(data, position + 1)
        if is_object:
            position = _key(lines, position)
            if position == _ODD:
                return _ODD


@compiled
def _key(lines: Marked, position: int) -> int:
    """Check a key and its colon; return where the value begins."""
    if lines.data[position] != _QUOTE:
        return _ODD
    position = _pass(lines, position)
    if position == _ODD:
        return _ODD
    position = _skip(lines.data, position)
    return _skip(lines.data, position + 1) if lines.data[position] == ord(":") else _ODD


@compiled
def _pass(lines: Marked, position: int) -> int:
    """Check a string; return where it ends."""
    position = _next_mark(lines.marks, position + 1)
    while lines.data[position] != _QUOTE:
        length, _ = _escape(lines.data, position)
        if length == 0:
            return _ODD
        position = _next_mark(lines.marks, position + length)
    return position + 1


@compiled
def _copy(lines: Marked, position: int, out: Any, end: int) -> tuple[int, int]:
    """Put what a string stands for behind the first `end` bytes of `out`; return where both end."""
    position += 1
    while True:
        mark = _next_mark(lines.marks, position)
        copy_bytes(out, end, lines.data, position, mark - position)
        end += mark - position
        if lines.data[mark] == _QUOTE:
            return mark + 1, end
        length, point = _escape(lines.data, mark)
        if length == 0:
            return _ODD, end
        end = write_character(point, out, end)
        position = mark + length


@compiled
def _next_mark(marks: Any, position: int) -> int:
    """Return the first marked place at or behind `position`."""
    word = position >> 3
    shift = np.uint64(position & 7) << np.uint64(3)
    rest = marks[word] >> shift << shift
    while rest == 0:
        word += 1
        rest = marks[word]
    lowest = np.uint64(rest & (~rest + np.uint64(1)))  # 256 ** place
    place: Any = np.int64(np.uint64(lowest * _PLACES) >> np.uint64(56))
    return word * 8 + place


@compiled
def _escape(data: Any, position: int) -> tuple[int, Any]:
    """Return the bytes and the character of an escape; 0 bytes where there is none, or half of a pair."""
    if data[position] != _BACKSLASH:
        return 0, 0
    byte = data[position + 1]
    if byte == ord("n"):
        return 2, 0x0A
    if byte == _QUOTE or byte == _BACKSLASH or byte == ord("/"):  # noqa: SIM109, numba knows no such tuple
        return 2, np.int64(byte)
    if byte == ord("t"):
        return 2, 0x09
    if byte == ord("r"):
        return 2, 0x0D
    if byte == ord("b"):
        return 2, 0x08
    if byte == ord("f"):
        return 2, 0x0C
    point = _unit(data, position)
    if point < 0 or 0xDC00 <= point < 0xE000:
        return 0, 0
    if point < 0xD800 or point >= 0xE000:
        return 6, point
    low = _unit(data, position + 6)
    if low < 0xDC00 or low >= 0xE000:
        return 0, 0
    return 12, 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00)


@compiled
def _unit(data: Any, position: int) -> int:
    r"""Return the number of a \uXXXX, or -1."""
    if data[position] != _BACKSLASH or data[position + 1] != ord("u"):
        return _ODD
    unit: Any = 0
    for i in range(position + 2, position + 6):
        byte = data[i]
        if _is_digit(byte):
            unit = unit * 16 + np.int64(byte) - 48
        elif 97 <= byte <= 102 or 65 <= byte <= 70:
            unit = unit * 16 + (np.int64(byte) | 32) - 87
        else:
            return _ODD
    return unit


@compiled
def _number(data: Any, position: int) -> int:
    """Check a number that is not very long; return where it ends."""
    start = position
    position += data[position] == ord("-")
    first = position
    position = _digits(data, position)
    if position == first or (data[first] == ord("0") and position > first + 1):
        return _ODD
    if data[position] == ord("."):
        first = position + 1
        position = _digits(data, first)
        if position == first:
            return _ODD
    if data[position] == ord("e") or data[position] == ord("E"):
        first = position + 1
        first += data[first] == ord("+") or data[first] == ord("-")
        position = _digits(data, first)
        if position == first:
            return _ODD
    return position if position - start <= 2 * _DIGITS else _ODD


@compiled
def _digits(data: Any, position: int) -> int:
    while _is_digit(data[position]):
        position += 1
    return position


@compiled
def _is_digit(byte: np.uint8) -> bool:
    return bool(np.uint8(byte - 48) < 10)


@compiled
def _literal(data: Any, position: int) -> int:
    """Check true, false or null; return where it ends."""
    for word in _WORDS:
        if _same(data, position, min(position + len(word), len(data)), word):
            return position + len(word)
    return _ODD


@compiled
def _same(data: Any, start: int, stop: int, word: Any) -> bool:
    if stop - start != len(word):
        return False
    for i in range(len(word)):  # noqa: SIM110, numba compiles loops better
        if data[start + i] != word[i]:
            return False
    return True


@compiled
def _skip(data: Any, position: int) -> int:
    """Return where white space ends that JSON allows inside a line."""
    while data[position] == 0x20 or data[position] == 0x09 or data[position] == 0x0D:
        position += 1
    return position
