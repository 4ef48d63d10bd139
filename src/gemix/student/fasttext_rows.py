"""From a text to the rows of a fastText model's input matrix: tokens, words, n-grams, and the sum of their rows.

All is done, and added up, in fastText's order (Dictionary::getLine of version 0.9).
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.compiled import compiled

ROWS: Final = 4096  # collected before they are added
_FNV_START: Final = np.uint32(2166136261)
_FNV_PRIME: Final = np.uint32(16777619)
_NGRAM_PRIME: Final = np.uint64(116049371)
# The word that stands for the end of the line, and ends it: its bytes, its hash, and its first 8 bytes as a number.
_END: Final = np.frombuffer(b"</s>", np.uint8)
_END_HASH: Final = np.uint32(3617362777)
_END_HEAD: Final = np.uint64(int.from_bytes(b"</s>", "little"))
# A token that begins with "__label__": its first 8 bytes and its ninth.
_LABEL_HEAD: Final = np.uint64(int.from_bytes(b"__label_", "little"))
_LABEL_LAST: Final = np.uint64(ord("_"))
_SHORT: Final = np.uint64(1 << 56)  # fewer than 8 bytes make a smaller number: there is no byte behind them


class Model(NamedTuple):
    """What the compiled functions read.

    Attributes:
        slots: entries by hash, open addressing, -1 where free; (power of 2,).
        keys: of each entry bytes 0 to 7 and 8 to 15 as numbers, padded with zeros; (entries, 2).
        entries, text, n_words, bucket, word_ngrams, minn, maxn, loss, input: see `FastTextFile`.
        row_ends, rows: word i and its n-grams of characters have the rows rows[row_ends[i] : row_ends[i + 1]].
        n_labels: K.
        output: (dim, K), the file's transposed; for hierarchical softmax (K, dim), as in the file.
        children: of the inner nodes of the tree of labels, (K - 1, 2).
        sigmoid: fastText's table of the logistic function.

    """

    slots: NDArray[np.int32]
    keys: NDArray[np.uint64]
    entries: NDArray[np.int64]
    text: NDArray[np.uint8]
    row_ends: NDArray[np.int64]
    rows: NDArray[np.int32]
    input: NDArray[np.float32]
    output: NDArray[np.float32]
    children: NDArray[np.int64]
    sigmoid: NDArray[np.float32]
    n_words: int
    n_labels: int
    bucket: int
    word_ngrams: int
    minn: int
    maxn: int
    loss: int


class Tokens(NamedTuple):
    """The tokens of a text: bytes 0 to 7 and 8 to 15 as numbers, hash, where each begins and ends."""

    heads: NDArray[np.uint64]
    rests: NDArray[np.uint64]
    hashes: NDArray[np.uint32]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]


@compiled
def scan(data: Any, position: int, end: int, tokens: Tokens) -> int:
    """Find the tokens of a text, the end of the line last; return how many."""
    count = 0
    ended = False
    while not ended:
        while position < end and _is_space(data[position]):
            position += 1
        start = position
        h, head, shift = _FNV_START, np.uint64(0), np.uint64(0)
        while position < end:
            byte = data[position]
            if _is_space(byte):
                break
            h = np.uint32((h ^ np.uint32(np.int32(np.int8(byte)))) * _FNV_PRIME)
            if shift < 64:
                head |= np.uint64(byte) << shift
            shift += np.uint64(8)
            position += 1
        if shift == 0:
            h, head = _END_HASH, _END_HEAD
        ended = head == _END_HEAD
        tokens.heads[count], tokens.hashes[count] = head, h
        tokens.rests[count] = _pack(data, start + 8, position) if shift > 64 else np.uint64(0)
        tokens.starts[count], tokens.stops[count] = start, position
        count += 1
    return count


@compiled
def look_up(model: Model, data: Any, tokens: Tokens, count: int, found: Any) -> None:
    """Put into `found` each token's word, -1 where it has none, and -2 for labels.

    Nearly all tokens are words in the first slot of their hash. They are found without a branch, so that the processor
    waits for the memory of many at once.
    """
    slots, keys = model.slots, model.keys
    mask = np.uint32(len(slots) - 1)
    for t in range(count):
        entry = slots[tokens.hashes[t] & mask]
        known = max(entry, 0)
        same = (keys[known, 0] == tokens.heads[t]) & (keys[known, 1] == tokens.rests[t]) & (tokens.rests[t] < _SHORT)
        found[t] = entry if same & (entry < model.n_words) else -3
    for t in range(count):
        if found[t] == -3:
            found[t] = _probe(model, data, tokens, t)


@compiled
def _probe(model: Model, data: Any, tokens: Tokens, t: int) -> int:
    """Return the word of a token, -1 where it has none, and -2 for labels."""
    head, rest, start, stop = tokens.heads[t], tokens.rests[t], tokens.starts[t], tokens.stops[t]
    mask = np.int64(len(model.slots) - 1)
    slot = np.int64(tokens.hashes[t]) & mask
    entry = model.slots[slot]
    while entry >= 0:
        same = model.keys[entry, 0] == head and model.keys[entry, 1] == rest
        if same and (
            rest < _SHORT or _same(data, start, stop, model.text, model.entries[entry], model.entries[entry + 1])
        ):
            return -2 if entry >= model.n_words else entry
        slot = (slot + 1) & mask
        entry = model.slots[slot]
    return -2 if head == _LABEL_HEAD and rest & np.uint64(0xFF) == _LABEL_LAST else -1


@compiled
def add_words(input_: Any, entries: Any, count: int, hidden: Any) -> int:
    """Add the rows of the words that have one; return how many."""
    total = 0
    for t in range(count):
        entries[total] = entries[t]
        total += entries[t] >= 0
    _add_rows(input_, entries, total, hidden)
    return total


@compiled
def add_words_and_grams(
    model: Model, data: Any, tokens: Tokens, entries: Any, n_tokens: int, rows: Any, hidden: Any
) -> int:
    """Add the rows of words and n-grams of characters, then those of n-grams of words; return how many."""
    total, count = 0, 0
    for t in range(n_tokens):
        entry, start, stop = entries[t], tokens.starts[t], tokens.stops[t]
        if entry >= 0:
            for r in range(model.row_ends[entry], model.row_ends[entry + 1]):
                rows[count] = model.rows[r]
                count += 1
                if count == len(rows):
                    _add_rows(model.input, rows, count, hidden)
                    total, count = total + count, 0
        elif entry == -1 and model.maxn > 0 and t < n_tokens - 1:
            for i in range(stop - start + 2):
                if count + model.maxn > len(rows):
                    _add_rows(model.input, rows, count, hidden)
                    total, count = total + count, 0
                count = _grams_at(
                    data, start, stop, i, model.n_words, model.bucket, model.minn, model.maxn, rows, count
                )
    if model.word_ngrams > 1:
        n_words = 0
        for t in range(n_tokens):
            tokens.hashes[n_words] = tokens.hashes[t]
            n_words += entries[t] > -2
        for t in range(n_words):
            h = np.uint64(np.int64(np.int32(tokens.hashes[t])))
            for u in range(t + 1, min(t + model.word_ngrams, n_words)):
                h = np.uint64(h * _NGRAM_PRIME + np.uint64(np.int64(np.int32(tokens.hashes[u]))))
                rows[count] = model.n_words + np.int64(h % np.uint64(model.bucket))
                count += 1
                if count == len(rows):
                    _add_rows(model.input, rows, count, hidden)
                    total, count = total + count, 0
    _add_rows(model.input, rows, count, hidden)
    return total + count


@compiled
def _add_rows(input_: Any, rows: Any, count: int, hidden: Any) -> None:
    for i in range(count):
        row = rows[i]
        for j in range(len(hidden)):
            hidden[j] += input_[row, j]


@compiled
def _grams_at(
    word: Any, start: int, stop: int, i: int, n_words: int, bucket: int, minn: int, maxn: int, rows: Any, count: int
) -> int:
    """Put the rows of the n-grams that begin at byte i of "<word>" behind `count` rows; return the new count."""
    size = stop - start + 2
    if _continues(_byte(word, start, stop, i)):
        return count
    n, h, inside = 1, _FNV_START, i > 0
    while i < size and n <= maxn:
        h = _mix(h, _byte(word, start, stop, i))
        i += 1
        while i < size and _continues(_byte(word, start, stop, i)):
            h = _mix(h, _byte(word, start, stop, i))
            i += 1
        if n >= minn and (n > 1 or (inside and i < size)):
            rows[count] = n_words + h % bucket
            count += 1
        n += 1
    return count


@compiled
def _byte(word: Any, start: int, stop: int, i: int) -> np.uint8:
    """Return byte i of "<word>"."""
    if i == 0:
        return np.uint8(60)
    if i == stop - start + 1:
        return np.uint8(62)
    return np.uint8(word[start + i - 1])


@compiled
def _continues(byte: np.uint8) -> bool:
    return byte & 0xC0 == 0x80


@compiled
def _is_space(byte: np.uint8) -> bool:
    return bool(byte <= 0x20 and (byte == 0x20 or np.uint8(byte - 0x09) < 5 or byte == 0))


@compiled
def _mix(h: np.uint32, byte: np.uint8) -> np.uint32:
    """Return fastText's FNV-1a, in which a byte is a signed number."""
    return np.uint32((h ^ np.uint32(np.int32(np.int8(byte)))) * _FNV_PRIME)


@compiled
def _same(word: Any, start: int, stop: int, other: Any, other_start: int, other_stop: int) -> bool:
    if stop - start != other_stop - other_start:
        return False
    for i in range(stop - start):  # noqa: SIM110, numba compiles loops better
        if word[start + i] != other[other_start + i]:
            return False
    return True


@compiled
def fill_slots(slots: Any, keys: Any, entries: Any, text: Any) -> None:
    """Fill in the hash table of entries and the first bytes of each; see `Model`."""
    mask = len(slots) - 1
    for entry in range(len(keys)):
        h = _FNV_START
        for i in range(entries[entry], entries[entry + 1]):
            h = _mix(h, text[i])
        keys[entry, 0] = _pack(text, entries[entry], entries[entry + 1])
        keys[entry, 1] = _pack(text, entries[entry] + 8, entries[entry + 1])
        slot = np.int64(h) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = entry


@compiled
def _pack(word: Any, start: int, stop: int) -> np.uint64:
    """Return up to 8 bytes as a number, little-endian, padded with zeros."""
    packed = np.uint64(0)
    for i in range(start, min(start + 8, stop)):
        packed |= np.uint64(word[i]) << np.uint64(8 * (i - start))
    return packed


@compiled
def word_rows(
    row_ends: Any, rows: Any, entries: Any, text: Any, n_words: int, bucket: int, minn: int, maxn: int
) -> None:
    """Fill in each word's rows, its own and those of its n-grams of characters; only the ends if `rows` is empty."""
    grams = np.empty(maxn, np.int32)
    count = 0
    for word in range(n_words):
        if len(rows):
            rows[count] = word
        count += 1
        start, stop = entries[word], entries[word + 1]
        if not _same(text, start, stop, _END, 0, len(_END)):
            for i in range(stop - start + 2):
                found = _grams_at(text, start, stop, i, n_words, bucket, minn, maxn, grams, 0)
                if len(rows):
                    rows[count : count + found] = grams[:found]
                count += found
        row_ends[word + 1] = count
