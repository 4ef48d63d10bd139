"""Texts to tokens, for tokenize."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemix.corpus.rows import Batch
from gemix.corpus.shards import Shard
from gemix.labels.documents import labelled_batches
from gemix.proxy.tokenised import encode, in_pieces
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_sha256
from gemix.tokens.counter import short_fingerprint
from gemix.tokens.tokenizer import end_of_text, load_tokenizer


@dataclass(frozen=True)
class TokenCoding:
    """What makes tokens of a text; picklable: a worker loads the file itself.

    Attributes:
        path: tokenizer.json.
        sha256: of this file.
        end: the end-of-text token; None: the first of the usual ones.
        dtype: of a token.

    """

    path: Path
    sha256: str
    end: str | None
    dtype: np.dtype[Any]

    def read(self, shard: Shard, labels: Path, keys: tuple[str, str]) -> Iterator[tuple[Batch, pa.Table]]:
        """Yield the documents of a shard beside their labels."""
        return labelled_batches(shard, labels, *keys, ("id", "domain", "tokens"))

    def documents(self, batch: Batch) -> Iterator[tuple[int | None, bytes]]:
        """Yield the tokens of the good rows, and how many they are."""
        for tokens in self.encode(batch.good_texts.to_pylist()):
            yield len(tokens), tokens.tobytes()

    def remarks(self) -> bytes:
        """Return nothing."""
        return b""

    @property
    def identity(self) -> list[str | None]:
        """What decides the tokens of a document."""
        return [self.sha256, self.end]

    @property
    def name(self) -> str:
        """What counts the tokens, as labels call it."""
        return short_fingerprint(self.sha256)

    def encode(self, texts: Sequence[str]) -> Iterator[NDArray[Any]]:
        """Yield the tokens of each text with the end-of-text token behind them.

        Raises:
            GemixError: the tokenizer fails on a text, or its file was changed.

        """
        tokenizer, end = self._loaded
        for group in in_pieces(texts):
            yield from encode(group, tokenizer, end, self.dtype)

    @cached_property
    def _loaded(self) -> tuple[Any, int]:
        if file_sha256(self.path) != self.sha256:
            raise GemixError(f"{self.path} was changed while it was in use; run the command again")
        tokenizer = load_tokenizer(self.path, self.end)
        return tokenizer, end_of_text(tokenizer, self.end)
