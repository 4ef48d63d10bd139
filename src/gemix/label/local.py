"""Label a corpus with the processes of this machine."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gemix.corpus.fingerprint import file_stat
from gemix.corpus.markers import Marker, marker_path, sidecar_path, trusted_marker
from gemix.corpus.shards import Shard
from gemix.corpus.tokens import TokenCounter, token_counter
from gemix.errors import GemixError, first_faults
from gemix.label.pool import Failure, run_all
from gemix.label.shard import label_settings, label_shard
from gemix.label.totals import Totals, sidecar_names, sum_markers
from gemix.progress import progress
from gemix.student.base import Student, load_student, student_fingerprint


@dataclass(frozen=True)
class LabelResult:
    """What `label_corpus` did.

    `labelled` and `trusted` are the names of shards labelled now and of those whose labels still stood; `stale` are
    those with labels in the folder that are no part of the input: they are left alone and not in the totals.
    """

    totals: Totals
    labelled: list[str]
    trusted: list[str]
    stale: list[str]


def label_corpus(
    shards: Sequence[Shard],
    student_folder: Path,
    out: Path,
    *,
    text_key: str = "text",
    id_key: str = "id",
    counter_spec: str = "whitespace",
    workers: int = 1,
    max_bad_fraction: float = 0.01,
) -> LabelResult:
    """Label `shards` into the folder `out`, the largest first; those whose labels still stand are left alone.

    Neither the number of workers nor an interruption changes a byte of the result. Whatever goes wrong, finished
    shards stay, and the next call goes on from there.

    Args:
        shards: The corpus.
        student_folder: Where the student was saved.
        out: Folder of sidecars and markers; made if it is not there.
        text_key: Column of the text.
        id_key: Column of the id.
        counter_spec: See `token_counter`.
        workers: Number of processes; 1 labels in this one. The caller's module must be importable without effect
            (`if __name__ == "__main__":`), because the processes are spawned.
        max_bad_fraction: Share of all rows that may be bad.

    Raises:
        GemixError: student or counter cannot be loaded, shards failed (all the others are labelled by then), or too
            many rows are bad (all shards are labelled by then).

    """
    job = _Job(student_folder, student_fingerprint(student_folder), out, text_key, id_key, counter_spec)
    token_counter(counter_spec)  # fails here rather than once in each worker
    _make_folder(out)
    sizes = {shard: file_stat(shard.path).size for shard in shards}
    outcomes: dict[str, tuple[Marker, bool] | Failure] = {}
    left = dict(sizes)
    total = sum(sizes.values())
    scale, unit = (1e6, "MB") if total >= 1e8 else (1e3, "kB")
    try:
        with progress("label", total / scale, unit) as advance_bar:

            def advance(shard: Shard, characters: int) -> None:
                # The position in the file is not known: an estimate, put right when the shard is done.
                step = min(left[shard], characters if shard.format == ".jsonl" else characters // 3)
                left[shard] -= step
                advance_bar(step / scale)

            def done(shard: Shard, outcome: tuple[Marker, bool] | Failure) -> None:
                outcomes[shard.name] = outcome
                advance_bar(left.pop(shard) / scale)

            largest_first = sorted(shards, key=lambda shard: (-sizes[shard], shard.name))
            run_all(job, largest_first, workers, advance=advance, done=done)
    finally:
        _remove_leftovers(out, shards)  # of workers killed now or in an earlier run
    return _conclude(shards, outcomes, out, max_bad_fraction)


@dataclass
class _Job:
    """Labels one shard unless its labels stand; student and counter are loaded where and when they are needed."""

    student_folder: Path
    model: str
    out: Path
    text_key: str
    id_key: str
    counter_spec: str

    @cached_property
    def student(self) -> Student:
        return load_student(self.student_folder)

    @cached_property
    def counter(self) -> TokenCounter:
        return token_counter(self.counter_spec)

    def __call__(self, shard: Shard, advance: Callable[[int], None]) -> tuple[Marker, bool]:
        """Return the marker and whether it is a new one."""
        settings = label_settings(text_key=self.text_key, id_key=self.id_key, counter=self.counter)
        marker = trusted_marker(shard, self.out, model=self.model, settings=settings)
        if marker is not None:
            return marker, False
        marker = label_shard(
            shard,
            self.student,
            self.out,
            model=self.model,
            text_key=self.text_key,
            id_key=self.id_key,
            counter=self.counter,
            advance=advance,
        )
        return marker, True


def _conclude(
    shards: Sequence[Shard], outcomes: dict[str, tuple[Marker, bool] | Failure], out: Path, max_bad_fraction: float
) -> LabelResult:
    markers: dict[str, Marker] = {}
    labelled: list[str] = []
    trusted: list[str] = []
    failures: list[str] = []
    for shard in shards:
        outcome = outcomes[shard.name]
        if isinstance(outcome, Failure):
            named = str(shard.path) in outcome.message
            failures.append(outcome.message if named else f"{shard.path}: {outcome.message}")
        else:
            markers[shard.name], new = outcome
            (labelled if new else trusted).append(shard.name)
    if failures:
        raise GemixError(
            f"{len(failures):,} of {len(shards):,} shards could not be labelled, the others are done:\n  "
            + first_faults(failures)
        )
    totals = sum_markers(markers)
    totals.bad.check(totals.rows, max_bad_fraction)
    stale = sorted(set(sidecar_names(out)) - set(markers))
    return LabelResult(totals, labelled, trusted, stale)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GemixError(f"cannot write {out}: {error.strerror}") from error


def _remove_leftovers(out: Path, shards: Sequence[Shard]) -> None:
    """Delete temporary files of these shards whose process is gone; another launch may be at work in the folder."""
    targets = {path(out, shard.name) for path in (sidecar_path, marker_path) for shard in shards}
    for folder in {target.parent for target in targets}:
        for tmp in folder.glob(".*.tmp-*"):
            name, _, pid = tmp.name[1:].rpartition(".tmp-")
            if folder / name in targets and pid.isdecimal() and not _is_alive(int(pid)):
                with suppress(OSError):
                    tmp.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
