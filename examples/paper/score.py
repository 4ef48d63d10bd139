"""What trained models know: the nine tasks of GEM's paper, one table with a column for each model.

python examples/paper/score.py models/regmix models/doremi models/perf
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nine_tasks.asked import Asked, choose
from nine_tasks.checkpoint import Checkpoint, read_checkpoint
from nine_tasks.fault import Fault
from nine_tasks.results import Results, Score, Settings, is_done, read_results, write_results
from nine_tasks.suite import METRICS, SHOTS

if TYPE_CHECKING:
    from nine_tasks.tasks import ClozeTask

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
def score(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHECKPOINT...",
            help="Hugging Face folders: config.json, model.safetensors, tokenizer.json",
            show_default=False,
        ),
    ],
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help="ask only this task of the nine; may be repeated", show_default=False),
    ] = None,
    task_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--task-file",
            help='ask these questions instead: a line {"question": ..., "choices": [...], "answer": 0} each; '
            "may be repeated",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="the file to write", show_default="results.json in the checkpoint's folder"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="ask only the first questions of each task, to try it out")
    ] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="texts that the model reads at once")] = 16,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps", show_default="the best there is")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print what would be asked of which model")] = False,
) -> None:
    """Score checkpoints on the nine tasks of GEM's paper, five-shot, with lm-evaluation-harness.

    The averages are the paper's: Science QA (ARC-C, ARC-E, SciQ, OpenBookQA), Commonsense (HellaSwag, PIQA,
    CommonsenseQA), Logic & linguistics (WinoGrande, COPA), and their mean. A checkpoint whose results are there is not
    evaluated again. The questions come from the network the first time; `--task-file` needs none.
    """
    try:
        if out is not None and len(checkpoints) > 1:
            raise Fault("--out is for one checkpoint; several have a results.json in each folder")
        asked = choose(task or [], task_file or [])
        models = [read_checkpoint(path) for path in checkpoints]
        paths = [out or path / "results.json" for path in checkpoints]
        if dry_run:
            _plan(models, asked, paths, limit)
        else:
            _print([str(path) for path in checkpoints], _results(models, asked, paths, limit, batch_size, device))
    except (Fault, OSError) as error:
        message = str(error)
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed: pip install -r {Path(__file__).with_name('requirements.txt')}"
    else:
        return
    print(f"error: {message}", file=sys.stderr)
    raise typer.Exit(1)


def _results(
    models: Sequence[Checkpoint],
    asked: Asked,
    paths: Sequence[Path],
    limit: int | None,
    batch_size: int,
    device: str | None,
) -> list[Results]:
    """Evaluate what has no results yet; say where the results are."""
    tasks: list[ClozeTask] = []
    found = []
    hashed = asked.fingerprint()
    for model, path in zip(models, paths, strict=True):
        fingerprint = model.fingerprint()
        if is_done(path, fingerprint, hashed, limit):
            print(f"{path}: done before", file=sys.stderr)
            found.append(read_results(path))
            continue
        from nine_tasks.harness import evaluate, pick_device  # seconds to import
        from nine_tasks.tasks import file_task, suite_tasks

        settings = Settings(tasks=hashed, limit=limit, device=pick_device(device), batch_size=batch_size)
        tasks = tasks or suite_tasks(asked.suite) + [file_task(name, asked.files[name]) for name in asked.files]
        results = evaluate(model, fingerprint, tasks, settings)
        write_results(results, path)
        print(f"written: {path}", file=sys.stderr)
        found.append(results)
    return found


def _plan(models: Sequence[Checkpoint], asked: Asked, paths: Sequence[Path], limit: int | None) -> None:
    for model, path in zip(models, paths, strict=True):
        print(f"{model.path}: {model.model_type}, {model.parameters:,} parameters; results go to {path}")
    for task in asked.suite:
        print(f"{task.name}: {task.group}, {SHOTS}-shot, {METRICS[task.metric]}")
    for name, questions in asked.files.items():
        examples = sum(question.example for question in questions)
        print(f"{name}: {len(questions) - examples:,} questions, {examples}-shot, {METRICS['acc_norm']}")
    if limit is not None:
        print(f"of each task the first {limit:,} questions")


def _print(names: Sequence[str], results: Sequence[Results]) -> None:
    """Print tasks down, checkpoints across, in percent with standard errors."""
    table = Table("task", "shots", "score", box=None)
    for name in names:
        table.add_column(Text(name), justify="right")
    for rows in zip(*(result.tasks for result in results), strict=True):
        first = rows[0]
        table.add_row(Text(first.task), str(first.shots), METRICS[first.metric], *(_cell(row.score) for row in rows))
    for group in results[0].groups:
        table.add_row(group, "", "", *(_cell(result.groups[group]) for result in results))
    if averages := [result.average for result in results if result.average is not None]:
        table.add_row("average", "", "", *map(_cell, averages))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _cell(score: Score) -> str:
    return f"{100 * score.value:.2f}" + (f" ± {100 * score.error:.2f}" if score.error is not None else "")


if __name__ == "__main__":
    app()
