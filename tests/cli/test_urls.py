"""A URL is a URL or is refused: nothing is written to a folder that has its name."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gemix.cli.app import app


@pytest.mark.parametrize(
    "args",
    [
        ["run", "corpus", "--out", "s3://bucket/run"],
        ["fit", "gs://bucket/run"],
        ["mix", "natural", "domains.csv", "--out", "s3://bucket/mixture.json"],
        ["sample", "--mixture", "m.json", "--labels", "labels", "--out", "abfs://box@account.example/mixed"],
        ["run", "corpus", "--out", "run", "--config", "hf://datasets/a/config.yaml"],
    ],
)
def test_a_url_where_none_is_taken_is_refused_in_a_sentence(
    args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 1
    (url,) = (arg for arg in args if "://" in arg)
    assert f"{url}: no URL is taken here; give a path of this machine" in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_the_extra_a_url_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "upath", None)
    done = CliRunner().invoke(app, ["label", "corpus", "--student", "student", "--out", "s3://bucket/labels"])
    assert done.exit_code == 2
    assert "s3://bucket/labels" in done.stderr
    assert "pip install" in done.stderr
    assert not list(tmp_path.iterdir())
