import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

pytest.importorskip("lm_eval")
import datasets
import evaluate_data
from evaluate_data import QUESTIONS, write_checkpoint, write_tasks
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

import score
from nine_tasks import tasks
from nine_tasks.results import read_results
from nine_tasks.suite import SUITE
from nine_tasks.tasks import suite_tasks


def invoke(*arguments: object):
    return CliRunner().invoke(score.app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("model") / "hf")


@pytest.fixture
def no_network(monkeypatch):
    """A machine without a network: the first try fails at once."""

    def refuse(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr(tasks.urllib.request, "urlopen", refuse)


@pytest.fixture
def data(monkeypatch, no_network):
    monkeypatch.setattr(datasets, "load_dataset", evaluate_data.load_dataset)


def by_hand(folder, prompt: str, choices: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihoods of choices after a prompt and after "Answer:", by transformers alone."""
    model, tokenizer = LlamaForCausalLM.from_pretrained(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))

    def likelihood(context: str, choice: str) -> float:
        start, whole = tokenizer.encode(context).ids, tokenizer.encode(f"{context} {choice}").ids
        with torch.no_grad():
            logits = model(torch.tensor([whole])).logits[0].log_softmax(-1)
        return sum(logits[i - 1, whole[i]].item() for i in range(len(start), len(whole)))

    return (
        np.array([likelihood(prompt, choice) for choice in choices]),
        np.array([likelihood("Answer:", choice) for choice in choices]),
    )


def test_scores_of_a_task_file_are_those_computed_by_hand(folder, tmp_path, no_network):
    out = tmp_path / "results.json"
    path = write_tasks(tmp_path / "mine.jsonl", QUESTIONS)
    done = invoke(folder, "--task-file", path, "--out", out)
    assert done.exit_code == 0, done.output
    right = {"acc": [], "acc_norm": [], "acc_mutual_info": []}
    for row in QUESTIONS[1:]:
        prompt = f"Question: What do bees make?\nAnswer: honey\n\nQuestion: {row['question']}\nAnswer:"
        after, alone = by_hand(folder, prompt, row["choices"])
        lengths = np.array([len(choice) for choice in row["choices"]])
        for metric, scores in (("acc", after), ("acc_norm", after / lengths), ("acc_mutual_info", after - alone)):
            right[metric].append(scores.argmax() == row["answer"])
    (task,) = read_results(out).tasks
    assert (task.task, task.group, task.questions, task.shots) == ("mine", None, 3, 1)
    for metric, answers in right.items():
        assert task.scores[metric].value == pytest.approx(np.mean(answers))
        assert task.scores[metric].error == pytest.approx(np.std(answers, ddof=1) / np.sqrt(3))


def test_all_nine_tasks_are_asked_five_shot_in_the_words_of_olmes(data):
    last = {
        "arc_challenge": "Question: What is cold?\nAnswer:",
        "arc_easy": "Question: What is cold?\nAnswer:",
        "sciq": "Ice is cold.\nQuestion: What is cold?\nAnswer:",
        "openbookqa": "Question: Cold is\nAnswer:",
        "hellaswag": "Skating: A man skates. He",
        "piqa": "Goal: Cool a drink\nAnswer:",
        "commonsense_qa": "Question: What is cold?\nAnswer:",
        "winogrande": "Ice beat fire because ice",
        "copa": "The drink got cold because",
    }
    right = {"hellaswag": "falls.", "piqa": "Add ice", "winogrande": "was cold.", "copa": "ann added ice."}
    for task in suite_tasks(SUITE):
        task.build_all_requests(limit=1)
        context, _ = task.instances[0].arguments
        choices = [instance.arguments[1].strip() for instance in task.instances]
        answer = right.get(task.task_name, "ice")
        *examples, asked = context.split("\n\n")
        assert asked == last[task.task_name]
        assert examples == [f"{asked} {answer}"] * 5
        assert answer in choices
        after_nothing = [i.arguments[0] for i in task.instances if not i.arguments[0].startswith(examples[0])]
        assert after_nothing == ["Answer:"] * (0 if task.task_name == "winogrande" else len(choices) // 2)


def test_the_nine_tasks_give_the_papers_table(folder, tmp_path, data):
    out = tmp_path / "results.json"
    done = invoke(folder, "--out", out, "--limit", 2, "--device", "cpu")
    assert done.exit_code == 0, done.output
    results = read_results(out)
    assert [task.task for task in results.tasks] == [task.name for task in SUITE]
    assert {task.questions for task in results.tasks} == {2}
    assert {task.shots for task in results.tasks} == {5}
    assert list(results.groups) == ["Science QA", "Commonsense", "Logic & linguistics"]
    mean = sum(task.score.value for task in results.tasks[:4]) / 4
    assert results.groups["Science QA"].value == pytest.approx(mean)
    for row in (*results.groups, "average", "winogrande"):
        assert row in done.stdout


def test_done_checkpoints_are_shown_not_evaluated_again(folder, tmp_path, no_network, monkeypatch):
    path = write_tasks(tmp_path / "mine.jsonl", QUESTIONS)
    other = write_checkpoint(tmp_path / "other", seed=1)
    first = invoke(other, "--task-file", path)
    assert first.exit_code == 0, first.output
    written = (other / "results.json").stat().st_mtime_ns
    again = invoke(other, folder, "--task-file", path)
    assert again.exit_code == 0, again.output
    assert f"{other / 'results.json'}: done before" in again.stderr
    assert (other / "results.json").stat().st_mtime_ns == written
    assert (folder / "results.json").exists()
    changed = invoke(other, "--task-file", write_tasks(path, QUESTIONS[:-1]))
    assert "done before" not in changed.stderr
    assert read_results(other / "results.json").tasks[0].questions == 2


def test_several_checkpoints_score_as_each_alone(tmp_path, no_network):
    path = write_tasks(tmp_path / "mine.jsonl", QUESTIONS)
    first, second = (write_checkpoint(tmp_path / str(seed), seed) for seed in (2, 3))
    assert invoke(first, second, "--task-file", path).exit_code == 0
    together = read_results(second / "results.json")
    assert invoke(second, "--task-file", path, "--out", tmp_path / "alone.json").exit_code == 0
    assert read_results(tmp_path / "alone.json") == together


def test_one_question_has_no_standard_error(folder, tmp_path, no_network):
    path = write_tasks(tmp_path / "one.jsonl", QUESTIONS[1:2])
    done = invoke(folder, "--task-file", path, "--out", tmp_path / "results.json")
    assert done.exit_code == 0, done.output
    (task,) = read_results(tmp_path / "results.json").tasks
    assert (task.score.error, task.shots) == (None, 0)


def test_without_a_network_and_data_one_sentence_says_so(folder, no_network, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    done = invoke(folder, "--task", "sciq")
    assert done.exit_code == 1
    assert "error: the questions of sciq (allenai/sciq) are not on this machine and http" in done.stderr
    assert "--task-file" in done.stderr
    assert "Traceback" not in done.output
    assert not datasets.config.HF_HUB_OFFLINE


def test_a_fetch_that_fails_is_not_called_a_missing_network(folder, monkeypatch):
    def gated(*_, **__):
        raise PermissionError("Dataset allenai/sciq is gated\nlog in")

    monkeypatch.setattr(tasks, "_reachable", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", gated)
    done = invoke(folder, "--task", "sciq")
    assert done.exit_code == 1
    assert done.stderr == "error: cannot get the questions of sciq (allenai/sciq): Dataset allenai/sciq is gated\n"


def test_a_choice_longer_than_the_models_context_is_named(folder, tmp_path, no_network):
    rows = [*QUESTIONS, {"question": "Which?", "choices": ["a", "long " * 400], "answer": 0}]
    path = write_tasks(tmp_path / "mine.jsonl", rows)
    done = invoke(folder, "--task-file", path, "--out", tmp_path / "results.json")
    assert done.exit_code == 1
    assert "mine, question 4: a choice is too long for a model that reads 512 tokens" in done.stderr
    assert not (tmp_path / "results.json").exists()


def test_a_dry_run_says_what_would_be_asked(folder, tmp_path):
    done = invoke(folder, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "llama, " in done.stdout
    assert "commonsense_qa: Commonsense, 5-shot, by PMI" in done.stdout
    path = write_tasks(tmp_path / "mine.jsonl", QUESTIONS)
    assert "mine: 3 questions, 1-shot, by length" in invoke(folder, "--task-file", path, "--dry-run").stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model_type": "of-my-own", "auto_map": {"AutoModelForCausalLM": "mine.Model"}}, "cannot load"),
        ({"num_hidden_layers": 0, "vocab_size": 11}, "cannot load|the model knows"),
        ({"hidden_size": "wide"}, "cannot load"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_named(tmp_path, no_network, content, message):
    folder = write_checkpoint(tmp_path / "hf")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | content))
    (folder / "mine.py").write_text("raise SystemExit('code of the checkpoint was run')\n")
    done = invoke(folder, "--task-file", write_tasks(tmp_path / "mine.jsonl", QUESTIONS))
    assert done.exit_code == 1
    assert str(folder) in done.stderr
    assert any(part in done.stderr for part in message.split("|"))
    assert "Traceback" not in done.output
    assert not (folder / "results.json").exists()


def test_a_tokenizer_larger_than_the_model_is_refused(tmp_path, no_network):
    folder = write_checkpoint(tmp_path / "hf", vocabulary=200)
    done = invoke(folder, "--task-file", write_tasks(tmp_path / "mine.jsonl", QUESTIONS))
    assert done.exit_code == 1
    assert "the model knows 200" in done.stderr


def test_options_that_cannot_be_met_are_errors(folder, tmp_path):
    path = write_tasks(tmp_path / "mine.jsonl", QUESTIONS)
    assert (
        "no device 'abacus' here"
        in invoke(folder, "--task-file", path, "--device", "abacus", "-o", tmp_path / "r").stderr
    )
    assert "--out is for one checkpoint" in invoke(folder, folder, "--out", tmp_path / "r").stderr
    assert "is not a checkpoint" in invoke(tmp_path, "--task-file", path).stderr
