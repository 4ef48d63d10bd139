"""`gemix label` with ranks: what a user of a cluster sees."""

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from label_data import contents, write_corpus
from typer.testing import CliRunner, Result

from gemix.cli.app import app


@pytest.fixture(autouse=True)
def _no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "RANK"):
        monkeypatch.delenv(name, raising=False)


def label(corpus: Path, student: Path, out: Path, *options: str, **environment: str) -> Result:
    command = ["label", str(corpus), "--student", str(student), "--out", str(out), "--workers", "1", *options]
    return CliRunner().invoke(app, command, env=environment)


def test_ranks_then_collect(corpus: Path, student_folder: Path, tmp_path: Path) -> None:
    whole = label(corpus, student_folder, tmp_path / "whole")
    assert whole.exit_code == 0, whole.output
    out = tmp_path / "out"
    first = label(corpus, student_folder, out, "--rank", "auto", SLURM_PROCID="0", SLURM_STEP_NUM_TASKS="2")
    assert first.exit_code == 0, first.output
    assert "rank 0 of 2: labelled" in first.stderr
    assert "--collect" in first.stderr
    assert not (out / "domains.csv").exists()

    early = label(corpus, student_folder, out, "--collect")
    assert early.exit_code == 1
    assert "of 4 files have no labels" in early.stderr
    assert str(corpus) in early.stderr
    assert "Run the ranks that had them again" in early.stderr
    assert not (out / "domains.csv").exists()

    second = label(corpus, student_folder, out, "--rank", "1", "--world-size", "2")
    assert second.exit_code == 0, second.output
    late = label(corpus, student_folder, out, "--collect")
    assert late.exit_code == 0, late.output
    assert "labelled 0 files now, 4 were done before" in late.stderr
    assert contents(out) == contents(tmp_path / "whole")
    with open(out / "domains.csv", newline="") as file:
        assert sum(int(row["documents"]) for row in csv.DictReader(file)) == 2592


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rank", "auto"], "this is no process of srun"),
        (["--rank", "3"], "--rank 3 needs --world-size"),
        (["--rank", "3", "--world-size", "3"], "ranks count from 0 to 2"),
        (["--world-size", "3"], "--world-size needs --rank"),
        (["--rank", "0", "--world-size", "3", "--collect"], "exclude each other"),
        (["--ray", "local", "--collect"], "exclude each other"),
    ],
)
def test_options_that_make_no_sense(
    corpus: Path, student_folder: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    done = label(corpus, student_folder, tmp_path / "out", *options)
    assert done.exit_code == 1
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_one_of_many_processes_that_was_not_told_so(corpus: Path, student_folder: Path, tmp_path: Path) -> None:
    done = label(corpus, student_folder, tmp_path / "out", SLURM_PROCID="1", SLURM_STEP_NUM_TASKS="8")
    assert done.exit_code == 0
    assert "this is a process of the Slurm step, and labels everything alone; --rank auto" in done.stderr


def test_a_file_that_is_cut_off_is_named_in_a_warning_of_its_own(student_folder: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "in", {"a.jsonl.gz": 600, "sub/b.jsonl": 600}, {})
    path = corpus / "a.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-500])
    done = label(corpus, student_folder, tmp_path / "out")
    assert done.exit_code == 0, done.output
    rows = pq.read_metadata(tmp_path / "out" / "a.parquet").num_rows
    said = " ".join(done.stderr.split())
    assert "warning: 1 files are damaged. What lies behind the place of the damage has no labels" in said
    assert f"label again: a.jsonl.gz:{rows}: truncated" in said
    done = CliRunner().invoke(app, ["stats", str(tmp_path / "out")])
    assert f"label again: a.jsonl.gz:{rows}: truncated" in " ".join(done.stderr.split())
    whole = label(corpus / "sub", student_folder, tmp_path / "whole")
    assert "damaged" not in whole.stderr
