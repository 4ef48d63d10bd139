import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, find_browser
from support import make_documents, write_jsonl
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.report import layout
from gemix.report.map_table import map_table


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Headless Chromium, one for the session."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = find_browser()
    if found is None:
        pytest.skip("no chromium and chromedriver on this machine")
    opened = Browser(*found, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over 600 documents with four domains; tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("report")
    write_jsonl(folder / "corpus.jsonl", make_documents(600))
    options = ["--embedder", "lsa", "--clusters", "4", "--balance", "inf", "--workers", "1", "--window", "400"]
    command = ["run", str(folder / "corpus.jsonl"), "--out", str(folder / "run"), *options]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    with pytest.MonkeyPatch.context() as patch:
        # UMAP compiles itself for a quarter of a minute: its own test has it, the others get the principal axes.
        patch.setattr(layout, "LEAST", 10**9)
        map_table(folder / "run")
    return folder / "run"


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run."""
    return Path(shutil.copytree(small_run, tmp_path / "run"))
