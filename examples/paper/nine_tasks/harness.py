"""Scores of a checkpoint by lm-evaluation-harness."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from transformers import PreTrainedTokenizerFast

from nine_tasks.checkpoint import Checkpoint
from nine_tasks.fault import Fault
from nine_tasks.results import Model, Results, Score, Settings, TaskResult, averages
from nine_tasks.suite import METRICS, SUITE
from nine_tasks.tasks import ClozeTask, first_line, offline, quiet

_SUITE = {task.name: task for task in SUITE}
_PACKAGES = ("lm-eval", "datasets", "tokenizers", "torch", "transformers")


def pick_device(device: str | None) -> str:
    """Return the device, or the best there is.

    Raises:
        Fault: torch has no such device here.

    """
    if device is None:
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise Fault(f"no device {device!r} here: {first_line(error)}") from error
    return device


def evaluate(checkpoint: Checkpoint, fingerprint: str, tasks: Sequence[ClozeTask], settings: Settings) -> Results:
    """Ask a checkpoint all questions.

    Args:
        checkpoint: the model; no code of its folder is run.
        fingerprint: of the checkpoint.
        tasks: of `nine_tasks.tasks`.
        settings: how.

    Raises:
        Fault: the checkpoint cannot be loaded, its tokenizer has tokens that it does not know, a choice is longer
            than its context, or the device has too little memory.

    """
    with quiet(), offline():
        model = _load(checkpoint, settings)
        _check_lengths(model, tasks, settings.limit)
        try:
            # Not `simple_evaluate`, which calls pip, git and more to describe the machine.
            by_name = {task.task_name: task for task in tasks}
            answers = lm_eval.evaluate(model, {"tasks": by_name}, limit=settings.limit, log_samples=False)
        except torch.OutOfMemoryError as error:
            raise Fault(f"{settings.device} has too little memory: a smaller --batch-size") from error
    results = [_task_result(task, answers) for task in tasks]
    groups, average = averages(results)
    return Results(
        checkpoint=Model(model_type=checkpoint.model_type, parameters=checkpoint.parameters, blake2b=fingerprint),
        settings=settings,
        tasks=results,
        groups=groups,
        average=average,
        versions={"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
    )


def _task_result(task: ClozeTask, answers: Mapping[str, Any]) -> TaskResult:
    name = task.task_name
    numbers = answers["results"][name]
    scores = {}
    for metric in METRICS:
        value, error = numbers.get(f"{metric},none"), numbers.get(f"{metric}_stderr,none")
        if value is not None:  # the error of a single answer is the word "N/A"
            scores[metric] = Score(value=float(value), error=None if isinstance(error, str) else float(error))
    return TaskResult(
        task=name,
        group=_SUITE[name].group if name in _SUITE else None,
        questions=answers["n-samples"][name]["effective"],
        shots=task.get_config("num_fewshot"),
        metric=_SUITE[name].metric if name in _SUITE else "acc_norm",
        scores=scores,
    )


def _load(checkpoint: Checkpoint, settings: Settings) -> Any:
    try:
        # tokenizer.json as it is: the classes that transformers knows for a model rebuild it by rules of their own.
        tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint.path)
        if tokenizer.eos_token is None and checkpoint.end is not None:
            tokenizer.eos_token = tokenizer.convert_ids_to_tokens(checkpoint.end)
        model = HFLM(
            pretrained=str(checkpoint.path),
            tokenizer=tokenizer,
            device=settings.device,
            batch_size=settings.batch_size,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except Exception as error:  # of many kinds, from three libraries
        raise Fault(f"cannot load {checkpoint.path}: {first_line(error)}") from error
    known = model.model.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        raise Fault(f"{checkpoint.path}: its tokenizer has {len(tokenizer):,} tokens, the model knows {known:,}")
    return model


def _check_lengths(model: Any, tasks: Sequence[ClozeTask], limit: int | None) -> None:
    """Refuse choices that the model cannot read; of prompts that are too long the harness leaves out the beginning."""
    for task in tasks:
        for number, doc in task.doc_iterator(limit=limit):
            for choice in task.doc_to_choice(doc):
                # A token has one byte at least; one more for the space before the choice.
                if len(choice.encode()) >= model.max_length <= len(model.tok_encode(choice)):
                    raise Fault(
                        f"{task.task_name}, question {number + 1}: a choice is too long for a model that reads "
                        f"{model.max_length:,} tokens"
                    )
