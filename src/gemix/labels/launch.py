"""Label a corpus: every shard, or piece of a large one, is a task of the map in `gemix.runtime.map`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from gemix.corpus.check import check_shards
from gemix.corpus.formats import Shard
from gemix.labels.job import Job, Join, Task
from gemix.labels.listed import FILE_NAME as LISTED
from gemix.labels.listed import listed_names, write_listed
from gemix.labels.markers import Marker, marker_path, read_marker, sidecar_path
from gemix.labels.parts import FOLDER, Content, Part, Piece, remove_parts, split
from gemix.labels.reading import Reading
from gemix.labels.totals import Totals, damaged_files, sum_markers
from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.fingerprint import FileFingerprint, file_stat
from gemix.runtime.lock import folder_lock
from gemix.runtime.map import Done, Launcher, map_tasks
from gemix.runtime.pool import Failure
from gemix.runtime.ranks import Rank
from gemix.runtime.storage import exists, is_remote
from gemix.student.base import local_student, student_fingerprint

Outcomes = dict[str, Done | Failure]  # by the names of tasks
_USUAL: Final = Reading()
_HERE: Final = Launcher()
_JOIN_SPEED: Final = 64  # against labelling


@dataclass(frozen=True)
class LabelResult:
    """What `label_corpus` did.

    `labelled` and `trusted` are the names of shards labelled now and of those whose labels still stood; `stale` are
    those with labels in the folder that are no part of the input: they are left alone, and in no count from now on.
    `damaged` names the files that could be read up to a damage only, as "file:row: reason".
    For one rank all is about its share, with parts of large files under names of their own, and nothing is stale.
    """

    totals: Totals
    labelled: list[str]
    trusted: list[str]
    stale: list[str]
    damaged: list[str]


# Long by what its docstring says of the arguments.
def label_corpus(
    shards: Sequence[Shard],
    student_folder: Path,
    out: Path,
    reading: Reading = _USUAL,
    *,
    launcher: Launcher = _HERE,
    max_bad_fraction: float = 0.01,
) -> LabelResult:
    """Label `shards` into the folder `out`, the largest first; those whose labels still stand are left alone.

    Neither the launcher nor the number of workers nor an interruption changes a byte of the result. Whatever goes
    wrong, finished shards stay, and the next call goes on from there. While it runs it holds the folder.

    Args:
        shards: The corpus.
        student_folder: Where the student was saved; of a URL it is fetched once, for all processes.
        out: Folder of sidecars and markers; made if it is not there.
        reading: How documents are read and counted.
        launcher: Who labels. A rank labels its share, beside other ranks of the same world; a call without a rank joins
            the parts of large files and sums up. With `collect` nothing is labelled, but parts are joined all the same.
        max_bad_fraction: Share of all rows that may be bad; not checked for one rank.

    Raises:
        GemixError: student or tokenizer cannot be loaded, another run is at work in the folder, files are not what
            their names say or lack the columns (nothing is labelled then, see `check_shards`), shards failed (all the
            others are labelled by then) or, to collect, have no labels, or too many rows are bad (all shards are
            labelled by then).

    """
    given = student_folder
    if launcher.ray is None:  # other machines fetch it for themselves
        student_folder = local_student(student_folder)
    model = student_fingerprint(student_folder)
    sizes = {shard: file_stat(shard.path).size for shard in shards}
    reading = reading.of(given, sizes)
    _ = reading.counter  # fails here rather than once in each worker
    job = Job(student_folder, model, out, reading)
    pieces = split(shards, sizes)
    cost: dict[Task, int] = {shard: sizes[shard] for shard in shards if shard not in pieces}
    cost |= {piece: piece.size for of_one in pieces.values() for piece in of_one}
    share = launcher.share(cost)
    rank = launcher.rank
    with folder_lock(out, None if rank is None else _describe(job, rank)) as lock:
        outcomes = _standing(job, list(share))
        tasks = {
            task: size for task, size in share.items() if isinstance(task, Shard) or task.shard.name not in outcomes
        }
        if not launcher.collect:
            _check(tasks, shards if rank is not None else (), reading)
        if rank is None:
            write_listed(out, [shard.name for shard in shards])
        _compile(job, tasks, launcher, any(not shard.is_parquet for shard in shards))
        try:
            outcomes |= _do(job, tasks, launcher, lock)
            if rank is None:
                joins, failures = _joins(pieces, outcomes)
                outcomes |= failures | _do(job, joins, replace(launcher, collect=False), lock)
        finally:
            if rank is None and lock is not None:
                _remove_leftovers(out, shards)  # whoever they are of, he is gone
        if rank is not None:
            return _conclude(list(tasks), outcomes, launcher.collect)
        if _has_parts(out):
            for shard in pieces if is_remote(out) else shards:  # in a store to look for each takes long
                if isinstance(outcomes[shard.name], Done):
                    remove_parts(shard, out)
    result = _conclude(shards, outcomes, launcher.collect)
    result.totals.bad.check(result.totals.rows, max_bad_fraction)
    return replace(result, stale=listed_names(out)[2])


def _describe(job: Job, rank: Rank) -> str:
    """Return what ranks that work in one folder must have in common."""
    parts = [job.model, job.reading.settings, rank.size]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _standing(job: Job, tasks: Sequence[Task]) -> Outcomes:
    """Return the large shards whose labels stand: nothing is left to do for those tasks that are pieces of them."""
    shards = {task.shard for task in tasks if not isinstance(task, Shard)}
    markers = {shard.name: job.standing(shard) for shard in shards}
    return {name: Done(marker, False) for name, marker in markers.items() if marker is not None}


def _check(tasks: Mapping[Task, int], others: Sequence[Shard], reading: Reading) -> None:
    """Make sure that files can be read, before the first of them is labelled."""
    files = {task if isinstance(task, Shard) else task.shard for task in tasks}
    check_shards(sorted(files), reading.text_key, reading.id_key, reading.source_key, others)


def _compile(job: Job, tasks: Mapping[Task, int], launcher: Launcher, json_lines: bool) -> None:
    """Compile the kernels once, before several processes begin, unless they were for labels that are there."""
    if min(launcher.workers, len(tasks)) > 1 and launcher.ray is None and not launcher.collect:
        largest = min(tasks, key=lambda task: (-tasks[task], task.name))
        if read_marker(marker_path(job.out, largest.name)) is None:
            job.compile_kernels(json_lines)


def _do(job: Job, tasks: Mapping[Task, int], launcher: Launcher, lock: int | None) -> Outcomes:
    """Do tasks and return what became of them, by name."""
    outcomes: Outcomes = {}

    def use(task: Task, outcome: Done | Failure) -> None:
        outcomes[task.name] = outcome

    joins = all(isinstance(task, Join) for task in tasks)
    title = "join" if joins else "collect" if launcher.collect else "label"
    map_tasks(job, tasks, launcher, use, title=title, lock=lock)
    return outcomes


def _joins(pieces: Mapping[Shard, Sequence[Piece]], outcomes: Outcomes) -> tuple[dict[Task, int], Outcomes]:
    """Return what is left to do for large shards, with its size, and why not if a piece has failed."""
    joins: dict[Task, int] = {}
    failures: Outcomes = {}
    for shard, of_one in pieces.items():
        if shard.name in outcomes:
            continue
        found = [outcomes[piece.name] for piece in of_one]
        failed = [outcome for outcome in found if isinstance(outcome, Failure)]
        if failed:
            failures[shard.name] = Failure(f"{failed[0].message} ({len(failed)} of its {len(found)} pieces)")
            continue
        left = {
            piece: outcome.marker for piece, outcome in zip(of_one, found, strict=True) if isinstance(outcome, Done)
        }
        (source,) = (
            msgspec.json.decode(marker, type=FileFingerprint)
            for piece, marker in left.items()
            if isinstance(piece, Content)
        )
        markers = {piece.name: _marker(marker) for piece, marker in left.items() if isinstance(piece, Part)}
        joins[Join(shard, source, markers)] = sum(piece.size for piece in of_one) // _JOIN_SPEED
    return joins, failures


def _conclude(tasks: Sequence[Task], outcomes: Outcomes, collect: bool) -> LabelResult:
    markers: dict[str, Marker] = {}
    labelled: list[str] = []
    trusted: list[str] = []
    failures: list[str] = []
    for task in tasks:
        outcome = outcomes[task.name]
        if isinstance(outcome, Failure):
            path = str(task.path if isinstance(task, Shard) else task.shard.path)
            failures.append(outcome.message if path in outcome.message else f"{path}: {outcome.message}")
        elif not isinstance(task, Content):
            markers[task.name] = _marker(outcome.marker)
            (labelled if outcome.new else trusted).append(task.name)
    if failures:
        if collect:
            raise GemixError(
                f"{len(failures):,} of {len(tasks):,} files have no labels, or not those of this student, these "
                f"settings and the file as it is now:\n  {first_faults(failures)}\n"
                "Run the ranks that had them again, or the same command without --collect to label them here"
            )
        raise GemixError(
            f"{len(failures):,} of {len(tasks):,} shards could not be labelled, the others are done:\n  "
            + first_faults(failures)
        )
    return LabelResult(sum_markers(markers), labelled, trusted, [], damaged_files(markers))


def _marker(found: bytes) -> Marker:
    return msgspec.json.decode(found, type=Marker)


def _has_parts(out: Path) -> bool:
    try:
        return exists(out / FOLDER)
    except OSError as error:
        raise GemixError(f"cannot read {out}: {error.strerror or error}") from error


def _remove_leftovers(out: Path, shards: Sequence[Shard]) -> None:
    """Delete the temporary files of these shards and of their list; nobody else is at work in the folder."""
    targets = {path(out, shard.name) for path in (sidecar_path, marker_path) for shard in shards} | {out / LISTED}
    for folder in {target.parent for target in targets}:
        for tmp in folder.glob(".*.tmp-*"):
            if folder / tmp.name[1:].rpartition(".tmp-")[0] in targets:
                with suppress(OSError):
                    tmp.unlink()
