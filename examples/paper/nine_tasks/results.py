"""results.json: what a checkpoint scored, task by task and as the averages of GEM's paper."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nine_tasks.fault import Fault, first_fault, read_bytes
from nine_tasks.suite import SUITE, Metric


class Score(BaseModel):
    """A share of right answers and its standard error (None for a single question)."""

    model_config = ConfigDict(extra="forbid")
    value: float = Field(ge=0, le=1)
    error: float | None = Field(ge=0)


class TaskResult(BaseModel):
    """One task: `scores` by metric, of which `metric` counts."""

    model_config = ConfigDict(extra="forbid")
    task: str
    group: str | None
    questions: int = Field(ge=1)
    shots: int = Field(ge=0)
    metric: Metric
    scores: dict[Metric, Score]

    @property
    def score(self) -> Score:
        """The score that counts."""
        return self.scores[self.metric]


class Model(BaseModel):
    """The checkpoint that was asked."""

    model_config = ConfigDict(extra="forbid")
    model_type: str
    parameters: int
    blake2b: str


class Settings(BaseModel):
    """What decides the scores besides the checkpoint; `tasks` is a hash of what is asked and how."""

    model_config = ConfigDict(extra="forbid")
    tasks: str
    limit: int | None
    device: str
    batch_size: int


class Results(BaseModel):
    """results.json.

    Attributes:
        groups: Mean score of each group whose tasks were all asked.
        average: Mean of the groups, as in the paper's tables; None unless all nine tasks were asked.

    """

    model_config = ConfigDict(extra="forbid")
    schema_version: Literal[1] = 1
    checkpoint: Model
    settings: Settings
    tasks: list[TaskResult]
    groups: dict[str, Score]
    average: Score | None
    versions: dict[str, str]


def averages(tasks: Sequence[TaskResult]) -> tuple[dict[str, Score], Score | None]:
    """Return the mean of each whole group, and the mean of the groups if all are whole.

    Errors are those of a mean of independent numbers, sqrt(sum of e_i^2) / n.
    """
    found = {task.task: task.score for task in tasks if task.group is not None}
    groups = {}
    for group in dict.fromkeys(task.group for task in SUITE):
        names = [task.name for task in SUITE if task.group == group]
        if all(name in found for name in names):
            groups[group] = _mean([found[name] for name in names])
    whole = len(groups) == len({task.group for task in SUITE})
    return groups, _mean(list(groups.values())) if whole else None


def _mean(scores: Sequence[Score]) -> Score:
    errors = [score.error for score in scores if score.error is not None]
    error = math.sqrt(sum(e * e for e in errors)) / len(scores) if len(errors) == len(scores) else None
    return Score(value=sum(score.value for score in scores) / len(scores), error=error)


def write_results(results: Results, path: Path) -> None:
    """Write results.json, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    tmp.write_text(json.dumps(results.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n", "utf-8")
    os.replace(tmp, path)


def is_done(path: Path, blake2b: str, tasks: str, limit: int | None) -> bool:
    """Return whether a file holds the results of this checkpoint on these questions.

    On another device or in other batches they would differ by rounding alone.
    """
    try:
        results = read_results(path)
    except Fault:
        return False
    asked = (results.checkpoint.blake2b, results.settings.tasks, results.settings.limit)
    return asked == (blake2b, tasks, limit)


def read_results(path: Path) -> Results:
    """Read results.json.

    Raises:
        Fault: it is missing, damaged or of another kind.

    """
    try:
        return Results.model_validate_json(read_bytes(path))
    except ValidationError as error:
        raise Fault(f"{path} is not results of an evaluation: {first_fault(error)}") from error
