"""`--dry-run` says what would be read and what not, and writes nothing."""

from pathlib import Path

import pytest
from label_data import make_rows, write_corpus
from typer.testing import CliRunner

from gemix.cli.app import app


def dry_run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*map(str, arguments), "--dry-run"], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("command", ["run", "label"])
def test_what_would_be_read_and_what_not(command: str, student_folder: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", {f"{i:02}.jsonl": 3 for i in range(22)}, {"p": 5})
    (corpus / "notes.txt").touch()
    (corpus / "_half.jsonl").touch()
    student = ["--student", student_folder] if command == "label" else []
    code, out, err = dry_run(command, corpus, "--out", tmp_path / "out", *student)
    assert code == 0
    assert "23 input files" in out
    assert f"{corpus / '00.jsonl'}  0.0 MB" in out
    assert "and 3 more" in out
    assert f"columns: {', '.join(sorted(make_rows(1, 0)[0]))}" in out
    assert f"{corpus / 'notes.txt'}: no ending" in err
    assert "_half.jsonl" in err
    assert not (tmp_path / "out").exists()


def test_a_corpus_that_would_be_refused_is_refused(student_folder: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"a.jsonl": 3}, {})
    arguments = ("label", corpus, "--student", student_folder, "--out", tmp_path / "out")
    code, _, err = dry_run(*arguments, "--source-key", "sourse")
    assert code == 1
    assert "the nearest is 'source'" in err
    assert not (tmp_path / "out").exists()
