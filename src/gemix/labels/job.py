"""What a launcher has done for each task, in whatever process: one shard or one piece of it labelled, or trusted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import pyarrow as pa

from gemix.corpus.shards import Shard
from gemix.labels.markers import Marker, trusted_marker
from gemix.labels.parts import Content, Part, hash_content, join, known_content
from gemix.labels.reading import COMPRESSION, Reading
from gemix.labels.shard import label_shard
from gemix.runtime.compiled import can_compile
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import FileFingerprint
from gemix.student.base import Student, student_fingerprint
from gemix.student.load import load_student


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """The last task of a shard that was labelled in parts; `markers` are theirs, in order and by name."""

    shard: Shard
    source: FileFingerprint
    markers: Mapping[str, Marker]

    @property
    def name(self) -> str:
        """That of the shard."""
        return self.shard.name


Task = Shard | Part | Content | Join


@dataclass
class Job:
    """Labels shards with one student and one set of settings; both are loaded where and when they are needed."""

    student_folder: Path
    model: str
    out: Path
    reading: Reading

    @cached_property
    def student(self) -> Student:
        """The loaded student.

        Raises:
            GemixError: it cannot be loaded, or is another than at the start.

        """
        student = load_student(self.student_folder)
        if student_fingerprint(self.student_folder) != self.model:
            raise GemixError(f"{self.student_folder}: this student is another than at the start; start again")
        return student

    def compile_kernels(self, json_lines: bool) -> None:
        """Run once all that is compiled, so that processes begun after this find it compiled and only load it.

        Args:
            json_lines: Whether any is to be read.

        Raises:
            GemixError: the student cannot be loaded.

        """
        if not can_compile():
            return
        from gemix.corpus.plain_json import plain_reader

        texts = pa.array(["-"], pa.large_string())
        load_student(self.student_folder).predict(texts)  # not `self.student`, which would go to every process
        if json_lines:
            plain_reader("text", "id")([b"{}"])

    def trusted(self, task: Shard | Part) -> Marker | None:
        """Return the marker if the labels stand."""
        if isinstance(task, Shard):
            return trusted_marker(task, self.out, model=self.model, settings=self.reading.settings)
        return trusted_marker(
            task.shard,
            self.out,
            model=self.model,
            settings=self.reading.settings,
            name=task.name,
            file_name=task.file_name,
        )

    def standing(self, task: Task) -> bytes | None:
        """Return what a task has left, if it still stands: a marker, or of a `Content` the fingerprint."""
        if isinstance(task, Join):
            return None  # what is left of it is looked for before its parts are
        found = known_content(task, self.out) if isinstance(task, Content) else self.trusted(task)
        return None if found is None else msgspec.json.encode(found)

    def make(self, task: Task, advance: Callable[[int], None]) -> bytes:
        """Do a task and return what it leaves, as `standing` does.

        Raises:
            GemixError: see `label_shard`.

        """
        if isinstance(task, Join):
            return msgspec.json.encode(join(task.shard, task.source, task.markers, self.out))
        if isinstance(task, Content):
            return msgspec.json.encode(hash_content(task, self.out))
        shard, part = (task, None) if isinstance(task, Shard) else (task.shard, task)
        plain = isinstance(task, Shard) and not task.is_parquet and not task.compression
        marker = label_shard(
            shard,
            self.student,
            self.out,
            model=self.model,
            # The position in a compressed file is not known.
            advance=advance if plain else lambda size: advance(size // COMPRESSION),
            part=part,
            reading=self.reading,
        )
        return msgspec.json.encode(marker)
