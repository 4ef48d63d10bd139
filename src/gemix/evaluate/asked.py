"""Which questions an evaluation asks: tasks of the suite, or task files."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from gemix.evaluate.suite import SHOTS, SUITE, SuiteTask
from gemix.evaluate.task_file import Question, read_task_file
from gemix.runtime.errors import GemixError


@dataclass(frozen=True)
class Asked:
    """Tasks of the suite and the questions of task files by name."""

    suite: tuple[SuiteTask, ...]
    files: dict[str, list[Question]]

    def fingerprint(self) -> str:
        """Return a hash of the tasks, of how they are asked and of the harness that asks them."""
        content = [
            version("lm-eval"),
            SHOTS,
            [asdict(task) for task in self.suite],
            {name: [question.model_dump() for question in questions] for name, questions in self.files.items()},
        ]
        return hashlib.blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()


def choose(tasks: Sequence[str], files: Sequence[Path]) -> Asked:
    """Return the tasks of these names and files; all of the suite if there are none.

    Raises:
        GemixError: the suite has no such task, a file is malformed, or two are named alike.

    """
    by_name = {task.name: task for task in SUITE}
    unknown = [name for name in tasks if name not in by_name]
    if unknown:
        raise GemixError(f"no task {unknown[0]!r}; there are {', '.join(by_name)}")
    read: dict[str, list[Question]] = {}
    for path in files:
        if path.stem in read or path.stem in by_name:
            raise GemixError(f"{path}: there is another task {path.stem!r}; rename the file")
        read[path.stem] = read_task_file(path)
    names = set(tasks) if tasks or files else set(by_name)
    return Asked(tuple(task for task in SUITE if task.name in names), read)
