"""Which questions are asked: tasks of the suite, or task files: questions with choices, one JSON object a line."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nine_tasks.fault import Fault, first_fault, read_bytes
from nine_tasks.suite import SHOTS, SUITE, SuiteTask

_NAMED = 10  # malformed rows


class Question(BaseModel):
    """A row of a task file. Further keys are left alone.

    Attributes:
        question: Asked as "Question: ...", newline, "Answer:".
        choices: Two or more different answers.
        answer: Number of the right one, from 0.
        example: Not asked: shown before every question, with its answer, in the order of the file.

    """

    model_config = ConfigDict(strict=True, frozen=True)
    question: str = Field(min_length=1)
    choices: list[str] = Field(min_length=2)
    answer: int = Field(ge=0)
    example: bool = False

    @model_validator(mode="after")
    def _fits(self) -> "Question":
        if any(not choice.strip() for choice in self.choices):
            raise ValueError("a choice is empty")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("two choices are the same")
        if self.answer >= len(self.choices):
            raise ValueError(f"answer {self.answer} is none of the {len(self.choices)} choices, which count from 0")
        return self


def read_task_file(path: Path) -> list[Question]:
    """Read a task file; blank lines are passed over.

    Raises:
        Fault: it cannot be read, rows are malformed (named by their numbers), or there is nothing to ask.

    """
    questions, faults = [], []
    for row, line in enumerate(read_bytes(path).removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            questions.append(Question.model_validate_json(line))
        except ValidationError as error:
            faults.append(f"{path}, row {row}: {first_fault(error)}")
    if faults:
        more = [f"and {len(faults) - _NAMED:,} more"] if len(faults) > _NAMED else []
        raise Fault("\n  ".join(faults[:_NAMED] + more))
    if all(question.example for question in questions):
        raise Fault(f"{path} has no questions, only examples" if questions else f"{path} has no questions")
    return questions


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
        Fault: the suite has no such task, a file is malformed, or two are named alike.

    """
    by_name = {task.name: task for task in SUITE}
    unknown = [name for name in tasks if name not in by_name]
    if unknown:
        raise Fault(f"no task {unknown[0]!r}; there are {', '.join(by_name)}")
    read: dict[str, list[Question]] = {}
    for path in files:
        if path.stem in read or path.stem in by_name:
            raise Fault(f"{path}: there is another task {path.stem!r}; rename the file")
        read[path.stem] = read_task_file(path)
    names = set(tasks) if tasks or files else set(by_name)
    return Asked(tuple(task for task in SUITE if task.name in names), read)
