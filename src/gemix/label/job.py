"""What a launcher has done for each task, in whatever process: one shard or one piece of it labelled, or trusted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from gemix.compiled import can_compile
from gemix.corpus.fingerprint import FileFingerprint
from gemix.corpus.markers import Marker, trusted_marker
from gemix.corpus.shards import Shard
from gemix.corpus.tokens import TokenCounter, token_counter
from gemix.errors import GemixError
from gemix.label.parts import Content, Part, hash_content, join, known_content
from gemix.label.shard import label_settings, label_shard
from gemix.student.base import Student, load_student, student_fingerprint


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


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a task: the marker (of a `Content` the fingerprint), and whether it was made now."""

    result: Marker | FileFingerprint
    new: bool


@dataclass
class Job:
    """Labels shards with one student and one set of settings; both are loaded where and when they are needed.

    With `collect` nothing is labelled: what does not stand is an error. Parts are joined all the same.
    """

    student_folder: Path
    model: str
    out: Path
    text_key: str
    id_key: str
    counter_spec: str
    source_key: str | None = None
    date_key: str | None = None
    collect: bool = False

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

    @cached_property
    def counter(self) -> TokenCounter:
        """The loaded counter."""
        return token_counter(self.counter_spec)

    @cached_property
    def settings(self) -> dict[str, str]:
        """What the markers say of the settings."""
        return label_settings(**self._reading)

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
        self.counter.count(texts)
        if json_lines:
            plain_reader("text", "id")([b"{}"])

    @property
    def _reading(self) -> dict[str, Any]:
        keys = {"text_key": self.text_key, "id_key": self.id_key, "counter": self.counter}
        return keys | {"source_key": self.source_key, "date_key": self.date_key}

    def trusted(self, task: Shard | Part) -> Marker | None:
        """Return the marker if the labels stand."""
        if isinstance(task, Shard):
            return trusted_marker(task, self.out, model=self.model, settings=self.settings)
        return trusted_marker(
            task.shard,
            self.out,
            model=self.model,
            settings=self.settings,
            name=task.name,
            file_name=task.file_name,
        )

    def __call__(self, task: Task, advance: Callable[[int], None]) -> Done:
        """Do one task, or find that it was done.

        Raises:
            GemixError: see `label_shard`; or labels do not stand and nothing is to be labelled.

        """
        if isinstance(task, Join):
            return Done(join(task.shard, task.source, task.markers, self.out), True)
        found = known_content(task, self.out) if isinstance(task, Content) else self.trusted(task)
        if found is not None:
            return Done(found, False)
        if self.collect:
            raise GemixError("no labels that stand")
        if isinstance(task, Content):
            return Done(hash_content(task, self.out), True)
        shard, part = (task, None) if isinstance(task, Shard) else (task.shard, task)
        marker = label_shard(
            shard,
            self.student,
            self.out,
            model=self.model,
            advance=advance,
            part=part,
            **self._reading,
        )
        return Done(marker, True)
