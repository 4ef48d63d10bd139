"""fastText's prediction over buffers of UTF-8, compiled: no Python string, no GIL, one model for all threads.

Tokens, hashes, the order of every sum and its type are those of fastText (Joulin et al. 2016; version 0.9), so that
results are the same bit for bit as those of a build for any x86-64 (on other processors fastText's own sums are fused,
and may differ in the last bit). Line breaks count as spaces: fastText reads one line.
"""

import math
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.buffers import TextBuffers
from gemix.runtime.compiled import compiled
from gemix.student.fasttext_best import Heap, best, descend, label_tree, pop
from gemix.student.fasttext_file import FastTextFile, Loss, read_fasttext
from gemix.student.fasttext_rows import (
    ROWS,
    Model,
    Tokens,
    add_words,
    add_words_and_grams,
    fill_slots,
    look_up,
    scan,
    word_rows,
)

_SIGMOID_STEPS: Final = 512
_SIGMOID_REACH: Final = 8
_HIERARCHICAL: Final = int(Loss.HIERARCHICAL_SOFTMAX)
_SOFTMAX: Final = int(Loss.SOFTMAX)


class FastTextKernel:
    """A fastText classifier.

    Attributes:
        labels: K names with their prefix, in the order of the numbers that `predict` gives.

    """

    def __init__(self, file: FastTextFile) -> None:
        self.labels = file.labels
        slots = np.full(1 << (2 * len(file.entries)).bit_length(), -1, np.int32)
        keys = np.empty((len(file.entries) - 1, 2), np.uint64)
        fill_slots(slots, keys, file.entries, file.text)
        row_ends, rows = np.arange(file.n_words + 1), np.arange(file.n_words, dtype=np.int32)
        if file.maxn > 0:
            shape = (file.n_words, file.bucket, file.minn, file.maxn)
            row_ends = np.zeros(file.n_words + 1, np.int64)
            word_rows(row_ends, np.empty(0, np.int32), file.entries, file.text, *shape)
            rows = np.empty(row_ends[-1], np.int32)
            word_rows(row_ends, rows, file.entries, file.text, *shape)
        steps = np.arange(_SIGMOID_STEPS + 1) * (2 * _SIGMOID_REACH) / _SIGMOID_STEPS - _SIGMOID_REACH
        hierarchical = file.loss is Loss.HIERARCHICAL_SOFTMAX
        self._model = Model(
            slots=slots,
            keys=keys,
            entries=file.entries,
            text=file.text,
            row_ends=row_ends,
            rows=rows,
            input=file.input,
            output=file.output if hierarchical else np.ascontiguousarray(file.output.T),
            children=label_tree(file.label_counts) if hierarchical else np.empty((0, 2), np.int64),
            sigmoid=(1.0 / (1.0 + np.exp(-steps).astype(np.float32))).astype(np.float32),
            n_words=file.n_words,
            n_labels=len(file.labels),
            bucket=file.bucket,
            word_ngrams=file.word_ngrams,
            minn=file.minn,
            maxn=file.maxn,
            loss=int(file.loss),
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Load a .bin file; see `read_fasttext`."""
        return cls(read_fasttext(path))

    def predict(self, texts: TextBuffers, top: int = 1) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the `top` most probable labels of each text and their probabilities, (n, top), descending.

        What fastText leaves out is -1 and 0.0: all labels of a text without one known word, and with hierarchical
        softmax those below a probability of 1e-5.
        """
        shape = (len(texts.offsets) - 1, min(top, len(self.labels)))
        labels, probabilities = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
        _predict(self._model, texts.data, texts.offsets, labels, probabilities)
        return labels, probabilities


@compiled
def _predict(model: Model, data: Any, offsets: Any, labels: Any, probabilities: Any) -> None:
    """Fill in labels and probabilities, (n, top), of each text; what is not found is left as it is."""
    n, top = labels.shape
    k, dim = model.n_labels, model.input.shape[1]
    hidden, output = np.empty(dim, np.float32), np.empty(k, np.float32)
    longest = 0
    for i in range(n):
        longest = max(longest, offsets[i + 1] - offsets[i])
    tokens = Tokens(
        np.empty(longest // 2 + 2, np.uint64),
        np.empty(longest // 2 + 2, np.uint64),
        np.empty(longest // 2 + 2, np.uint32),
        np.empty(longest // 2 + 2, np.int64),
        np.empty(longest // 2 + 2, np.int64),
    )
    entries, rows = np.empty(longest // 2 + 2, np.int32), np.empty(ROWS, np.int32)
    heap = Heap(np.empty(top + 1, np.float32), np.empty(top + 1, np.int32))
    nodes, node_scores = np.empty(2 * k, np.int64), np.empty(2 * k, np.float32)
    plain = model.word_ngrams <= 1 and model.maxn <= 0
    for i in range(n):
        hidden[:] = 0
        count = scan(data, offsets[i], offsets[i + 1], tokens)
        look_up(model, data, tokens, count, entries)
        if plain:
            n_rows = add_words(model.input, entries, count, hidden)
        else:
            n_rows = add_words_and_grams(model, data, tokens, entries, count, rows, hidden)
        if n_rows == 0:
            continue
        scale = np.float32(1.0 / n_rows)
        for j in range(dim):
            hidden[j] *= scale
        if model.loss == _HIERARCHICAL:
            found = descend(model, hidden, heap, nodes, node_scores)
        else:
            _logits(model.output, hidden, output)
            if model.loss == _SOFTMAX:
                _softmax(output)
            else:
                _logistic(model.sigmoid, output)
            found = best(output, heap)
        for size in range(found, 1, -1):
            pop(heap, size)
        for j in range(found):
            labels[i, j] = heap.labels[j]
            probabilities[i, j] = math.exp(heap.scores[j])


@compiled
def _logits(output: Any, hidden: Any, logits: Any) -> None:
    logits[:] = 0
    for j in range(len(hidden)):
        row, h = output[j], hidden[j]
        for k in range(len(logits)):
            logits[k] += h * row[k]


@compiled
def _softmax(values: Any) -> None:
    top = values[0]
    for k in range(len(values)):
        top = max(top, values[k])
    total = np.float32(0)
    for k in range(len(values)):
        values[k] = math.exp(np.float64(values[k] - top))  # the exponential of a double, as in fastText
        total += values[k]
    for k in range(len(values)):
        values[k] /= total


@compiled
def _logistic(table: Any, values: Any) -> None:
    """Apply the logistic function as fastText does, by a table."""
    for k in range(len(values)):
        x = values[k]
        if x < -_SIGMOID_REACH:
            values[k] = 0
        elif x > _SIGMOID_REACH:
            values[k] = 1
        else:
            values[k] = table[np.int64((x + _SIGMOID_REACH) * _SIGMOID_STEPS / (2 * _SIGMOID_REACH))]
