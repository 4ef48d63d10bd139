"""Spawned processes that each have one known task in hand.

When a process of `concurrent.futures` dies, every task fails and nothing says which one was at fault. Here only the
task in hand fails, by name. A dead process is not replaced: if memory ran out there is more of it now, and if no
process can live the run ends.
"""

import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from gemix.runtime.errors import GemixError

Task = TypeVar("Task")
Result = TypeVar("Result")
Work = Callable[[Task, Callable[[int], None]], Result]


@dataclass(frozen=True)
class Failure:
    """Why a task has no result."""

    message: str


@dataclass(frozen=True, slots=True)
class _Progress:
    """A number for `advance`: of a type of its own, so that no result is taken for it."""

    n: int


def run_all(
    work: Work[Task, Result],
    tasks: Sequence[Task],
    workers: int,
    *,
    advance: Callable[[Task, int], None],
    done: Callable[[Task, Result | Failure], None],
    lock: int | None = None,
) -> None:
    """Call `work(task, advance)` for each task, begun in this order, in `workers` processes; if 1, in this one.

    A task that fails takes no other with it: `done` hears of every task once. An exception in this process, Ctrl-C
    above all, ends the others at once and goes on to the caller.

    Args:
        work: What is done with a task; picklable. A number that it hands to its `advance` arrives at the one below.
        tasks: Picklable, too.
        workers: Number of processes.
        advance: Called here with a task in work and a number.
        done: Called here with a task and its result, or with why it has none.
        lock: Descriptor of a lock that the processes inherit, so that it is held until the last of them is gone.

    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        for task in tasks:
            done(task, attempt(work, task, partial(advance, task)))
        return
    queue = deque(tasks)
    crew: list[_Worker[Task, Result]] = []
    try:
        for _ in range(workers):
            crew.append(_Worker(work, queue.popleft(), lock))
        while crew:
            ready = wait([worker.connection for worker in crew])
            for worker in [worker for worker in crew if worker.connection in ready]:
                message = worker.receive()
                if isinstance(message, _Progress):
                    advance(worker.task, message.n)
                    continue
                done(worker.task, message)
                if queue and worker.process.is_alive():
                    worker.take(queue.popleft())
                else:
                    crew.remove(worker)
                    worker.end()
    finally:
        for worker in crew:
            worker.end()
    for task in queue:
        done(task, Failure("not begun, because no worker process was left"))


class _Worker(Generic[Task, Result]):
    """One process, seen from here."""

    def __init__(self, work: Work[Task, Result], task: Task, lock: int | None) -> None:
        self.connection, theirs = get_context("spawn").Pipe()
        # Of all that holds a descriptor, a connection is what a spawned process can be handed.
        held = None if lock is None else Connection(os.dup(lock))
        self.process = get_context("spawn").Process(target=_serve, args=(theirs, work, held), daemon=True)
        # Ctrl-C goes to every process of a terminal, but only this one may act on it: the other starts with it blocked.
        resource_tracker.ensure_running()  # it would lift the block
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            if held is not None:
                held.close()
        theirs.close()  # so that the connection ends when the process does
        self.take(task)

    def take(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # a dead process shows in receive
            self.connection.send(task)

    def receive(self) -> _Progress | Result | Failure:
        """Return how far the task is, or else its outcome."""
        try:
            message: _Progress | Result | Failure = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return Failure(_describe_exit(self.process.exitcode or 0))
        return message

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(connection: Connection, work: Work[Any, Any], held: Connection | None = None) -> None:
    """Do tasks until the launching process has no more or is gone; `held` is closed by the end of the process."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the processes are the parallelism
    with suppress(EOFError):
        while True:
            task = connection.recv()
            _send(connection, attempt(work, task, lambda n: _send(connection, _Progress(n))))


def _send(connection: Connection, message: Any) -> None:
    try:
        connection.send(message)
    except OSError:  # nobody waits for the result; SystemExit lets `finally` clauses remove temporary files
        sys.exit(1)


def attempt(work: Work[Task, Result], task: Task, advance: Callable[[int], None]) -> Result | Failure:
    """Return the result, or why there is none; of a bug the traceback goes to standard error."""
    try:
        return work(task, advance)
    except GemixError as error:
        return Failure(str(error))
    except Exception as error:
        traceback.print_exc()
        return Failure(f"{type(error).__name__}: {error}")


def _describe_exit(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its worker process was killed by SIGKILL; was the memory used up?"
    if code < 0:
        return f"its worker process was killed by {signal.Signals(-code).name}"
    return f"its worker process ended with exit code {code}"
