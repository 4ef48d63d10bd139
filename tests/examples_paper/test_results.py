import math

import pytest

from nine_tasks.fault import Fault
from nine_tasks.results import Model, Results, Score, Settings, TaskResult, averages, is_done, read_results
from nine_tasks.results import write_results as write
from nine_tasks.suite import SUITE


def result(task, value, error=0.01):
    score = Score(value=value, error=error)
    return TaskResult(
        task=task.name, group=task.group, questions=9, shots=5, metric=task.metric, scores={task.metric: score}
    )


def test_the_average_is_that_of_the_groups_as_in_the_paper():
    # GEM with DoReMi: 34.79, 39.96 and 57.11 make 43.95; the mean of nine tasks would be 41.47.
    by_group = {"Science QA": 0.3479, "Commonsense": 0.3996, "Logic & linguistics": 0.5711}
    groups, average = averages([result(task, by_group[task.group]) for task in SUITE])
    assert {name: score.value for name, score in groups.items()} == pytest.approx(by_group)
    assert average is not None
    assert round(100 * average.value, 2) == 43.95


def test_errors_of_means_are_those_of_independent_scores():
    groups, average = averages([result(task, 0.5) for task in SUITE])
    assert groups["Science QA"].error == pytest.approx(0.01 / 2)
    assert average is not None
    assert average.error == pytest.approx(math.sqrt(0.01**2 / 4 + 0.01**2 / 3 + 0.01**2 / 2) / 3)
    groups, average = averages([result(task, 0.5, None) for task in SUITE])
    assert groups["Science QA"].error is None


def test_a_group_that_is_not_whole_has_no_average():
    groups, average = averages([result(task, 0.5) for task in SUITE if task.name != "copa"])
    assert list(groups) == ["Science QA", "Commonsense"]
    assert average is None


def test_results_come_back_and_belong_to_a_checkpoint_and_questions(tmp_path):
    tasks = [result(task, 0.5) for task in SUITE]
    groups, average = averages(tasks)
    results = Results(
        checkpoint=Model(model_type="llama", parameters=7, blake2b="ab"),
        settings=Settings(tasks="cd", limit=None, device="cpu", batch_size=4),
        tasks=tasks,
        groups=groups,
        average=average,
        versions={"lm-eval": "0"},
    )
    path = tmp_path / "results.json"
    assert not is_done(path, "ab", "cd", None)
    write(results, path)
    assert read_results(path) == results
    assert is_done(path, "ab", "cd", None)
    for other in (("xx", "cd", None), ("ab", "xx", None), ("ab", "cd", 5)):
        assert not is_done(path, *other)
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(Fault, match=r"schema_version"):
        read_results(path)
