"""First pass of tokenize and split: the documents of a shard, each at its place among the parts of its domain."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gemix.corpus.rows import Batch
from gemix.corpus.shards import Shard
from gemix.labels.spill import Row, SpillWriter, is_spill, spill_path
from gemix.mix.domain_ids import domain_folder, domain_key
from gemix.runtime.atomic import atomic_path
from gemix.tokens.held_out import is_held_out

HELD_OUT: Final = "held_out"  # the folder of what is kept from training
_REMARKS: Final = ".remarks"  # the end of the name of the file beside a scratch file


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
        shares: of the documents of each domain, K, that are taken: those that come first.

    """

    train: Sequence[int]
    held_out: Sequence[int]
    shares: Sequence[float]

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
        """Return the number of the part that a document belongs to; `place` is where it comes, in [0, share)."""
        counts = self.held_out if held_out else self.train
        part = int(place / self.shares[domain] * counts[domain])
        return self._first[held_out][domain] + min(part, counts[domain] - 1)

    @cached_property
    def _first(self) -> tuple[list[int], list[int]]:
        first = np.cumsum([0, *self.train, *self.held_out]).tolist()
        return first[: len(self.train)], first[len(self.train) :]


class Coding(Protocol):
    """What is written of a document; picklable. A frozen dataclass."""

    @property
    def name(self) -> str:
        """What counts the tokens, as labels call it."""

    @property
    def identity(self) -> list[str | None]:
        """What decides the bytes of a document."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of what a document consists of."""

    def read(self, shard: Shard, labels: Path, keys: tuple[str, str]) -> Iterator[tuple[Batch, pa.Table]]:
        """Yield the documents of a shard, a batch at a time, beside the columns domain and tokens of their labels."""

    def documents(self, batch: Batch) -> Iterator[tuple[int | None, bytes]]:
        """Yield the good rows of a batch as they are written, and how many tokens that are; None: as labels count."""

    def remarks(self) -> bytes:
        """Return what there is to say of all documents since the last call."""


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
        """Return the remarks on the documents if the scratch file is there."""
        path = spill_path(self.work, shard)
        return path.with_suffix(_REMARKS).read_bytes() if is_spill(path, self.key) else None

    def make(self, shard: Shard, advance: Callable[[int], None]) -> bytes:
        """Write the scratch file, after the remarks."""
        place, path = place_hash(self.seed, shard.name), spill_path(self.work, shard)
        with atomic_path(path) as tmp:
            writer = SpillWriter(tmp, self.key, len(self.plan.tasks))
            self.coding.remarks()  # those on a shard that failed
            for batch, table in self.coding.read(shard, self.labels, (self.text_key, self.id_key)):
                for row in self._rows(batch, table, place):
                    writer.add(*row)
                advance(len(batch))
            writer.close()
            remarks = self.coding.remarks()
            with atomic_path(path.with_suffix(_REMARKS)) as file:
                file.write_bytes(remarks)
        return remarks

    def _rows(self, batch: Batch, table: pa.Table, place: Callable[[int], float]) -> Iterator[tuple[int, Row]]:
        """Yield the part that a document belongs to, and its row there, if it is taken."""
        places, batch = self._taken(batch, table["domain"].to_pylist(), place)
        good = table.filter(batch.texts.is_valid())
        texts = batch.good_texts.to_pylist() if self.held_out else repeat("")
        for position, domain, counted, size, text, (tokens, document) in zip(
            places,
            good["domain"].to_pylist(),
            good["tokens"].to_pylist(),
            pc.binary_length(batch.good_texts).to_pylist(),
            texts,
            self.coding.documents(batch),
            strict=False,  # the texts are looked at only where some are held out
        ):
            part = self.plan.number(domain, is_held_out(text, self.held_out), position)
            yield part, (position, domain, counted if tokens is None else tokens, size, document)

    def _taken(
        self, batch: Batch, domains: Sequence[int | None], place: Callable[[int], float]
    ) -> tuple[list[float], Batch]:
        """Return the places of the documents that are taken, and the batch in which they alone have a text."""
        good = np.flatnonzero(batch.texts.is_valid())
        places = {i: place(batch.first_row + i) for i in good.tolist()}
        taken = {i: at for i, at in places.items() if at < self.plan.shares[domains[i] or 0]}
        if len(taken) == len(places):
            return list(places.values()), batch
        mask = np.zeros(len(batch), bool)
        mask[list(taken)] = True
        return list(taken.values()), replace(batch, texts=pc.if_else(pa.array(mask), batch.texts, None))


def place_hash(seed: int, shard: str) -> Callable[[int], float]:
    """Return a function of the row of a document in this shard: uniform in [0, 1), in steps of 2^-53."""
    start = hashlib.blake2b(shard.encode() + b"\0", digest_size=8, key=str(seed).encode(), salt=b"tokenize:place")

    def compute(row: int) -> float:
        state = start.copy()
        state.update(row.to_bytes(8, "big"))
        return (int.from_bytes(state.digest(), "big") >> 11) / (1 << 53)

    return compute
