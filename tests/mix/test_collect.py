"""Results of runs as trainers leave them, joined to mixtures; what is missing, failed or repeated is named."""

import json
from pathlib import Path

import numpy as np
import pytest

from gemix.mix.collect import collect_runs
from gemix.mix.read_runs import read_runs
from gemix.mix.tables import RunTable, write_table

IDS = ["1", "2", "3", "10", "name-5"]


@pytest.fixture
def mixtures() -> RunTable:
    return RunTable(list(IDS), ["web", "code"], np.array([[k / 8, 1 - k / 8] for k in range(5)]))


def write(path: Path, text: str) -> list[tuple[Path, str | None]]:
    path.write_text(text)
    return [(path, None)]


def test_a_table_with_a_line_a_run(mixtures: RunTable, tmp_path: Path) -> None:
    text = "run,loss,acc,note\n003,2.5,0.5,x\n1,3.5,0.25,y\n10.0,1.5,,z\nname-5,nan,1,\n99,1,1,\n"
    found = collect_runs(mixtures, write(tmp_path / "r.csv", text), ["loss", "acc"])
    assert found.table.ids == ["1", "3"]
    assert {name: values.tolist() for name, values in found.table.metrics.items()} == {
        "loss": [3.5, 2.5],
        "acc": [0.25, 0.5],
    }
    assert found.table.W.tolist() == mixtures.W[[0, 2]].tolist()
    assert (found.missing, found.repeated, found.unknown) == (["2"], [], ["99"])
    assert found.failed == {"10": "no acc", "name-5": f"{tmp_path / 'r.csv'}, row 5: loss is nan"}


def test_the_table_is_read_as_any_table_of_runs(mixtures: RunTable, tmp_path: Path) -> None:
    found = collect_runs(mixtures, write(tmp_path / "r.csv", "run,loss\n1,3.5\n2,2.5\n3,4\n"), ["loss"])
    (tmp_path / "table.csv").write_text(write_table(found.table))
    table = read_runs(tmp_path / "table.csv", domains=["web", "code"])
    assert (table.ids, table.metrics["loss"].tolist()) == (["1", "2", "3"], [3.5, 2.5, 4])
    with pytest.raises(ValueError, match="'web' is a domain and a metric"):
        write_table(RunTable(["1"], ["web"], np.ones((1, 1)), {"web": np.ones(1)}))


def test_a_log_with_a_line_a_step(mixtures: RunTable, tmp_path: Path) -> None:
    rows = [{"run": "2", "step": step, "eval": {"loss": 4 - step / 100}} for step in (0, 200, 100)]
    rows += [{"run": 2, "step": 300, "lr": 0.1}, {"run": 1, "step": 5, "eval": {"loss": 2}}]
    rows += [{"run": 1, "step": 9, "eval": {"loss": "NaN"}}]  # it diverged: what it was before does not count
    rows += [{"run": 3, "step": 7, "eval": {"loss": loss}} for loss in (5, 6)]  # resumed
    text = "\n".join(map(json.dumps, rows)) + '\n{"run": 10, "ev'  # a process that was killed
    found = collect_runs(mixtures, write(tmp_path / "r.jsonl", text), ["eval.loss"])
    assert dict(zip(found.table.ids, found.table.metrics["eval.loss"].tolist(), strict=True)) == {"2": 2.0, "3": 6.0}
    assert list(found.failed) == ["1"]
    assert (found.repeated, found.missing) == (["3"], ["10", "name-5"])


def test_files_in_the_folders_of_runs_need_no_ids(mixtures: RunTable, tmp_path: Path) -> None:
    files = []
    for k, name in enumerate(IDS):
        path = tmp_path / f"{name}.jsonl"
        path.write_text(json.dumps({"step": 1, "loss": k}) + "\n")
        files.append((path, name))
    found = collect_runs(mixtures, files, ["loss"])
    assert found.table.metrics["loss"].tolist() == [0, 1, 2, 3, 4]


def test_an_export_of_runs_of_weights_and_biases(mixtures: RunTable, tmp_path: Path) -> None:
    text = (
        '"Name","ID","State","Runtime","val/loss"\n'
        '"1","ab1","finished","60","3.5"\n"2","ab2","crashed","10","9"\n"2","ab3","finished","60","2.5"\n'
        '"3","ab4","failed","1",""\n"10","ab5","finished","60","1.5"\n"10","ab6","finished","60","1.25"\n'
        '"name-5","ab7","running","2","7"\n'
    )
    found = collect_runs(mixtures, write(tmp_path / "wandb.csv", text), ["val/loss"])
    expected = {"1": 3.5, "2": 2.5, "10": 1.25}
    assert dict(zip(found.table.ids, found.table.metrics["val/loss"].tolist(), strict=True)) == expected
    assert found.repeated == ["10"]
    assert found.failed == {"3": "its state is failed", "name-5": "its state is running"}


def test_an_export_of_a_chart_of_weights_and_biases(mixtures: RunTable, tmp_path: Path) -> None:
    text = (
        '"Step","1 - loss","1 - loss__MIN","1 - loss__MAX","name-5 - loss"\n'
        '"0","4","4","4","5"\n"100","3.5","3.5","3.5",""\n"200","","","","4.5"\n'
    )
    found = collect_runs(mixtures, write(tmp_path / "chart.csv", text), ["loss"])
    assert dict(zip(found.table.ids, found.table.metrics["loss"].tolist(), strict=True)) == {"1": 3.5, "name-5": 4.5}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.csv", "run,loss\n1,2\n", r"no result is called 'los' \(nearest: 'loss'\); there are loss, run"),
        ("r.csv", "who,los\n1,2\n", r"which run is a line of\? it needs a column run, run_id"),
        ("r.csv", "run,los\n77,2\n", r"none of the 5 runs has results: 5 missing, 0 failed; unknown: 77"),
        ("r.csv", "run,los,state\n1,2,crashed\n", r"4 missing, 1 failed; 1: its state is crashed"),
        ("r.jsonl", '{"run": 1}\n[1]\n', r"r\.jsonl, line 2: a JSON object was expected, not a list"),
        ("r.jsonl", '{"run": 1\n{}\n', r"r\.jsonl, line 1 is not JSON"),
        ("r.xlsx", "", r"results are in \.csv, \.jsonl, \.ndjson"),
    ],
)
def test_faults_are_sentences(mixtures: RunTable, name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        collect_runs(mixtures, write(tmp_path / name, text), ["los"])
