"""Label a corpus: with the processes of this machine, as one of several ranks, or with the workers of a Ray cluster.

Every launcher gives the same tasks to the same function, so all leave the same files.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from gemix.corpus.shards import Shard
from gemix.labels.job import Done, Job, Join, Task
from gemix.labels.markers import Marker, marker_path, read_marker, sidecar_path
from gemix.labels.parts import FOLDER, Piece, remove_parts, split
from gemix.labels.totals import Totals, damaged_files, sidecar_names, sum_markers
from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.fingerprint import FileFingerprint, file_stat
from gemix.runtime.lock import folder_lock
from gemix.runtime.pool import Failure, run_all
from gemix.runtime.progress import progress
from gemix.runtime.ranks import Rank, divide
from gemix.runtime.ray_pool import run_on_ray
from gemix.runtime.storage import exists, is_remote
from gemix.student.base import local_student, student_fingerprint
from gemix.tokens.counter import token_counter

Outcomes = dict[str, Done | Failure]  # by the names of tasks
_JOIN_SPEED: Final = 64  # against labelling


@dataclass(frozen=True)
class LabelResult:
    """What `label_corpus` did.

    `labelled` and `trusted` are the names of shards labelled now and of those whose labels still stood; `stale` are
    those with labels in the folder that are no part of the input: they are left alone and not in the totals.
    `damaged` names the files that could be read up to a damage only, as "file:row: reason".
    For one rank all is about its share, with parts of large files under names of their own, and nothing is stale.
    """

    totals: Totals
    labelled: list[str]
    trusted: list[str]
    stale: list[str]
    damaged: list[str]


def label_corpus(
    shards: Sequence[Shard],
    student_folder: Path,
    out: Path,
    *,
    text_key: str = "text",
    id_key: str = "id",
    source_key: str | None = None,
    date_key: str | None = None,
    counter_spec: str = "whitespace",
    workers: int = 1,
    max_bad_fraction: float = 0.01,
    rank: Rank | None = None,
    ray: str | None = None,
    collect: bool = False,
) -> LabelResult:
    """Label `shards` into the folder `out`, the largest first; those whose labels still stand are left alone.

    Neither the launcher nor the number of workers nor an interruption changes a byte of the result. Whatever goes
    wrong, finished shards stay, and the next call goes on from there. While it runs it holds the folder.

    Args:
        shards: The corpus.
        student_folder: Where the student was saved; of a URL it is fetched once, for all processes.
        out: Folder of sidecars and markers; made if it is not there.
        text_key: Column of the text.
        id_key: Column of the id.
        source_key: Column to count by, beside the domain.
        date_key: Column of the date, to count by month.
        counter_spec: See `token_counter`.
        workers: Number of processes; 1 labels in this one. The caller's module must be importable without effect
            (`if __name__ == "__main__":`), because the processes are spawned.
        max_bad_fraction: Share of all rows that may be bad; not checked for one rank.
        rank: Label this rank's share alone, beside other ranks of the same world. A call without a rank joins the
            parts of large files and sums up.
        ray: Use the workers of a Ray cluster: its address, "auto" for the one that this machine belongs to, or "local"
            to start one here with `workers` processors. All its machines see `out` and the inputs under these paths.
        collect: Label nothing: what is not labelled is an error.

    Raises:
        GemixError: student or counter cannot be loaded, another run is at work in the folder, shards failed (all the
            others are labelled by then) or, to collect, have no labels, or too many rows are bad (all shards are
            labelled by then).

    """
    token_counter(counter_spec)  # fails here rather than once in each worker
    if ray is None:  # other machines fetch it for themselves
        student_folder = local_student(student_folder)
    model = student_fingerprint(student_folder)
    job = Job(student_folder, model, out, text_key, id_key, counter_spec, source_key, date_key, collect)
    _make_folder(out)
    sizes = {shard: file_stat(shard.path).size for shard in shards}
    pieces = split(shards, sizes)
    cost: dict[Task, int] = {shard: sizes[shard] for shard in shards if shard not in pieces}
    cost |= {piece: piece.size for of_one in pieces.values() for piece in of_one}
    share = list(cost) if rank is None else divide(list(cost), list(cost.values()), [t.name for t in cost], rank)
    with folder_lock(out, None if rank is None else _describe(job, rank)) as lock:
        run = partial(run_all, workers=workers, lock=lock)
        if ray is not None:
            run = partial(run_on_ray, workers=workers, address=ray)
        outcomes = _standing(job, share)
        tasks = {task: cost[task] for task in share if isinstance(task, Shard) or task.shard.name not in outcomes}
        if min(workers, len(tasks)) > 1 and ray is None and not collect:
            largest = min(tasks, key=lambda task: (-tasks[task], task.name))
            if read_marker(marker_path(out, largest.name)) is None:  # else they were compiled for it
                job.compile_kernels(any(shard.format != ".parquet" for shard in shards))
        try:
            outcomes |= _do("collect" if collect else "label", job, tasks, run)
            if rank is None:
                joins, failures = _joins(pieces, outcomes)
                outcomes |= failures | _do("join", job, joins, run)
        finally:
            if rank is None and lock is not None:
                _remove_leftovers(out, shards)  # whoever they are of, he is gone
        if rank is not None:
            return _conclude(list(tasks), outcomes, collect)
        if _has_parts(out):
            for shard in pieces if is_remote(out) else shards:  # in a store to look for each takes long
                if isinstance(outcomes[shard.name], Done):
                    remove_parts(shard, out)
    result = _conclude(shards, outcomes, collect)
    result.totals.bad.check(result.totals.rows, max_bad_fraction)
    known = {shard.name for shard in shards}
    return replace(result, stale=[name for name in sidecar_names(out) if name not in known])


def _describe(job: Job, rank: Rank) -> str:
    """Return what ranks that work in one folder must have in common."""
    parts = [job.model, job.settings, rank.size]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _standing(job: Job, tasks: Sequence[Task]) -> Outcomes:
    """Return the large shards whose labels stand: nothing is left to do for those tasks that are pieces of them."""
    shards = {task.shard for task in tasks if not isinstance(task, Shard)}
    markers = {shard.name: job.trusted(shard) for shard in shards}
    return {name: Done(marker, False) for name, marker in markers.items() if marker is not None}


def _do(title: str, job: Job, tasks: Mapping[Task, int], run: Callable[..., None]) -> Outcomes:
    """Do tasks, given with their sizes, the largest first, and show how far they are."""
    outcomes: Outcomes = {}
    left = dict(tasks)
    total = sum(left.values())
    if not tasks:
        return outcomes
    scale, unit = (1e6, "MB") if total >= 1e8 else (1e3, "kB")
    with progress(title, total / scale, unit) as advance_bar:

        def advance(task: Task, size: int) -> None:
            # The position in the file is not known: an estimate, put right when the task is done.
            plain = isinstance(task, Shard) and task.format == ".jsonl"
            step = min(left[task], size if plain else size // 3)
            left[task] -= step
            advance_bar(step / scale)

        def done(task: Task, outcome: Done | Failure) -> None:
            outcomes[task.name] = outcome
            advance_bar(left.pop(task) / scale)

        largest_first = sorted(tasks, key=lambda task: (-tasks[task], task.name))
        run(job, largest_first, advance=advance, done=done)
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
        results = {
            piece.name: outcome.result
            for piece, outcome in zip(of_one, found, strict=True)
            if isinstance(outcome, Done)
        }
        (source,) = (result for result in results.values() if isinstance(result, FileFingerprint))
        markers = {name: result for name, result in results.items() if isinstance(result, Marker)}
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
        elif isinstance(outcome.result, Marker):
            markers[task.name] = outcome.result
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


def _has_parts(out: Path) -> bool:
    try:
        return exists(out / FOLDER)
    except OSError as error:
        raise GemixError(f"cannot read {out}: {error.strerror or error}") from error


def _make_folder(out: Path) -> None:
    if is_remote(out):
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GemixError(f"cannot write {out}: {error.strerror}") from error


def _remove_leftovers(out: Path, shards: Sequence[Shard]) -> None:
    """Delete the temporary files of these shards; nobody else is at work in the folder."""
    targets = {path(out, shard.name) for path in (sidecar_path, marker_path) for shard in shards}
    for folder in {target.parent for target in targets}:
        for tmp in folder.glob(".*.tmp-*"):
            if folder / tmp.name[1:].rpartition(".tmp-")[0] in targets:
                with suppress(OSError):
                    tmp.unlink()
