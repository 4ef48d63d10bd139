"""A student in an object store."""

import json
from pathlib import Path
from typing import Any

import pytest
from label_data import contents
from remote_data import objects, sidecars
from support import WORD_TOKENIZER
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.corpus.shards import Shard
from gemix.labels import Launcher, Reading, label_corpus
from gemix.labels.job import Job
from gemix.runtime.errors import GemixError
from gemix.runtime.storage import to_path
from gemix.student import base, load_student, student_fingerprint

URL = "s3://web/student"


def put(store: Any, folder: Path) -> None:
    for name, data in contents(folder).items():
        store.put_object(Bucket="web", Key=f"student/{name}", Body=data)
    store.put_object(Bucket="web", Key="tokenizer.json", Body=WORD_TOKENIZER.read_bytes())


@pytest.fixture
def student(store: Any, remote: str, student_folder: Path) -> Path:
    put(store, student_folder)
    return to_path(URL)


@pytest.mark.parametrize("workers", [1, 2])
def test_it_labels_as_here_and_is_fetched_once(
    student: Path,
    student_folder: Path,
    shards: list[Shard],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    fetched: list[str] = []
    original = base.fetch
    monkeypatch.setattr(base, "fetch", lambda path, to: fetched.append(path.name) or original(path, to))
    monkeypatch.setattr(base, "_copies", {})
    label_corpus(shards, student_folder, tmp_path / "here")
    label_corpus(shards, student, tmp_path / "there", launcher=Launcher(workers=workers))
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert student_fingerprint(student) == student_fingerprint(student_folder)
    assert load_student(student).domains == load_student(student_folder).domains
    assert fetched.count("model.bin") == 1


def test_another_student_at_the_url_is_fetched(
    store: Any, student: Path, student_folder: Path, other_student_folder: Path
) -> None:
    assert student_fingerprint(student) == student_fingerprint(student_folder)
    put(store, other_student_folder)
    assert student_fingerprint(student) == student_fingerprint(other_student_folder)


def test_one_that_changes_while_a_job_works_is_refused(
    store: Any, student: Path, other_student_folder: Path, shards: list[Shard], tmp_path: Path
) -> None:
    job = Job(student, student_fingerprint(student), tmp_path / "out", Reading(tokenizer=WORD_TOKENIZER))
    put(store, other_student_folder)
    with pytest.raises(GemixError, match="s3://web/student: this student is another than at the start"):
        job.make(shards[0], lambda n: None)
    assert not contents(tmp_path).keys() & {"out/a.json", "out/a.parquet"}


def test_faults_name_the_url(store: Any, student: Path) -> None:
    with pytest.raises(GemixError, match=r"no student in s3://web/nothing: cannot read s3://web/nothing/config\.json"):
        load_student(to_path("s3://web/nothing"))
    with pytest.raises(GemixError, match=r"no student in s3://elsewhere/x: cannot read s3://elsewhere/x/config\.json"):
        load_student(to_path("s3://elsewhere/x"))
    store.put_object(Bucket="web", Key="student/config.json", Body=b"{")
    with pytest.raises(GemixError, match=r"^s3://web/student/config\.json is not a student's configuration"):
        load_student(student)
    config = json.dumps({"version": 1, "kind": "fasttext", "domains": ["a"], "normaliser": {}, "sha256": "0"})
    store.put_object(Bucket="web", Key="student/config.json", Body=config)
    with pytest.raises(GemixError, match=r"^s3://web/student/model\.bin is damaged or not the model"):
        load_student(student)
    store.delete_object(Bucket="web", Key="student/model.bin")
    with pytest.raises(GemixError, match=r"^cannot read s3://web/student/model\.bin"):
        load_student(student)


def test_the_command_line(store: Any, remote: str, student: Path, student_folder: Path, tmp_path: Path) -> None:
    command = ["label", remote, "--student", URL, "--out", "s3://web/labels", "--workers", "1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    found = sidecars(objects(store, "labels/"))
    command = ["label", remote, "--student", str(student_folder), "--out", str(tmp_path / "out"), "--workers", "1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert found == sidecars(contents(tmp_path / "out"))
    done = CliRunner().invoke(app, ["label", remote, "--student", "nosuch://x", "--out", "s3://web/labels"])
    assert done.exit_code == 2
    assert "nosuch://x: Unsupported filesystem" in " ".join(done.stderr.split())
