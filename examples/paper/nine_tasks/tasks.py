"""Questions as tasks of lm-evaluation-harness: those of the suite and those of a task file, of one kind."""

import logging
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants as hub
import lm_eval.tasks
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

from nine_tasks.asked import Question
from nine_tasks.fault import Fault
from nine_tasks.suite import METRICS, SHOTS, SuiteTask

_SECONDS = 5.0  # for the network to answer


class ClozeTask(ConfigurableTask):  # type: ignore[misc]
    """A multiple-choice task whose choices are also scored without their question, after "Answer:".

    The harness puts nothing before them; OLMES puts the prefix that its prompts end with.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config={key: value for key, value in config.items() if key != "class"})

    def construct_requests(self, doc: dict[str, Any], ctx: Any, **kwargs: Any) -> Any:
        """Return the harness's requests, with that prefix where there is none."""
        requests = super().construct_requests(doc, ctx, **kwargs)
        for request in requests:
            if request.arguments[0] == "":
                request.arguments = ("Answer:", request.arguments[1])
        return requests


def suite_tasks(tasks: Sequence[SuiteTask]) -> list[ClozeTask]:
    """Return tasks of the suite with their data, from the cache of `datasets` or from the network.

    Raises:
        Fault: data are neither here nor to be had.

    """
    if not tasks:
        return []
    found: list[ClozeTask] = []
    folder = Path(lm_eval.tasks.__file__).parent
    manager = TaskManager(include_defaults=False, include_path=sorted({folder / task.folder for task in tasks}))
    reachable = _reachable()
    with quiet(), offline(not reachable):
        for task in tasks:
            try:
                found += manager.load([{"group": "asked", "task": [_config(task)]}])["tasks"].values()
            except (OSError, datasets.exceptions.DatasetsError) as error:
                what = f"the questions of {task.name} ({manager.task_index[task.name].cfg['dataset_path']})"
                if reachable:
                    raise Fault(f"cannot get {what}: {first_line(error)}") from error
                raise Fault(
                    f"{what} are not on this machine and {hub.ENDPOINT} cannot be reached: evaluate once with a "
                    "network, or ask questions of your own with --task-file"
                ) from error
    return found


def _config(task: SuiteTask) -> dict[str, Any]:
    return {
        "task": task.name,
        "class": ClozeTask,
        "num_fewshot": SHOTS,
        "fewshot_config": {"sampler": "first_n", "split": "train"},
        "metric_list": _metrics(*task.metrics),
        **task.overrides,
    }


def _metrics(*names: str) -> list[dict[str, Any]]:
    return [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in names]


def file_task(name: str, questions: Sequence[Question]) -> ClozeTask:
    """Return a task that asks the questions of a task file."""
    rows = [
        {"query": f"Question: {question.question}\nAnswer:", "choices": question.choices, "gold": question.answer}
        for question in questions
    ]
    asked = [row for row, question in zip(rows, questions, strict=True) if not question.example]
    examples = [row for row, question in zip(rows, questions, strict=True) if question.example]
    with quiet():
        return ClozeTask(
            {
                "task": name,
                "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(asked)},
                "test_split": "test",
                "output_type": "multiple_choice",
                "doc_to_text": "query",
                "doc_to_choice": "choices",
                "doc_to_target": "gold",
                "num_fewshot": len(examples),
                "fewshot_config": {"sampler": "first_n", "samples": examples} if examples else None,
                "metric_list": _metrics(*METRICS),
            }
        )


def _reachable() -> bool:
    """Return whether the server of the data answers, whatever it says: its clients try for half a minute."""
    try:
        urllib.request.urlopen(urllib.request.Request(hub.ENDPOINT, method="HEAD"), timeout=_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True


def first_line(error: Exception) -> str:
    """Return what an error says, without what its library adds below."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def offline(yes: bool = True) -> Iterator[None]:
    """Let nothing be fetched while the block runs: what is in the cache is used, what is not fails at once."""
    before = hub.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    hub.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = (True, True) if yes else before
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the harness's remarks on its own defaults from the user."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
