"""More texts in the space of a seed sample that is embedded already."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gemix.embed.base import Embedder, FittedEmbedder, Vectors, unit_rows
from gemix.embed.documents import SPACE, EmbedResult, embed_documents
from gemix.runtime.errors import GemixError


def embed_further(documents: pa.Table, embedder: Embedder, folder: Path, *, seed: pa.Table, space: Path) -> EmbedResult:
    """Embed documents as those of the seed sample were: in the space made of it, and with its mean taken off.

    Args:
        documents: see `Embedder`.
        embedder: the one that embedded the sample.
        folder: of the result, see `embed_documents`.
        seed: the sample.
        space: folder in which `embed_documents` left the sample's vectors.

    Raises:
        GemixError: as in `embed_documents`; the embedder is another one than that of the sample.

    """
    path = space / "config.json"
    try:
        facts = json.loads(path.read_bytes())
        name, mean, digest = facts["embedder"]["name"], facts["mean"], facts["xxh3"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GemixError(f"cannot read {path}: {error}") from error
    if name != embedder.name:
        raise GemixError(f"{space} was embedded by {name}, not by {embedder.name}; run `gemix embed` first")
    return embed_documents(documents, _Continued(embedder, seed, space / SPACE, mean, digest), folder)


class _Continued:
    """An embedder in the space of the sample, whatever it embeds."""

    def __init__(self, inner: Embedder, seed: pa.Table, space: Path, mean: list[float] | None, digest: str) -> None:
        self.name = inner.name
        self._inner, self._seed, self._space, self._digest = inner, seed, space, digest
        self._mean = None if mean is None else np.array(mean)

    def fingerprint(self) -> dict[str, Any]:
        return {"space": self._digest, **self._inner.fingerprint()}

    def prepare(self, documents: pa.Table) -> None:
        if isinstance(self._inner, FittedEmbedder):
            self._inner.load(self._space)  # rows without a vector helped to make it, and are not in the seed
        else:
            self._inner.prepare(self._seed)

    def embed(self, documents: pa.Table) -> Vectors:
        vectors = self._inner.embed(documents)
        if self._mean is None:
            return vectors
        return unit_rows(np.where(vectors.any(axis=1, keepdims=True), vectors - self._mean, 0.0))
