"""One map over shards: a pure task each, by whoever is at hand; what stands already is not done again.

A task is known by its name and its size, what became of it by a small marker of bytes that only the work understands.
The outputs of a task hang on nothing but the task and the work, so every launcher leaves the same files, and whoever
goes on from an interruption finds what others have left.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.pool import Failure, run_all
from gemix.runtime.progress import progress
from gemix.runtime.ranks import Rank, divide
from gemix.runtime.ray_pool import run_on_ray


class Named(Protocol):
    """A task: hashable, picklable, with a name of its own among all of them."""

    @property
    def name(self) -> str:
        """What it is called."""


T = TypeVar("T", bound=Named)
In = TypeVar("In", bound=Named, contravariant=True)


class Work(Protocol[In]):
    """What is done with a task; picklable, and importable wherever it is done."""

    def standing(self, task: In, /) -> bytes | None:
        """Return the marker of a task whose outputs are there and still hold, else None."""

    def make(self, task: In, advance: Callable[[int], None], /) -> bytes:
        """Make the outputs and then the marker, whole or not at all; `advance` hears how much of the size is done."""


@dataclass(frozen=True, slots=True)
class Done:
    """The marker of a task, and whether it was made now."""

    marker: bytes
    new: bool


@dataclass(frozen=True)
class Launcher:
    """Who does the tasks.

    Attributes:
        workers: processes of this machine; 1 works in this one. The caller's module must be importable without effect
            (`if __name__ == "__main__":`), because the processes are spawned.
        rank: which of several processes that share the tasks this is; None does all of them.
        ray: a Ray cluster instead: its address, "auto" for the one that this machine belongs to, or "local" to start
            one with `workers` processors. All its machines see inputs and outputs under the same paths.
        collect: make nothing: a task whose outputs do not stand is a failure.

    """

    workers: int = 1
    rank: Rank | None = None
    ray: str | None = None
    collect: bool = False

    def share(self, tasks: Mapping[T, int]) -> dict[T, int]:
        """Return this process's part of the tasks, which are given with their sizes."""
        if self.rank is None:
            return dict(tasks)
        chosen = divide(list(tasks), list(tasks.values()), [task.name for task in tasks], self.rank)
        return {task: tasks[task] for task in chosen}


def map_tasks(
    work: Work[T],
    tasks: Mapping[T, int],
    launcher: Launcher,
    use: Callable[[T, Done | Failure], None],
    *,
    title: str,
    unit: Literal["bytes", "documents"] = "bytes",
    lock: int | None = None,
) -> None:
    """Do tasks, the largest first, and show how far they are.

    A task that fails takes no other with it. An exception in this process, Ctrl-C above all, ends all workers at once.

    Args:
        work: What is done with each.
        tasks: With their sizes; all are done, see `Launcher.share`.
        launcher: Who does them.
        use: Hears here of every task once, in the order in which they end.
        title: Of the progress bar.
        unit: Of sizes.
        lock: Descriptor of a lock that worker processes inherit, so that it is held until the last of them is gone.

    """
    if not tasks:
        return
    left = dict(tasks)
    total = sum(left.values())
    scale, shown = (1.0, unit) if unit == "documents" else (1e6, "MB") if total >= 1e8 else (1e3, "kB")
    with progress(title, total / scale, shown) as advance_bar:

        def advance(task: T, size: int) -> None:
            step = min(left[task], size)  # what the work says may be an estimate; put right when the task is done
            left[task] -= step
            advance_bar(step / scale)

        def done(task: T, outcome: Done | Failure) -> None:
            use(task, outcome)
            advance_bar(left.pop(task) / scale)

        largest_first = sorted(tasks, key=lambda task: (-tasks[task], task.name))
        attempt = _Attempt(work, launcher.collect)
        if launcher.ray is not None:
            run_on_ray(attempt, largest_first, launcher.workers, launcher.ray, advance=advance, done=done)
        else:
            run_all(attempt, largest_first, launcher.workers, advance=advance, done=done, lock=lock)


def map_all(
    work: Work[T],
    tasks: Mapping[T, int],
    launcher: Launcher,
    use: Callable[[T, Done], None],
    *,
    title: str,
    path: Callable[[T], Path],
    unit: Literal["bytes", "documents"] = "bytes",
) -> None:
    """Do tasks as `map_tasks`, where all are needed.

    Args:
        work: As there.
        tasks: As there.
        launcher: As there.
        use: Hears of the tasks that did not fail.
        title: As there.
        path: What a task is called in an error.
        unit: As there.

    Raises:
        GemixError: tasks failed; the others are done.

    """
    faults: list[str] = []

    def take(task: T, outcome: Done | Failure) -> None:
        if isinstance(outcome, Failure):
            named = str(path(task))
            faults.append(outcome.message if named in outcome.message else f"{named}: {outcome.message}")
        else:
            use(task, outcome)

    map_tasks(work, tasks, launcher, take, title=title, unit=unit)
    if faults:
        raise GemixError(first_faults(faults))


@dataclass
class _Attempt:
    """Finds a task done, or does it; sent to every worker once."""

    work: Work[Any]
    collect: bool

    def __call__(self, task: Named, advance: Callable[[int], None]) -> Done:
        marker = self.work.standing(task)
        if marker is not None:
            return Done(marker, False)
        if self.collect:
            raise GemixError("no outputs that stand")
        return Done(self.work.make(task, advance), True)
