"""Second pass of tokenize and split: one part of a domain from its rows in every scratch file, in their order."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemix.labels.spill import read_spill
from gemix.runtime.atomic import atomic_path, write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import FileStat, file_stat
from gemix.trainers.layouts.base import Documents, Layout
from gemix.trainers.scatter import PartTask

NOTES: Final = ".gemix"  # beside what a user wants


class PartNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a part holds and how its files were left; a part without documents has no files."""

    key: str
    documents: int
    tokens: int
    bytes: int
    files: dict[str, FileStat]


@dataclass(frozen=True)
class Gather:
    """Writes the files of one part, then its note; picklable."""

    out: Path
    spills: Sequence[Path]
    parts: int
    key: str
    layout: Layout
    dtype: np.dtype[Any]
    tokenizer: str

    def standing(self, task: PartTask) -> bytes | None:
        """Return the note of a part whose files are as they were written."""
        try:
            data = note_path(self.out, task).read_bytes()
            note = msgspec.json.decode(data, type=PartNote)
            whole = note.key == self.key and all(file_stat(self.out / name) == s for name, s in note.files.items())
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, GemixError):
            return None
        return data if whole else None

    def make(self, task: PartTask, advance: Callable[[int], None]) -> bytes:
        """Write the files and the note; memory is that of the part."""
        batches = [b for path in self.spills for b in read_spill(path, task.number, self.parts) if b.num_rows]
        names: list[str] = []
        lengths = np.zeros(0, np.int64)
        if batches:
            texts = [_Texts.of(batch) for batch in batches]
            places = np.concatenate([batch["position"].to_numpy() for batch in batches])
            order = np.argsort(places, kind="stable")  # equal places: by shard and row
            lengths = np.concatenate([text.lengths for text in texts])[order] // self.dtype.itemsize
            names = [f"{task.folder}/{name}" for name in self.layout.files(self.layout.part(task.part))]
            with ExitStack() as stack:
                paths = [stack.enter_context(atomic_path(self.out / name)) for name in names]
                documents = Documents(lengths, self._in_order(texts, order), self.tokenizer)
                self.layout.write(paths, documents, self.dtype)
        tokens, size = (sum(int(b[what].to_numpy().sum()) for b in batches) for what in ("tokens", "bytes"))
        note = PartNote(self.key, len(lengths), tokens, size, {name: file_stat(self.out / name) for name in names})
        data = msgspec.json.encode(note)
        write_text(note_path(self.out, task), data.decode() + "\n")
        advance(len(lengths))
        return data

    def _in_order(self, texts: Sequence["_Texts"], order: NDArray[np.intp]) -> Iterator[NDArray[Any]]:
        starts = np.cumsum([0, *(len(text.lengths) for text in texts)])
        owners = np.searchsorted(starts, order, side="right") - 1
        for owner, row in zip(owners.tolist(), (order - starts[owners]).tolist(), strict=True):
            yield texts[owner].row(row).view(self.dtype)


@dataclass(frozen=True)
class _Texts:
    """The bytes of the documents of a batch: row i is data[bounds[i] : bounds[i + 1]]."""

    bounds: NDArray[np.int64]
    data: NDArray[np.uint8]

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> "_Texts":
        column = batch["document"]
        _, bounds, data = column.buffers()
        bounds = np.frombuffer(bounds, np.int64)[column.offset : column.offset + len(column) + 1]
        return cls(bounds, np.frombuffer(data, np.uint8))

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.bounds)

    def row(self, i: int) -> NDArray[np.uint8]:
        return self.data[self.bounds[i] : self.bounds[i + 1]]


def note_path(out: Path, task: PartTask) -> Path:
    """Return where the note of a part lies."""
    return out / NOTES / f"{task.name}.json"
