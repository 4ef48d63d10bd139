"""The normaliser over buffers of UTF-8, compiled: the same lines as `Normaliser` makes, without a Python string."""

import re
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.buffers import TextBuffers, fixed
from gemix.corpus.bytes_kernel import write_character
from gemix.runtime.compiled import compiled
from gemix.student.normaliser import Normaliser

# Beside the lower-case character (21 bits; a space if it is no letter or digit) the table holds two bits.
_WORD: Final = np.uint32(31)  # it is a letter or digit
_SPACE: Final = np.uint32(30)  # the character is white space
# What these become depends on their neighbours, or is longer than a character.
_HARD_ONES: Final = "\u0130\u03a3"
_HARD: Final = np.uint32(0)
_CHARACTER: Final = np.uint32((1 << 21) - 1)


def normalise_buffers(normaliser: Normaliser, texts: TextBuffers) -> TextBuffers:
    """Return what `normaliser` makes of each text."""
    data, offsets = texts.data, texts.offsets
    lines, ends, hard = _normalise(data, offsets, normaliser.window.characters, _table())
    if hard.any():
        lengths, pieces, done = np.diff(ends), [], 0
        for i in np.flatnonzero(hard):
            line = np.frombuffer(normaliser(bytes(data[offsets[i] : offsets[i + 1]]).decode()).encode(), np.uint8)
            pieces += [lines[done : ends[i]], line]
            done, lengths[i] = ends[i], len(line)
        lines = np.concatenate([*pieces, lines[done : ends[-1]]])
        ends[1:] = lengths.cumsum()
    return TextBuffers(fixed(ends), fixed(lines))


@cache
def _table() -> NDArray[np.uint32]:
    """Return for each code point what it becomes and what it is, by Python's own rules."""
    points = np.r_[0:0xD800, 0xE000:0x110000].astype("<u4")
    text = points.tobytes().decode("utf-32-le")
    for hard in _HARD_ONES:
        text = text.replace(hard, " ")
    lower = text.lower()
    table = np.full(0x110000, ord(" "), np.uint32)
    characters = np.frombuffer(lower.encode("utf-32-le"), "<u4")
    for run in re.finditer(r"[^\W_]+", lower):
        span = slice(*run.span())
        table[points[span]] = characters[span] | np.uint32(1) << _WORD
    for run in re.finditer(r"\s+", text):
        table[points[slice(*run.span())]] |= np.uint32(1) << _SPACE
    table[[ord(hard) for hard in _HARD_ONES]] = _HARD
    return table


@compiled
def _normalise(data: Any, offsets: Any, characters: int, table: Any) -> tuple[Any, Any, Any]:
    """Return all lines, where each ends, (n + 1,), and whether its text has a hard character in its window, (n,)."""
    n = len(offsets) - 1
    size = 4
    for i in range(n):
        size += min(2 * (offsets[i + 1] - offsets[i]), 5 * characters)  # lower case may need a byte more
    lines, ends, hard = np.empty(size, np.uint8), np.zeros(n + 1, np.int64), np.zeros(n, np.bool_)
    for i in range(n):
        begin = ends[i]
        end = _line(data, offsets[i], offsets[i + 1], characters, table, lines, begin)
        hard[i] = end < 0
        ends[i + 1] = begin if end < 0 else end
    return lines, ends, hard


@compiled
def _line(data: Any, position: int, stop: int, characters: int, table: Any, lines: Any, begin: int) -> int:
    """Write the line of one text from `begin` on; return where it ends, or -1 if there is a hard character.

    There is no branch at the ends of words, which no processor foresees: a space is written behind every word.
    """
    end: Any = begin
    read = 0  # characters of the text
    seen: Any = 0  # of the window
    was_space: Any = 1
    was_word: Any = 0
    while position < stop and read < 4 * characters and seen < characters:
        point = np.uint32(data[position])
        position += 1
        read += 1
        if point < 0x80:
            entry = table[point]
            word = np.int64(entry >> _WORD)
            lines[end] = entry & 0x7F
            end += word | was_word
        else:
            length = 1 + (point >= 0xE0) + (point >= 0xF0)
            point &= np.uint32(0x3F >> length)
            for _ in range(length):
                point = np.uint32(point << 6 | np.uint32(data[position] & 0x3F))
                position += 1
            entry = table[point]
            word = np.int64(entry >> _WORD)
            if word:
                end = write_character(entry & _CHARACTER, lines, end)
            elif entry == _HARD:
                return -1
            else:
                lines[end] = 0x20
                end += was_word
        was_word = word
        space = np.int64(entry >> _SPACE & 1)
        seen += 1 - (space & was_space)
        was_space = space
    return end - (end > begin and not was_word)
