"""The default embedder: all-MiniLM-L6-v2, run by onnxruntime; no torch, no network."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gemix.embed.base import Vectors, needs, unit_rows
from gemix.embed.bert import MAX_TOKENS, Precision, build_graph
from gemix.embed.weights import TOKENIZER_SHA256, WEIGHTS_SHA256, load_minilm


class MiniLM:
    """all-MiniLM-L6-v2 on the first 256 word pieces of each document; 384 dimensions.

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
        self._tokenizer.enable_truncation(MAX_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            build_graph(weights, precision), options, providers=["CPUExecutionProvider"]
        )

    def fingerprint(self) -> dict[str, Any]:
        """Return the name, the hashes of weights and tokenizer, and the runtime's version."""
        return {
            "name": self.name,
            "graph": 1,  # raise it when a change in bert.py changes the vectors
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

    def _mean(self, text: str) -> npt.NDArray[np.float32]:
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        mean: npt.NDArray[np.float32] = self._session.run(["mean"], {"ids": ids})[0][0]
        return mean
