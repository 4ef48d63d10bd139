"""First pass of tokenize: the tokens of a shard, each document at its place among the parts of its domain."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from gemix.corpus.shards import Shard
from gemix.labels.documents import labelled_batches
from gemix.labels.spill import SpillWriter, is_spill
from gemix.mix.domain_ids import domain_folder, domain_key
from gemix.proxy.tokenised import encode, in_pieces
from gemix.runtime.atomic import atomic_path
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_sha256
from gemix.tokens.tokenizer import end_of_text, load_tokenizer

HELD_OUT: Final = "held_out"  # the folder of what is kept from training
# Characters of a document that are tokenised at once: a tokenizer needs a hundred times as much memory.
_LONGEST: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class PartTask:
    """A part of a domain: its number among all parts, its folder, and which of the folder's parts it is."""

    number: int
    domain: int
    held_out: bool
    part: int

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.folder}/{self.part:05d}"

    @property
    def folder(self) -> str:
        """Where its files lie."""
        own = domain_folder(domain_key(self.domain))
        return f"{HELD_OUT}/{own}" if self.held_out else own


@dataclass(frozen=True)
class Plan:
    """The parts of all domains, by the bytes of text that a part shall have, about.

    Attributes:
        train: parts of each domain, K.
        held_out: parts of what is held out of each domain, K.

    """

    train: Sequence[int]
    held_out: Sequence[int]

    @cached_property
    def tasks(self) -> list[PartTask]:
        """All parts."""
        parts = [
            (domain, held_out, part)
            for held_out, counts in ((False, self.train), (True, self.held_out))
            for domain, count in enumerate(counts)
            for part in range(count)
        ]
        return [PartTask(number, *part) for number, part in enumerate(parts)]

    def number(self, domain: int, held_out: bool, place: float) -> int:
        """Return the number of the part that a document belongs to; `place` is where it comes, in [0, 1)."""
        counts = self.held_out if held_out else self.train
        return self._first[held_out][domain] + min(int(place * counts[domain]), counts[domain] - 1)

    @cached_property
    def _first(self) -> tuple[list[int], list[int]]:
        first = np.cumsum([0, *self.train, *self.held_out]).tolist()
        return first[: len(self.train)], first[len(self.train) :]


@dataclass(frozen=True)
class Coding:
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

    @property
    def name(self) -> str:
        """What counted the tokens, as labels call it."""
        return f"tokenizers:{self.path.name}#{self.sha256}"

    def encode(self, texts: Sequence[str]) -> Iterator[NDArray[Any]]:
        """Yield the tokens of each text with the end-of-text token behind them.

        A text of more than 2^24 characters is tokenised in pieces that end with a line.

        Raises:
            GemixError: the tokenizer fails on a text, or its file was changed.

        """
        tokenizer, end = self._loaded
        for group in in_pieces(texts):
            if len(group[-1]) <= _LONGEST:  # a group ends with the text that fills it
                yield from encode(group, tokenizer, end, self.dtype)
                continue
            if group[:-1]:
                yield from encode(group[:-1], tokenizer, end, self.dtype)
            pieces = [encode([piece], tokenizer, end, self.dtype)[0] for piece in cut(group[-1], _LONGEST)]
            yield np.concatenate([*(piece[:-1] for piece in pieces[:-1]), pieces[-1]])

    @cached_property
    def _loaded(self) -> tuple[Any, int]:
        if file_sha256(self.path) != self.sha256:
            raise GemixError(f"{self.path} was changed while it was in use; run the command again")
        tokenizer = load_tokenizer(self.path, self.end)
        return tokenizer, end_of_text(tokenizer, self.end)


@dataclass
class Scatter:
    """Makes the scratch file of one shard; picklable."""

    labels: Path
    work: Path
    key: str
    coding: Coding
    plan: Plan
    seed: int
    held_out: float
    text_key: str
    id_key: str

    def standing(self, shard: Shard) -> bytes | None:
        """Return an empty marker if the scratch file is there."""
        return b"" if is_spill(spill_path(self.work, shard), self.key) else None

    def make(self, shard: Shard, advance: Callable[[int], None]) -> bytes:
        """Write the scratch file."""
        place = place_hash(self.seed, shard.name)
        with atomic_path(spill_path(self.work, shard)) as tmp:
            writer = SpillWriter(tmp, self.key, len(self.plan.tasks))
            for batch, table in labelled_batches(shard, self.labels, self.text_key, self.id_key):
                texts = batch.good_texts.to_pylist()
                rows = (batch.first_row + np.flatnonzero(batch.texts.is_valid())).tolist()
                domains = table["domain"].drop_null().to_pylist()
                sizes = pc.binary_length(batch.good_texts).to_pylist()
                columns = zip(rows, domains, sizes, texts, self.coding.encode(texts), strict=True)
                for row, domain, size, text, tokens in columns:
                    position = place(row)
                    part = self.plan.number(domain, bool(self.held_out) and is_held_out(text, self.held_out), position)
                    writer.add(part, (position, domain, size, tokens.tobytes()))
                advance(len(batch))
            writer.close()
        return b""


def cut(text: str, size: int) -> Iterator[str]:
    """Yield a text in pieces of at most `size` characters that end behind a line break where there is one."""
    start = 0
    while len(text) - start > size:
        stop = text.rfind("\n", start, start + size) + 1 or start + size
        yield text[start:stop]
        start = stop
    yield text[start:]


def is_held_out(text: str, share: float) -> bool:
    """Return whether a document is kept from training: by a hash of its words in lower case, so that copies agree.

    It depends on nothing else: not on the seed, the tokenizer, or the other documents.
    """
    normal = " ".join(text.lower().split()).encode()
    digest = hashlib.blake2b(normal, digest_size=8, salt=b"tokenize:held").digest()
    return int.from_bytes(digest, "big") < int(share * (1 << 64))


def place_hash(seed: int, shard: str) -> Callable[[int], float]:
    """Return a function of the row of a document in this shard: uniform in [0, 1), in steps of 2^-53."""
    start = hashlib.blake2b(shard.encode() + b"\0", digest_size=8, key=str(seed).encode(), salt=b"tokenize:place")

    def compute(row: int) -> float:
        state = start.copy()
        state.update(row.to_bytes(8, "big"))
        return (int.from_bytes(state.digest(), "big") >> 11) / (1 << 53)

    return compute


def spill_path(work: Path, shard: Shard) -> Path:
    """Return where the scratch file of a shard lies."""
    return work / f"{shard.name}.arrow"
