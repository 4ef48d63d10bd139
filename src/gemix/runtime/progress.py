"""One progress display for every long stage: count, rate and time left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def say(message: str) -> None:
    """Print a line for the user on standard error; results alone go to standard output."""
    print(message, file=sys.stderr)


def per_second(speed: float) -> str:
    """Return a rate for people: whole numbers from 10 on, two digits below."""
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"


@contextmanager
def progress(
    description: str, total: float | None = None, unit: str = "documents"
) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error while the block runs and yield `advance(n)`.

    Where standard error is not a terminal (a log file, a scheduler) nothing animates: one closing line is printed.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units a second since the start of the task, empty until there is one."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{per_second(speed)}/s" if speed else "", style="progress.data.speed")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}" + ("" if total is None else "/{task.total:,.0f}") + f" {unit}"),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    live = sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=not live) as bars:
        task = bars.add_task(description, total=total)

        def advance(n: float) -> None:
            bars.advance(task, n)

        yield advance
        done = bars.tasks[0]
    if not live:
        seconds = done.elapsed or 0.0
        rate = f", {per_second(done.completed / seconds)}/s" if seconds else ""
        print(f"{description}: {done.completed:,.0f} {unit} in {seconds:.1f} s{rate}", file=sys.stderr)
