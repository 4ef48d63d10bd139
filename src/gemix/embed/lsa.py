"""Latent semantic analysis: TF-IDF and a truncated SVD of the corpus itself; no model."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gemix.embed.base import Vectors, needs, unit_rows
from gemix.runtime.errors import GemixError

DIMENSIONS = 128
MAX_FEATURES = 20_000


class LSA:
    """Words weighted by sublinear TF-IDF, projected on the corpus's first 128 singular vectors.

    Deerwester et al. 1990, "Indexing by latent semantic analysis".
    """

    name = "lsa"

    def __init__(self, *, seed: int = 0) -> None:
        with needs("embed"):
            import scipy
            import sklearn
        self._versions = {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__}
        self._seed = seed
        self._words: Any = None
        self._directions: Any = None

    def fingerprint(self) -> dict[str, Any]:
        """Return the settings and the libraries' versions."""
        return {
            "name": self.name,
            "fit": 2,  # raise it when a change in this file changes the vectors
            "dimensions": DIMENSIONS,
            "max_features": MAX_FEATURES,
            "seed": self._seed,
            **self._versions,
        }

    def prepare(self, documents: pa.Table) -> None:
        """Fit vocabulary, weights and directions on the column `text` of all documents.

        Raises:
            GemixError: the documents have no words.

        """
        from sklearn.decomposition import TruncatedSVD
        from threadpoolctl import threadpool_limits

        texts = documents["text"].to_pylist()
        self._words, counts = self._fit_words(texts)
        svd = TruncatedSVD(min(DIMENSIONS, *counts.shape), random_state=self._seed)
        # More threads sum in another order: other bits. The division is by the variance, which we do not need.
        with threadpool_limits(1, user_api="blas"), np.errstate(divide="ignore", invalid="ignore"):
            svd.fit(counts)
        self._directions = np.ascontiguousarray(svd.components_.T)

    def embed(self, documents: pa.Table) -> Vectors:
        """Return unit rows, float32 (n, at most 128); zeros for a document without a known word."""
        if self._words is None:
            raise GemixError("lsa: prepare() has to see the documents before embed()")
        return unit_rows(self._words.transform(documents["text"].to_pylist()) @ self._directions)

    def save(self, folder: Path) -> None:
        """Keep words, their weights and directions.

        Raises:
            GemixError: the folder cannot be written.

        """
        from gemix.sphere.storage import save_arrays  # here: the package loads nothing heavy

        vocabulary = sorted(self._words.vocabulary_, key=self._words.vocabulary_.__getitem__)
        try:
            save_arrays(folder, {"idf": self._words.idf_, "directions": self._directions}, {"words": vocabulary})
        except OSError as error:
            raise GemixError(f"cannot write {folder}: {error.strerror or error}") from error

    def load(self, folder: Path) -> None:
        """Take the space that `save` kept.

        Raises:
            GemixError: there is none.

        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        from gemix.sphere.storage import load_arrays

        try:
            arrays, config = load_arrays(folder)
            self._words = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, vocabulary=config["words"])
            self._words.idf_ = arrays["idf"]
            self._directions = arrays["directions"]
        except (OSError, ValueError, KeyError) as error:
            raise GemixError(f"cannot read the space of lsa, {folder}: {error}; run `gemix embed` again") from error

    @staticmethod
    def _fit_words(texts: list[str]) -> tuple[Any, Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        # Words of one document say nothing about others, words of every second document say too little; but a small or
        # repetitive corpus may have no other words.
        usual = {"min_df": max(2, len(texts) // 5000), "max_df": 0.5, "stop_words": "english"}
        for limits in (usual, {}) if len(texts) >= 100 else ({},):
            words = TfidfVectorizer(sublinear_tf=True, max_features=MAX_FEATURES, dtype=np.float32, **limits)
            try:
                return words, words.fit_transform(texts)
            except ValueError:  # no word within the limits
                continue
        raise GemixError("lsa: the documents have no words to tell them apart by")
