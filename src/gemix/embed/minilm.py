"""The default embedder: all-MiniLM-L6-v2, run by onnxruntime; no torch, no network."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gemix.embed.base import TokenVectors, Vectors, needs, unit_rows
from gemix.embed.bert import MAX_TOKENS, Precision, build_graph
from gemix.embed.weights import TOKENIZER_SHA256, WEIGHTS_SHA256, load_minilm

_PIECES: Final = MAX_TOKENS - 2  # of a passage: two more mark its beginning and its end


class MiniLM:
    """all-MiniLM-L6-v2, which reads passages of up to 254 word pieces; 384 dimensions.

    A longer document is cut into as few passages as it takes, all of one length. Its vector is the mean of theirs.

    Documents run one at a time, each on one thread, `workers` of them side by side: the same bytes for any number of
    workers and whatever the neighbours are.
    """

    def __init__(self, precision: Precision = "int8", *, workers: int = 1) -> None:
        with needs("embed"):
            import onnxruntime
        self.name = f"minilm:{precision}"
        self._workers = workers
        self._version = onnxruntime.__version__
        weights, self._tokenizer = load_minilm()
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._first, self._last = (self._tokenizer.token_to_id(mark) for mark in ("[CLS]", "[SEP]"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            build_graph(weights, precision), options, providers=["CPUExecutionProvider"]
        )

    def fingerprint(self) -> dict[str, Any]:
        """Return the name, the hashes of weights and tokenizer, and the runtime's version."""
        return {
            "name": self.name,
            "graph": 2,  # raise it when a change here or in bert.py changes the vectors
            "weights_sha256": WEIGHTS_SHA256,
            "tokenizer_sha256": TOKENIZER_SHA256,
            "max_tokens": MAX_TOKENS,
            "onnxruntime": self._version,
        }

    def prepare(self, documents: pa.Table) -> None:
        """Do nothing: the model is fixed."""

    def embed(self, documents: pa.Table) -> Vectors:
        """Return unit rows, float32 (n, 384), of the column `text`."""
        means = np.zeros((documents.num_rows, 384), np.float32)
        with ThreadPoolExecutor(self._workers) as pool:
            for row, mean in enumerate(pool.map(self._mean, documents["text"].to_pylist())):
                means[row] = mean
        return unit_rows(means)

    def embed_tokens(self, texts: Sequence[str]) -> Iterator[TokenVectors]:
        """Yield the vectors of the word pieces of each text; see `gemix.embed.base.TokenEmbedder`."""
        with ThreadPoolExecutor(self._workers) as pool:
            for start in range(0, len(texts), 64):  # else the pool runs ahead and fills the memory
                yield from pool.map(self._tokens, texts[start : start + 64])

    def _mean(self, text: str) -> Vectors:
        passages = self._passages(self._tokenizer.encode(text, add_special_tokens=False).ids)
        means = [self._session.run(["mean"], {"ids": passage})[0] for passage in passages]
        return means[0][0] if len(means) == 1 else unit_rows(np.concatenate(means)).mean(axis=0)

    def _tokens(self, text: str) -> TokenVectors:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        parts = []
        for passage in self._passages(encoding.ids):
            mean, tokens = self._session.run(["mean", "tokens"], {"ids": passage})
            parts.append(tokens[0, 1:-1] / np.linalg.norm(mean))
        starts = np.array([start for start, _ in encoding.offsets], np.int64)
        return TokenVectors(starts, np.concatenate(parts))

    def _passages(self, ids: list[int]) -> list[npt.NDArray[np.int64]]:
        """Return the passages of a text, each (1, tokens); an empty text is one without word pieces."""
        count = max(1, -(-len(ids) // _PIECES))
        return [
            np.array([[self._first, *part, self._last]], np.int64)
            for part in np.array_split(np.array(ids, np.int64), count)
        ]
