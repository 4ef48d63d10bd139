"""Do something for many files, in several processes; a fault names its file and takes no other with it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.pool import Failure, Work, run_all
from gemix.runtime.progress import progress

Task = TypeVar("Task")
Result = TypeVar("Result")


def for_all(
    work: Work[Task, Result],
    tasks: Sequence[Task],
    workers: int,
    use: Callable[[Task, Result], None],
    *,
    name: Callable[[Task], str | Path],
    title: str,
    total: int | None,
) -> None:
    """Call `work(task, advance)` for each task and `use(task, result)` here, in the order in which they end.

    Args:
        work: Picklable; hands the number of documents it has passed to its `advance`.
        tasks: Picklable, too.
        workers: Number of processes.
        use: Takes a result: the results are never all in memory.
        name: What a task is called in an error.
        title: Of the progress bar.
        total: Documents that all tasks pass, if known.

    Raises:
        GemixError: tasks failed; the others are done.

    """
    faults: list[str] = []
    with progress(title, total) as bar:

        def advance(task: Task, n: int) -> None:
            bar(n)

        def done(task: Task, outcome: Result | Failure) -> None:
            if isinstance(outcome, Failure):
                named = str(name(task))
                faults.append(outcome.message if named in outcome.message else f"{named}: {outcome.message}")
            else:
                use(task, outcome)

        run_all(work, tasks, workers, advance=advance, done=done)
    if faults:
        raise GemixError(first_faults(faults))
