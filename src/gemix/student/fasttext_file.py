"""The .bin file of a fastText classifier (Joulin et al. 2016), read without fastText.

Layout, little-endian (fastText 0.9, file versions 11 and 12):

- magic and version (int32);
- arguments: dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate (int32) and t
  (float64);
- dictionary: entries, words, labels (int32), tokens, pruned entries (int64), then for each entry, words first, its
  bytes, a zero byte, its count (int64) and its type (int8; 0 a word, 1 a label);
- input matrix: whether it is quantised (int8), rows, columns (int64) and float32 values; one row for each word and for
  each bucket of n-grams;
- output matrix: the same; one row for each label.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.compiled import compiled
from gemix.runtime.errors import GemixError

_MAGIC: Final = 793712314
_VERSIONS: Final = (11, 12)
_SUPERVISED: Final = 3
_LONGEST: Final = 1000  # n-gram of characters; all that begin at one place are collected at once
_ARGUMENTS: Final = struct.Struct("<12id")
_DICTIONARY: Final = struct.Struct("<3i2q")


class Loss(IntEnum):
    """How a model was trained, which decides how it predicts."""

    HIERARCHICAL_SOFTMAX = 1
    NEGATIVE_SAMPLING = 2
    SOFTMAX = 3
    ONE_VS_ALL = 4


class UnsupportedModelError(GemixError):
    """A model that is sound, as far as can be seen, but of a kind that is not read here."""


@dataclass(frozen=True)
class FastTextFile:
    """A classifier as its file holds it.

    Attributes:
        loss: softmax, one-vs-all, ...
        word_ngrams: longest run of words that has a row.
        bucket: number of rows for n-grams of words and characters.
        minn, maxn: lengths of n-grams of characters; none if maxn is 0.
        n_words: how many entries are words; the others are labels.
        entries: (entries + 1,) int64; entry i is text[entries[i] : entries[i + 1]].
        text: their bytes.
        label_counts: (K,) int64, how often a label was seen in training.
        labels: K labels with their prefix.
        input: (n_words + bucket, dim) float32.
        output: (K, dim) float32.

    """

    loss: Loss
    word_ngrams: int
    bucket: int
    minn: int
    maxn: int
    n_words: int
    entries: NDArray[np.int64]
    text: NDArray[np.uint8]
    label_counts: NDArray[np.int64]
    labels: list[str]
    input: NDArray[np.float32]
    output: NDArray[np.float32]


def read_fasttext(path: Path) -> FastTextFile:
    """Read a classifier.

    Raises:
        UnsupportedModelError: word vectors without a classifier, a quantised or pruned model (.ftz).
        GemixError: the file cannot be read or is no such file.

    """
    try:
        data = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise GemixError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return _parse(data, path)
    except (struct.error, ValueError) as error:
        raise GemixError(f"{path} is not a fastText model, or damaged: {error}") from error


def _parse(data: Any, path: Path) -> FastTextFile:
    magic, version = struct.unpack_from("<2i", data)
    if magic != _MAGIC:
        raise ValueError("it does not begin as one")
    if version not in _VERSIONS:
        raise UnsupportedModelError(f"{path} has version {version} of fastText's file; {_VERSIONS} can be read")
    dim, _, _, _, _, word_ngrams, loss, model, bucket, minn, maxn, _, _ = _ARGUMENTS.unpack_from(data, 8)
    if model != _SUPERVISED:
        raise UnsupportedModelError(f"{path} holds word vectors, not a classifier")
    if version == 11:
        maxn = 0  # classifiers had no n-grams of characters then, whatever the field says
    position = 8 + _ARGUMENTS.size
    size, n_words, n_labels, _, pruned = _DICTIONARY.unpack_from(data, position)
    if pruned >= 0:
        raise UnsupportedModelError(f"{path} is a pruned model; only full ones are read (train without `quantize`)")
    if min(n_words, bucket) < 0 or min(n_labels, dim) < 1 or not n_words + n_labels == size < len(data) // 10:
        raise ValueError(f"{size} entries, {n_words} words, {n_labels} labels, {bucket} buckets, {dim} dimensions")
    if not bucket and (word_ngrams > 1 or maxn > 0):
        raise ValueError("n-grams without a row")
    if maxn > _LONGEST:
        raise ValueError(f"n-grams of {maxn} characters")
    position += _DICTIONARY.size
    bounds, counts, types = np.empty((size, 2), np.int64), np.empty(size, np.int64), np.empty(size, np.int8)
    position = _scan_entries(data, position, bounds, counts, types)
    if position < 0 or (types[:n_words] != 0).any() or (types[n_words:] != 1).any():
        raise ValueError("the dictionary is cut off or out of order")
    lengths = bounds[:, 1] - bounds[:, 0]
    entries = np.concatenate([np.zeros(1, np.int64), lengths.cumsum()])
    text = np.empty(entries[-1], np.uint8)
    _copy_entries(data, bounds, entries, text)
    matrices = []
    for rows in (n_words + bucket, n_labels):
        matrix, position = _matrix(data, position, (rows, dim), path)
        matrices.append(matrix)
    labels = [bytes(text[entries[i] : entries[i + 1]]).decode() for i in range(n_words, size)]
    return FastTextFile(
        Loss(loss), word_ngrams, bucket, minn, maxn, n_words, entries, text, counts[n_words:], labels, *matrices
    )


def _matrix(data: Any, position: int, shape: tuple[int, int], path: Path) -> tuple[NDArray[np.float32], int]:
    """Return the matrix that begins at `position`, and where it ends."""
    quantised, rows, columns = struct.unpack_from("<?2q", data, position)
    if quantised:
        raise UnsupportedModelError(f"{path} is a quantised model (.ftz); only full ones (.bin) are read")
    if (rows, columns) != shape:
        raise ValueError(f"a matrix of {rows} x {columns} where {shape[0]} x {shape[1]} is due")
    position += 17
    end = position + 4 * rows * columns
    if end > len(data):
        raise ValueError("it is cut off")
    values = np.empty(shape, np.float32)  # aligned, which the file is not
    values.view(np.uint8).reshape(-1)[:] = data[position:end]
    return values, end


@compiled
def _scan_entries(data: Any, position: int, bounds: Any, counts: Any, types: Any) -> int:
    """Fill in where the bytes of each entry begin and end, its count and type; return where all end, or -1."""
    for i in range(len(types)):
        bounds[i, 0] = position
        while position < len(data) and data[position]:
            position += 1
        bounds[i, 1] = position
        if position + 10 > len(data):
            return -1
        count = np.int64(0)
        for j in range(8):
            count |= np.int64(data[position + 1 + j]) << (8 * j)
        counts[i] = count
        types[i] = data[position + 9]
        position += 10
    return position


@compiled
def _copy_entries(data: Any, bounds: Any, entries: Any, text: Any) -> None:
    for i in range(len(bounds)):
        text[entries[i] : entries[i + 1]] = data[bounds[i, 0] : bounds[i, 1]]
