"""From the texts of a labelled corpus to tokens by domain, in two passes over one map: shards, then domains.

The first pass leaves a scratch file a shard: the training documents of each domain, and of those that are held out the
ones that may be among the smallest hashes of their domain. The second reads each domain's part of all scratch files, in
the order of the listing, so that the files hang on neither workers nor interruptions. Memory is that of some batches.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa

from gemix.corpus.bad_rows import BadRows
from gemix.corpus.reader import read_batches
from gemix.corpus.shards import Shard
from gemix.labels.documents import labelled_batches
from gemix.labels.spill import SpillWriter, is_spill, read_spill, spill_path
from gemix.proxy.dataset import Part, part_path, token_type
from gemix.proxy.documents import Tokens
from gemix.proxy.tokenised import encode, in_pieces
from gemix.proxy.valid_set import ValidSet
from gemix.runtime.atomic import atomic_path, write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import progress
from gemix.tokens.held_out import text_place
from gemix.tokens.tokenizer import end_of_text, load_tokenizer, vocabulary_size

_KINDS: Final[tuple[Literal["train", "valid"], ...]] = ("train", "valid")
_MAX_BAD: Final = 0.01  # share of the rows of a further validation set, as for labelling


@dataclass(frozen=True)
class Coder:
    """Texts to tokens; picklable: a worker loads the file itself."""

    path: Path
    end_token: str | None

    @cached_property
    def _loaded(self) -> tuple[Any, int]:
        tokenizer = load_tokenizer(self.path, self.end_token)
        return tokenizer, end_of_text(tokenizer, self.end_token)

    @property
    def end(self) -> int:
        """Id of the end-of-text token."""
        return self._loaded[1]

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return vocabulary_size(self._loaded[0])

    @cached_property
    def kind(self) -> np.dtype[Any]:
        """Type of a token."""
        return token_type(self.vocabulary)

    def encode(self, texts: Sequence[str]) -> Iterator[Tokens]:
        """Yield the tokens of each text, the end-of-text token behind it."""
        tokenizer, end = self._loaded
        for piece in in_pieces(texts):
            yield from encode(piece, tokenizer, end, self.kind)

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels: no tokenizer."""
        return {"path": self.path, "end_token": self.end_token}


@dataclass(frozen=True)
class Scatter:
    """Makes the scratch file of one shard; its marker is the number of rows without a label. Picklable."""

    labels: Path
    work: Path
    key: str
    coder: Coder
    domains: int
    held_out: float
    valid_tokens: int
    text_key: str
    id_key: str

    def standing(self, shard: Shard) -> bytes | None:
        """Return the marker of a scratch file that is there."""
        path = spill_path(self.work, shard)
        return path.with_suffix(".rows").read_bytes() if is_spill(path, self.key) else None

    def make(self, shard: Shard, advance: Callable[[int], None]) -> bytes:
        """Write the marker, then the scratch file."""
        path, unlabelled = spill_path(self.work, shard), 0
        sets = [ValidSet(self.valid_tokens) for _ in range(self.domains)]
        with atomic_path(path) as tmp:
            writer = SpillWriter(tmp, self.key, 2 * self.domains)
            for batch, table in labelled_batches(shard, self.labels, self.text_key, self.id_key):
                texts = batch.good_texts.to_pylist()
                self._take(texts, table["domain"].drop_null().to_pylist(), sets, writer)
                unlabelled += len(batch) - len(texts)
                advance(len(batch))
            for domain, found in enumerate(sets):
                for place, _, tokens, size in found.documents():
                    writer.add(self.domains + domain, (place, domain, len(tokens), size, tokens.tobytes()))
            writer.close()
            marker = str(unlabelled).encode()
            with atomic_path(path.with_suffix(".rows")) as file:
                file.write_bytes(marker)
        return marker

    def _take(self, texts: list[str], domains: list[int], sets: Sequence[ValidSet], writer: SpillWriter) -> None:
        places = [text_place(text) for text in texts]
        used = [
            i
            for i, (place, domain) in enumerate(zip(places, domains, strict=True))
            if place >= self.held_out or sets[domain].wants(place)
        ]
        for i, tokens in zip(used, self.coder.encode([texts[i] for i in used]), strict=True):
            size = len(texts[i].encode())
            if places[i] < self.held_out:
                sets[domains[i]].add(places[i], tokens, size)
            else:
                writer.add(domains[i], (places[i], domains[i], len(tokens), size, tokens.tobytes()))


@dataclass(frozen=True)
class DomainTask:
    """A domain, by its number and its key."""

    number: int
    name: str


class Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Documents, tokens and bytes of text of a domain's training text and of its validation set."""

    key: str
    train: tuple[int, int, int]
    valid: tuple[int, int, int]


@dataclass(frozen=True)
class Gather:
    """Writes the training text and the validation set of one domain; picklable."""

    work: Path
    spills: Sequence[Path]
    key: str
    domains: int
    valid_tokens: int
    kind: np.dtype[Any]

    def standing(self, task: DomainTask) -> bytes | None:
        """Return what a domain has, if its files are there."""
        try:
            data = self._note(task).read_bytes()
            parts = msgspec.json.decode(data, type=Parts)
            sizes = [part_path(self.work, kind, task.number).stat().st_size for kind in _KINDS]
        except (OSError, msgspec.MsgspecError):
            return None
        there = [n * self.kind.itemsize for n in (parts.train[1], parts.valid[1])] == sizes
        return data if there and parts.key == self.key else None

    def make(self, task: DomainTask, advance: Callable[[int], None]) -> bytes:
        """Write both files, then what they hold."""
        with ExitStack() as stack:
            paths = [stack.enter_context(atomic_path(part_path(self.work, kind, task.number))) for kind in _KINDS]
            train, valid = (stack.enter_context(open(path, "wb")) for path in paths)
            sums = np.zeros(3, np.int64)
            for batch in self._batches(task.number):
                train.write(_bytes(batch))
                sums += [len(batch), *(int(batch[name].to_numpy().sum()) for name in ("tokens", "bytes"))]
                advance(len(batch))
            found = ValidSet(self.valid_tokens)
            for batch in self._batches(self.domains + task.number):
                rows = (batch[name].to_pylist() for name in ("position", "bytes", "document"))
                for place, size, document in zip(*rows, strict=True):
                    if found.wants(place):
                        found.add(place, np.frombuffer(document, self.kind), size)
            held = write_set(found, valid)
        documents, tokens, size = sums.tolist()
        data = msgspec.json.encode(Parts(self.key, (documents, tokens, size), held))
        write_text(self._note(task), data.decode())
        return data

    def _batches(self, file: int) -> Iterator[pa.RecordBatch]:
        for path in self.spills:
            yield from (batch for batch in read_spill(path, file, 2 * self.domains) if batch.num_rows)

    def _note(self, task: DomainTask) -> Path:
        return self.work / "notes" / f"{task.number:05d}.json"


def write_set(found: ValidSet, file: IO[bytes]) -> tuple[int, int, int]:
    """Write the documents of a validation set; return how many they are, their tokens and the bytes of their texts."""
    documents = tokens = size = 0
    for document in found.documents():
        file.write(document.tokens.tobytes())
        documents, tokens, size = documents + 1, tokens + len(document.tokens), size + document.size
    return documents, tokens, size


def part(name: str, sums: tuple[int, int, int]) -> Part:
    """Return what data.json says of documents, tokens and bytes of text."""
    return Part(name=name, documents=sums[0], tokens=sums[1], bytes=sums[2])


def read_target(name: str, files: Sequence[Shard], keys: Mapping[str, str], coder: Coder, found: ValidSet) -> int:
    """Read the documents of a further validation set; return the number of bad rows, which are left out.

    Raises:
        GemixError: a file cannot be read, or more than 1 % of the rows are bad.

    """
    bad = BadRows()
    rows = 0
    with progress(f"tokenise {name}") as advance:
        for shard in files:
            for batch in read_batches(shard, text_key=keys["text_key"], id_key=keys["id_key"]):
                bad.add_batch(shard.path, batch)
                rows += len(batch)
                texts = batch.good_texts.to_pylist()
                places = [text_place(text) for text in texts]
                used = [i for i in range(len(texts)) if found.wants(places[i])]
                for i, tokens in zip(used, coder.encode([texts[i] for i in used]), strict=True):
                    found.add(places[i], tokens, len(texts[i].encode()))
                advance(len(batch))
    if bad.total > _MAX_BAD * rows:
        raise GemixError(
            f"--valid {name}: {bad.total:,} of {rows:,} rows are bad:\n{bad.describe()}\nRepair or remove them"
        )
    return bad.total


def _bytes(batch: pa.RecordBatch) -> memoryview:
    """Return the documents of a batch, one behind the other."""
    column = batch["document"]
    _, bounds, data = column.buffers()
    ends = np.frombuffer(bounds, np.int64)[column.offset : column.offset + len(column) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])]
