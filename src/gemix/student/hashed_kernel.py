"""The compiled part of a hashed student: UTF-8 -> hashed words -> logits; no Python string, no GIL.

Sums are of integers: neither their order nor the machine changes a logit.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.compiled import compiled
from gemix.corpus.buffers import TextBuffers, fixed
from gemix.student.characters import Characters, Kind

# FNV-1a over code points, then one multiplication that spreads the result over the upper bits.
_START: Final = np.uint64(0xCBF29CE484222325)
_PRIME: Final = np.uint64(0x100000001B3)
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_FOLD: Final = np.uint64(32)

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
    found = np.empty(2 * reading.window + 2, np.int32)
    for i in range(len(offsets) - 1):
        count = _words(data, offsets[i], offsets[i + 1], reading, found)
        if len(buckets):
            buckets[ends[i] : ends[i + 1]] = found[:count]
        else:
            ends[i + 1] = count


@compiled
def _predict(data: Any, offsets: Any, reading: Reading, weights: Weights, labels: Any, probabilities: Any) -> None:
    rows, bias = weights.rows, weights.bias
    k, top = rows.shape[1], labels.shape[1]
    found = np.empty(2 * reading.window + 2, np.int32)
    sums, logits = np.empty(k, np.int32), np.empty(k, np.float64)
    for i in range(len(offsets) - 1):
        count = _words(data, offsets[i], offsets[i + 1], reading, found)
        sums[:] = 0
        for j in range(count):
            row = rows[found[j]]
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
def _words(data: Any, position: int, end: int, reading: Reading, found: Any) -> int:
    """Write the buckets of a text's words into `found` and return how many there are.

    The window is that of `gemix.corpus.window.Window`: of the first 4 N characters, the first N after each run of white
    space became one space, without the spaces at both ends. At most 2 N words: no character begins more than two.
    """
    window, shift = reading.window, np.uint64(64 - reading.bits)
    kinds, folds = reading.kinds, reading.folds
    count = read = width = 0
    spaced = False  # white space was read that becomes one character if another follows
    h, inside = _START, False
    before = before_that = np.uint64(0)  # the last two characters of a run without spaces
    run = _LETTER
    while position < end and read < 4 * window:
        code = np.uint64(data[position])
        if code < 0x80:
            # ASCII, as far as the window has room for whatever comes: no branch depends on what a character is.
            start = position
            stop = min(end, position + min(window - width - spaced, 4 * window - read))
            while position < stop and data[position] < 0x80:
                byte = data[position]
                is_letter, is_space = kinds[byte] == _LETTER, kinds[byte] == _SPACE
                found[count] = _bucket(h, shift)
                count += inside & (not is_letter)
                longer = (h ^ np.uint64(folds[byte])) * _PRIME
                h = longer if is_letter else _START
                inside = is_letter
                width += (not is_space) * (1 + spaced)
                spaced = is_space & (width > 0)
                position += 1
            if position > start:
                read += position - start
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
            found[count] = _bucket(h, shift)
            count += 1
            h, inside = _START, False
        if kind != run:
            before = before_that = np.uint64(0)
            run = kind
        if kind == _IDEOGRAPH:
            found[count] = _bucket((_START ^ fold) * _PRIME, shift)
            count += 1
            if before:
                found[count] = _bucket((((_START ^ before) * _PRIME) ^ fold) * _PRIME, shift)
                count += 1
            before = fold
        elif kind == _SYLLABLE:
            if before:
                pair = (((_START ^ before) * _PRIME) ^ fold) * _PRIME
                found[count] = _bucket(pair, shift)
                count += 1
                if before_that:
                    triple = (((((_START ^ before_that) * _PRIME) ^ before) * _PRIME) ^ fold) * _PRIME
                    found[count] = _bucket(triple, shift)
                    count += 1
            before_that, before = before, fold
    if inside:
        found[count] = _bucket(h, shift)
        count += 1
    return count


@compiled
def _bucket(h: Any, shift: Any) -> Any:
    return np.int32(((h ^ (h >> _FOLD)) * _SPREAD) >> shift)


@compiled
def _kind_above(code: Any) -> int:
    """Return the kind of a character above the tables: ideographs, symbols (emoji among them), letters of all sorts."""
    if 0x20000 <= code < 0x40000:
        return _IDEOGRAPH
    return _SEPARATOR if 0x1F000 <= code < 0x20000 or code >= 0xE0000 else _LETTER
