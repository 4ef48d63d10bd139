"""What an embedder is, and the two things that all of them need."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gemix.runtime.errors import GemixError

Vectors = npt.NDArray[np.float32]


class Embedder(Protocol):
    """Turns documents into unit vectors.

    `documents` is a table with the columns `id` (string) and `text` (string, already cut to the window), and where
    they come from shards also `shard` (string) and `row` (int64, counted from 1).
    """

    name: str

    def fingerprint(self) -> dict[str, Any]:
        """Return, as JSON values, everything that decides the output."""

    def prepare(self, documents: pa.Table) -> None:
        """See all documents once before the first `embed`; deterministic, so that a resumed run may call it again."""

    def embed(self, documents: pa.Table) -> Vectors:
        """Return float32 unit rows, shape (documents, d); a document that cannot be embedded gets a row of zeros."""


class TokenVectors(NamedTuple):
    """What a model makes of the tokens of one text, each in its context.

    Attributes:
        starts: the character at which each token begins, (tokens,) int64; marks that the model adds are left out.
        vectors: (tokens, d) float32, in units of the length of their text's mean: so the vector of the text is their
            mean, but for the marks.

    """

    starts: npt.NDArray[np.int64]
    vectors: Vectors


@runtime_checkable
class TokenEmbedder(Protocol):
    """An embedder whose vector of a text is a mean over its tokens, which can be had, too."""

    def embed_tokens(self, texts: Sequence[str]) -> Iterator[TokenVectors]:
        """Yield the vectors of the tokens of each text."""


@runtime_checkable
class FittedEmbedder(Protocol):
    """An embedder whose space is made of the documents that it was prepared by, and kept for others."""

    def save(self, folder: Path) -> None:
        """Keep the space."""

    def load(self, folder: Path) -> None:
        """Take the space that was kept, in place of `prepare`.

        Raises:
            GemixError: there is none.

        """


def unit_rows(vectors: npt.ArrayLike) -> Vectors:
    """Return the rows of `vectors` (n, d) as float32 unit vectors.

    Rows shorter than 1e-6 are nothing but noise and become zeros; NaN and infinity stay visible as NaN.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        unit = rows / np.where(norms < 1e-6, np.inf, norms)
    return unit.astype(np.float32)


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn an ImportError inside the block into a GemixError that names the extra to install."""
    try:
        yield
    except ImportError as error:
        raise GemixError(f'{error.name} is not installed: pip install "gemix[{extra}]"') from error
