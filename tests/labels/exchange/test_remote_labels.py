"""`gemix stats`, `join` and `convert` over an object store."""

from pathlib import Path
from typing import Any

import pytest
from interchange_data import gemix

pytest.importorskip("upath", reason='universal_pathlib is not installed: pip install "gemix[remote]"')
fsspec = pytest.importorskip("fsspec", reason='fsspec is not installed: pip install "gemix[remote]"')


@pytest.fixture
def store(folder: Path) -> Any:
    """A store in memory with corpus/ and labels/ under /web."""
    files = fsspec.filesystem("memory")
    for kind in ("corpus", "labels"):
        files.put(str(folder / kind), f"/web/{kind}", recursive=True)
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def objects(store: Any, folder: str) -> dict[str, bytes]:
    return {name.removeprefix(folder): store.cat_file(name) for name in store.find(folder)}


def files(folder: Path) -> dict[str, bytes]:
    return {
        f"/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def data(found: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in found.items() if "/.gemix/" not in name}


@pytest.mark.parametrize(
    "command",
    [
        ["join"],
        ["convert", "--to", "jsonl"],
        ["convert", "--to", "dolma"],
        ["convert", "--to", "weborganizer", "--logits", "STUDENT"],
    ],
)
def test_files_are_those_that_local_paths_give(
    store: Any, folder: Path, student_folder: Path, tmp_path: Path, command: list[str]
) -> None:
    store.put(str(student_folder), "/web/student", recursive=True)

    def run(base: str, student: str, out: str) -> str:
        verb, *options = [student if item == "STUDENT" else item for item in command]
        labels = ["--labels", f"{base}/labels"] if verb == "join" else [f"{base}/labels"]
        code, _, said = gemix(verb, *labels, f"{base}/corpus", *options, "--out", out, "--workers", 1)
        assert code == 0, said
        return said

    run(str(folder), str(student_folder), str(tmp_path / "out"))
    assert "4 files of the corpus now" in run("memory://web", "memory://web/student", "memory://web/out")
    here, there = files(tmp_path / "out"), objects(store, "/web/out")
    assert data(there) == data(here)
    assert there.keys() == here.keys()
    assert "4 were done before" in run("memory://web", "memory://web/student", "memory://web/out")
    assert objects(store, "/web/out") == there


def test_stats_are_those_of_local_labels(store: Any, folder: Path, tmp_path: Path) -> None:
    assert gemix("stats", folder / "labels", "--reference", folder / "labels", "--out", tmp_path / "stats")[0] == 0
    url = "memory://web/labels"
    code, out, said = gemix("stats", url, "--reference", url, "--out", "memory://web/stats")
    assert code == 0, said
    assert out == gemix("stats", folder / "labels", "--reference", folder / "labels")[1].replace(
        f"the labels in {folder / 'labels'}", f"the labels in {url}"
    )
    here, there = files(tmp_path / "stats"), objects(store, "/web/stats")
    assert there.keys() == here.keys() == {"/stats.json", "/domains.csv"}
    assert there["/domains.csv"] == here["/domains.csv"]


def test_faults_name_the_url(store: Any, folder: Path, tmp_path: Path) -> None:
    code, _, said = gemix("stats", "memory://web/nothing")
    assert code == 1
    assert "memory://web/nothing: no labels there" in said
    code, _, said = gemix("join", "--labels", "memory://web/labels", "--out", tmp_path / "out")
    assert code == 1
    assert "give the files that were labelled" in said
    store.pipe_file("/web/labels/b.parquet", b"PAR1")
    store.rm_file("/web/labels/a.json")
    code, _, said = gemix("join", "--labels", "memory://web/labels", "memory://web/corpus", "--out", tmp_path / "out")
    assert code == 1
    assert "2 of 4 files have no valid labels in memory://web/labels" in said
    assert "memory://web/corpus/a.jsonl: no labels" in said
    assert "memory://web/labels/b.parquet is not the sidecar" in said
    assert not (tmp_path / "out").exists()
