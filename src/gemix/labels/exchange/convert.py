"""Every shard with its labels -> files of another form: in parallel, resumable, each file whole or not at all."""

import json
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec

from gemix.corpus.shards import Shard, refuse_overlap
from gemix.labels.labelled import LabelledCorpus
from gemix.labels.markers import Marker
from gemix.runtime.atomic import atomic_path, remove_leftovers, write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import FileStat, file_stat
from gemix.runtime.lock import folder_lock
from gemix.runtime.map import Launcher, map_all
from gemix.runtime.storage import is_remote, read_bytes

# Beside the files that a user wants; hidden folders are no input.
NOTES = ".gemix"
_SCHEMA: Final = 3  # raised whenever equal input would give other bytes
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Labels:
    """The labels of one shard."""

    shard: Shard
    folder: Path
    marker: Marker
    names: list[str]
    rates: list[float] | None = None  # of the corpus, see `LabelledCorpus`

    @property
    def text_key(self) -> str:
        """Column of the text."""
        return self.marker.settings["text_key"]

    @property
    def id_key(self) -> str:
        """Column of the id."""
        return self.marker.settings["id_key"]


class Form(Protocol):
    """A form of the labels. A frozen dataclass: its fields decide what is written."""

    @property
    def folders(self) -> list[str]:
        """The folders that all files lie in, relative to the output folder; the first also holds the notes."""

    def files(self, shard: Shard) -> list[str]:
        """Return the files that a shard becomes, relative to the output folder."""

    def write(self, labels: Labels, paths: list[Path], advance: Advance) -> None:
        """Write those files to temporary paths; `advance` hears of the rows that are done."""


@dataclass(frozen=True)
class Made:
    """Names of the shards whose files were written now, and of those whose files were there."""

    now: list[str]
    before: list[str]


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the files of a shard were made from, and how each was left."""

    made_from: str
    files: dict[str, FileStat]


def convert_labels(corpus: LabelledCorpus, form: Form, out: Path, *, workers: int = 1) -> Made:
    """Write the files of every shard below `out`; those that were made from the same labels in the same way are kept.

    Args:
        corpus: the labelled corpus.
        form: what is written.
        out: made if it is not there; in a store there is no lock.
        workers: number of processes; with more than 1 the caller's module must be importable without effect.

    Raises:
        GemixError: `out` holds the corpus, documents do not fit their labels, or a file cannot be read or written; the
            files of the other shards are made by then.

    """
    for folder in form.folders:
        refuse_overlap(corpus.shards, [], out / folder)
    made: dict[str, bool] = {}
    job = _Job(corpus.folder, corpus.markers, corpus.names, corpus.rates, form, out)
    with nullcontext() if is_remote(out) else folder_lock(out / form.folders[0] / NOTES):
        if not is_remote(out):
            for path in {(out / file).parent for shard in corpus.shards for file in form.files(shard)}:
                remove_leftovers(path)  # of a killed run
        map_all(
            job,
            {shard: corpus.markers[shard.name].rows for shard in corpus.shards},
            Launcher(workers),
            lambda shard, done: made.update({shard.name: done.new}),
            title="write",
            path=lambda shard: shard.path,
            unit="documents",
        )
    return Made(*([name for name in sorted(made) if made[name] is new] for new in (True, False)))


@dataclass
class _Job:
    """Writes the files of one shard; its marker is empty, for the note beside the files says all."""

    labels: Path
    markers: dict[str, Marker]
    names: list[str]
    rates: list[float] | None
    form: Form
    out: Path

    def standing(self, shard: Shard) -> bytes | None:
        files = self.form.files(shard)
        try:
            content = msgspec.json.decode(read_bytes(self._note(shard)), type=_Note)
            whole = content.made_from == self._made_from(shard) and content.files == {
                file: file_stat(self.out / file) for file in files
            }
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, GemixError):
            return None
        return b"" if whole else None

    def make(self, shard: Shard, advance: Advance) -> bytes:
        files, before = self.form.files(shard), file_stat(shard.path)
        with ExitStack() as stack:
            # The last one entered is renamed first; the note follows them all.
            paths = [stack.enter_context(atomic_path(self.out / file)) for file in files]
            self.form.write(self._labels(shard), paths, advance)
            if file_stat(shard.path) != before:
                raise GemixError(f"{shard.path} changed while it was read; label it again when it is complete")
        content = _Note(self._made_from(shard), {file: file_stat(self.out / file) for file in files})
        write_text(self._note(shard), msgspec.json.encode(content).decode() + "\n")
        return b""

    def _labels(self, shard: Shard) -> Labels:
        return Labels(shard, self.labels, self.markers[shard.name], self.names, self.rates)

    def _note(self, shard: Shard) -> Path:
        return self.out / self.form.folders[0] / NOTES / f"{shard.name}.json"

    def _made_from(self, shard: Shard) -> str:
        marker = self.markers[shard.name]
        form = [type(self.form).__name__, vars(self.form), self.names, self.rates, _SCHEMA]
        return json.dumps([marker.sha256, marker.input.xxh3, shard.name, form], sort_keys=True)
