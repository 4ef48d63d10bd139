"""A teacher for the documents of `support.make_documents`."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from support import SUBJECTS, make_documents

NAMES = list(SUBJECTS)


def opinions_of(labels: Sequence[int], k: int) -> np.ndarray:
    """Responsibilities that are nearly one for the label."""
    opinion = np.full((len(labels), k), 1e-4)
    opinion[np.arange(len(labels)), labels] = 1.0
    return opinion / opinion.sum(axis=1, keepdims=True)


def teach(n: int, seed: int = 0) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Documents, a teacher's opinion that is nearly always their subject, and scores."""
    documents = make_documents(n, seed)
    truth = [NAMES.index(document["subject"]) for document in documents]
    return pa.Table.from_pylist(documents), opinions_of(truth, 4), np.random.default_rng(0).random(n)
