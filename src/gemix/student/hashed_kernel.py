"""The compiled part of a hashed student: UTF-8 -> hashed words -> logits; no Python string, no GIL.

Sums are of integers: neither their order nor the machine changes a logit.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.buffers import TextBuffers, fixed
from gemix.corpus.bytes_kernel import eight_ascii, is_space
from gemix.runtime.compiled import compiled
from gemix.student.characters import Characters, Kind

# FNV-1a over code points, then one multiplication that spreads the result over the upper bits.
_START: Final = np.uint64(0xCBF29CE484222325)
_PRIME: Final = np.uint64(0x100000001B3)
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_FOLD: Final = np.uint64(32)
_BLOCK: Final = np.uint64(32)

_SPACE: Final = int(Kind.SPACE)
_LETTER: Final = int(Kind.LETTER)
_IDEOGRAPH: Final = int(Kind.IDEOGRAPH)
_SYLLABLE: Final = int(Kind.SYLLABLE)
_SEPARATOR: Final = int(Kind.SEPARATOR)


class Reading(NamedTuple):
    """How a text becomes buckets.

    Attributes:
        kinds: see `Characters`.
        folds: see `Characters`.
        window: characters that are read, see `gemix.corpus.window.Window`.
        bits: there are 2^bits buckets.

    """

    kinds: NDArray[np.uint8]
    folds: NDArray[np.uint16]
    window: int
    bits: int

    @classmethod
    def of(cls, characters: Characters, window: int, bits: int) -> "Reading":
        """Return the reading by these tables."""
        return cls(fixed(characters.kinds), fixed(characters.folds), window, bits)


class Weights(NamedTuple):
    """A linear classifier with logits scale n^(-3/4) sum_i rows[bucket_i] + bias, n the number of words of the text.

    Attributes:
        rows: (buckets, K) int16.
        bias: (K,) float64.
        scale: what one unit of `rows` is worth.

    """

    rows: NDArray[np.int16]
    bias: NDArray[np.float64]
    scale: float


class Bags(NamedTuple):
    """The words of n texts: text i has buckets[ends[i] : ends[i + 1]].

    Attributes:
        ends: (n + 1,) int64.
        buckets: (words,) int32.

    """

    ends: NDArray[np.int64]
    buckets: NDArray[np.int32]


def read_bags(texts: TextBuffers, reading: Reading) -> Bags:
    """Return the buckets of all words of each text's window."""
    ends = np.zeros(len(texts.offsets), np.int64)
    _read(texts.data, texts.offsets, reading, ends, np.empty(0, np.int32))
    np.cumsum(ends, out=ends)
    buckets = np.empty(ends[-1], np.int32)
    _read(texts.data, texts.offsets, reading, ends, buckets)
    return Bags(ends, buckets)


def predict(
    texts: TextBuffers, reading: Reading, weights: Weights, top: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the `top` most probable classes of each text and their probabilities, (n, top), descending.

    Of classes with equal logits the one with the smaller number comes first.
    """
    shape = (len(texts.offsets) - 1, top)
    labels, probabilities = np.empty(shape, np.int32), np.empty(shape, np.float32)
    _predict(texts.data, texts.offsets, reading, weights, labels, probabilities)
    return labels, probabilities


@compiled
def _read(data: Any, offsets: Any, reading: Reading, ends: Any, buckets: Any) -> None:
    """Count the words of each text into ends[i + 1]; where there is room for them, write the buckets instead."""
    shift = np.uint64(64 - reading.bits)
    found, other = _room(reading), _room(reading)
    for i in range(len(offsets) - 1):
        count = _words(data, offsets[i], offsets[i + 1], reading, found, other)
        if len(buckets):
            for j in range(count):
                buckets[ends[i] + j] = _bucket(found[j], shift)
        else:
            ends[i + 1] = count


@compiled
def _predict(data: Any, offsets: Any, reading: Reading, weights: Weights, labels: Any, probabilities: Any) -> None:
    rows, bias = weights.rows, weights.bias
    k, top, shift = rows.shape[1], labels.shape[1], np.uint64(64 - reading.bits)
    found, other = _room(reading), _room(reading)
    sums, logits = np.empty(k, np.int32), np.empty(k, np.float64)
    for i in range(len(offsets) - 1):
        count = _words(data, offsets[i], offsets[i + 1], reading, found, other)
        sums[:] = 0
        for j in range(count):
            row = rows[_bucket(found[j], shift)]
            for c in range(k):
                sums[c] += row[c]
        factor = weights.scale * damping(count)
        highest = -np.inf
        for c in range(k):
            logits[c] = factor * sums[c] + bias[c]
            highest = max(highest, logits[c])
        total = 0.0
        for c in range(k):
            total += math.exp(logits[c] - highest)
        for rank in range(top):
            best = 0
            for c in range(1, k):
                if logits[c] > logits[best]:
                    best = c
            labels[i, rank] = best
            probabilities[i, rank] = math.exp(logits[best] - highest) / total
            logits[best] = -np.inf


@compiled
def damping(words: int) -> float:
    """Return n^(-3/4): between a sum (long texts are certain) and a mean (a long text is as certain as a short one).

    Square roots are exact to the last bit on every machine, powers are not.
    """
    root = math.sqrt(max(words, 1))
    return 1.0 / (root * math.sqrt(root))


@compiled
def _room(reading: Reading) -> Any:
    """Return room for the hashes of a window's words, at most 2 N: no character begins more than two."""
    return np.empty(2 * reading.window + 2, np.uint64)


# One loop over bytes: a call a word would cost more than the word.
@compiled
def _words(data: Any, position: int, end: int, reading: Reading, found: Any, other: Any) -> int:
    """Write the hashes of a text's words into `found` and return how many there are.

    The window is that of `gemix.corpus.window.Window`: of the first 4 N characters, the first N after each run of white
    space became one space, without the spaces at both ends. `other` is room to work in.
    """
    window = reading.window
    kinds, folds = reading.kinds, reading.folds
    count = read = width = 0
    spaced = False  # white space was read that becomes one character if another follows
    h, inside = _START, False
    before = before_that = np.uint64(0)  # the last two characters of a run without spaces
    run = _LETTER
    while position < end and read < 4 * window:
        code = np.uint64(data[position])
        if code < 0x80:
            # ASCII, as far as the window has room for whatever comes.
            stop = min(end, position + min(window - width - spaced, 4 * window - read))
            stop = _ascii_end(data, position, stop)
            if position < stop:
                width, spaced = _widths(data, position, stop, width, spaced)
                count, h, inside = _ascii_words(data, position, stop, reading, found, other, count, h, inside)
                read += stop - position
                position = stop
                run = _LETTER
                continue
            position += 1
        else:
            size = 2 if code < 0xE0 else 3 if code < 0xF0 else 4
            if position + size > end:
                break
            code &= np.uint64(0xFF >> (size + 1))
            for i in range(1, size):
                code = code << np.uint64(6) | np.uint64(data[position + i] & 0x3F)
            position += size
        read += 1
        if code < 0x10000:
            kind, fold = int(kinds[code]), np.uint64(folds[code])
        else:
            kind, fold = _kind_above(code), code
        if kind == _SPACE:
            spaced = width > 0
        else:
            width += 1 + spaced
            spaced = False
            if width > window:
                break
        if kind == _LETTER:
            h = (h ^ fold) * _PRIME
            inside = True
            run = _LETTER
            continue
        if inside:
            found[count] = h
            count += 1
            h, inside = _START, False
        if kind != run:
            before = before_that = np.uint64(0)
            run = kind
        if kind == _IDEOGRAPH:
            found[count] = (_START ^ fold) * _PRIME
            count += 1
            if before:
                found[count] = (((_START ^ before) * _PRIME) ^ fold) * _PRIME
                count += 1
            before = fold
        elif kind == _SYLLABLE:
            if before:
                found[count] = (((_START ^ before) * _PRIME) ^ fold) * _PRIME
                count += 1
                if before_that:
                    found[count] = (((((_START ^ before_that) * _PRIME) ^ before) * _PRIME) ^ fold) * _PRIME
                    count += 1
            before_that, before = before, fold
    if inside:
        found[count] = h
        count += 1
    return count


@compiled
def _ascii_end(data: Any, position: int, stop: int) -> int:
    """Return where the ASCII that begins at `position` ends."""
    while position + 8 <= stop and eight_ascii(data, position):
        position += 8
    while position < stop and data[position] < 0x80:
        position += 1
    return position


@compiled
def _widths(data: Any, position: int, stop: int, width: int, spaced: bool) -> tuple[int, bool]:
    """Return how wide the window is behind some ASCII, and whether white space is pending."""
    while width == 0 and position < stop and is_space(data[position]):
        position += 1
    if position == stop:
        return width, spaced
    width += 1 + spaced if not is_space(data[position]) else 0
    one = np.uint64(1)
    begin, last = np.uint64(position), np.uint64(stop - 1)
    while begin + _BLOCK <= last:
        grown: Any = np.uint8(0)
        for i in range(begin, begin + _BLOCK):
            blank = is_space(data[i + one])
            grown = np.uint8(grown + np.uint8(1 - blank) + (is_space(data[i]) & np.uint8(1 - blank)))
        width += grown
        begin += _BLOCK
    for i in range(begin, last):
        if not is_space(data[i + one]):
            width += 1 + is_space(data[i])
    return width, is_space(data[stop - 1]) != 0


# Arrays one by one: numba knows no structs of them here, and inlines nothing across calls.
@compiled
def _ascii_words(
    data: Any, position: int, stop: int, reading: Reading, found: Any, other: Any, count: int, h: Any, inside: bool
) -> tuple[int, Any, bool]:
    """Hash the words of some ASCII; return how many there are now, and the hash of a word that may go on.

    A hash waits for the one before, so two halves are hashed side by side.
    """
    kinds, folds = reading.kinds, reading.folds
    middle = position + (stop - position) // 2
    while middle < stop and kinds[data[middle]] == _LETTER:
        middle += 1
    half = min(middle - position, stop - middle)
    count2: Any = 0
    h2, inside2 = _START, False
    for i in range(np.uint64(position), np.uint64(position + half)):
        byte, byte2 = data[i], data[i + np.uint64(middle - position)]
        found[count], other[count2] = h, h2
        h, inside, count = _after(byte, kinds, folds, h, inside, count)
        h2, inside2, count2 = _after(byte2, kinds, folds, h2, inside2, count2)
    for i in range(np.uint64(position + half), np.uint64(middle)):
        found[count] = h
        h, inside, count = _after(data[i], kinds, folds, h, inside, count)
    if middle == stop:
        return count, h, inside
    found[count] = h
    count += inside
    for i in range(np.uint64(middle + half), np.uint64(stop)):
        other[count2] = h2
        h2, inside2, count2 = _after(data[i], kinds, folds, h2, inside2, count2)
    for j in range(count2):
        found[count + j] = other[j]
    return count + count2, h2, inside2


@compiled
def _after(byte: Any, kinds: Any, folds: Any, h: Any, inside: bool, count: int) -> tuple[Any, bool, int]:
    """Return hash, whether inside of a word, and number of words after a character; no branch depends on what it is."""
    letter = kinds[byte] == _LETTER
    longer = (h ^ np.uint64(folds[byte])) * _PRIME
    return longer if letter else _START, letter, count + (inside & (not letter))


@compiled
def _bucket(h: Any, shift: Any) -> Any:
    return np.int32(((h ^ (h >> _FOLD)) * _SPREAD) >> shift)


@compiled
def _kind_above(code: Any) -> int:
    """Return the kind of a character above the tables: ideographs, symbols (emoji among them), letters of all sorts."""
    if 0x20000 <= code < 0x40000:
        return _IDEOGRAPH
    return _SEPARATOR if 0x1F000 <= code < 0x20000 or code >= 0xE0000 else _LETTER
