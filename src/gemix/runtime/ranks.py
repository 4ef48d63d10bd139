"""Who does what, without a word between processes: ranks from flags or a scheduler's environment, and their shares."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gemix.runtime.errors import GemixError

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Rank:
    """One of `size` processes that label one corpus together: number `index`, counted from 0."""

    index: int
    size: int

    def __post_init__(self) -> None:
        """Check that there is such a rank.

        Raises:
            GemixError: there is not.

        """
        if not 0 <= self.index < self.size:
            raise GemixError(f"rank {self.index} of a world of {self.size}: ranks count from 0 to {self.size - 1}")

    def __str__(self) -> str:
        """Return how messages call it."""
        return f"rank {self.index} of {self.size}"


def find_rank(rank: str, world_size: int | None, environment: Mapping[str, str]) -> Rank:
    """Return this process's rank.

    Args:
        rank: A number, or "auto": from Slurm (a task of `srun`, an element of a job array, or both), a Kubernetes
            indexed Job (which does not tell its size: `world_size` has to), `torchrun` or Open MPI.
        world_size: The number of processes; None takes it from the environment.
        environment: `os.environ`.

    Raises:
        GemixError: `rank` is neither, the size is not known, or the environment says nothing or contradicts it.

    """
    if rank != "auto":
        if not rank.isdecimal():
            raise GemixError(f"--rank {rank}: give a number, or auto to take it from the scheduler's environment")
        if world_size is None:
            raise GemixError(f"--rank {rank} needs --world-size, the number of processes")
        return Rank(int(rank), world_size)
    found = _detect(environment)
    if found is None:
        raise GemixError(
            "--rank auto: this is no process of srun, a Slurm job array, a Kubernetes indexed Job, torchrun or mpirun; "
            "give --rank and --world-size as numbers"
        )
    source, index, size = found
    if size is not None and world_size not in (None, size):
        raise GemixError(f"--world-size {world_size}, but {source} has {size}")
    size = size or world_size
    if size is None:
        raise GemixError(f"{source} does not say how many processes there are: give --world-size")
    return Rank(index, size)


def in_a_world(environment: Mapping[str, str]) -> str | None:
    """Return what kind of many processes this seems to be one of, for a hint, or None."""
    try:
        found = _detect(environment)
    except GemixError:
        return None
    return found[0] if found and found[2] != 1 else None


def divide(items: Sequence[Item], sizes: Sequence[int], names: Sequence[str], rank: Rank) -> list[Item]:
    """Return the share of `rank`: the largest item first, each goes to the rank with the least so far.

    It hangs on names and sizes alone, not on the order of the items, so that all ranks agree. No share exceeds the mean
    by more than the largest item (Graham 1969: at most 4/3 of the best possible).

    Args:
        items: What there is to do, the same for all ranks.
        sizes: Of each item.
        names: Of each item, unique.
        rank: Whose share.

    """
    order = sorted(range(len(items)), key=lambda i: (-sizes[i], names[i]))
    loads = [(0, 0, index) for index in range(rank.size)]  # size, number of items: empty files are spread, too
    share = []
    for i in order:
        size, count, index = loads[0]
        heapq.heapreplace(loads, (size + sizes[i], count + 1, index))
        if index == rank.index:
            share.append(items[i])
    return share


def _detect(environment: Mapping[str, str]) -> tuple[str, int, int | None] | None:
    """Return what was found, index and size. A batch script without `srun` is no task: its variables are another's."""

    def number(name: str) -> int:
        value = environment.get(name, "")
        if not value.isdecimal():
            raise GemixError(f"the environment variable {name} is {value!r}, not a number")
        return int(value)

    task = ("the Slurm step", number("SLURM_PROCID"), number("SLURM_STEP_NUM_TASKS")) if (
        "SLURM_STEP_NUM_TASKS" in environment
    ) else None  # fmt: skip
    if "SLURM_ARRAY_TASK_ID" in environment:
        least, most = number("SLURM_ARRAY_TASK_MIN"), number("SLURM_ARRAY_TASK_MAX")
        count, step = number("SLURM_ARRAY_TASK_COUNT"), int(environment.get("SLURM_ARRAY_TASK_STEP") or 1)
        index, rest = divmod(number("SLURM_ARRAY_TASK_ID") - least, step)
        if rest or least + (count - 1) * step != most:
            raise GemixError("the Slurm job array's task ids are not evenly spaced; use --array=0-N, or give numbers")
        if task is None:
            return "the Slurm job array", index, count
        return "the Slurm job array", index * task[2] + task[1], count * task[2]
    if task is not None:
        return task
    if "JOB_COMPLETION_INDEX" in environment:
        return "the Kubernetes Job", number("JOB_COMPLETION_INDEX"), None
    if "OMPI_COMM_WORLD_RANK" in environment:
        return "mpirun", number("OMPI_COMM_WORLD_RANK"), number("OMPI_COMM_WORLD_SIZE")
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return "torchrun", number("RANK"), number("WORLD_SIZE")
    return None
