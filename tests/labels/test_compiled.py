"""Kernels are compiled once, before processes start, not by each of them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import count_compiled
import pytest
from label_data import save_hashed_student, save_student

from gemix.corpus.shards import Shard
from gemix.labels import Launcher, label_corpus
from gemix.labels.job import Job


@pytest.mark.parametrize("only", ["*", "*.parquet"])
@pytest.mark.parametrize("save", [lambda folder: save_student(folder, 0), save_hashed_student])
def test_all_that_labelling_needs_is_compiled_before(
    corpus: Path, tmp_path: Path, save: Callable[[Path], Path], only: str
) -> None:
    command = [sys.executable, count_compiled.__file__, save(tmp_path / "student"), tmp_path / "out", corpus]
    if only != "*":
        command[-1] = corpus / "d.parquet"
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=True)
    before, after = map(int, done.stdout.split())
    assert before == after > 0


def test_it_is_done_where_there_are_processes_and_something_to_label(
    shards: list[Shard], student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(Job, "compile_kernels", lambda job, json_lines: calls.append(json_lines))
    label_corpus(shards, student_folder, tmp_path / "one")
    assert calls == []
    label_corpus(shards, student_folder, tmp_path / "two", launcher=Launcher(workers=2))
    assert calls == [True]
    label_corpus(shards, student_folder, tmp_path / "two", launcher=Launcher(workers=2))  # nothing is left to do
    assert calls == [True]
    two = [Shard(name, shard.path) for name in "xy" for shard in shards if shard.format == ".parquet"]
    label_corpus(two, student_folder, tmp_path / "three", launcher=Launcher(workers=2))
    assert calls == [True, False]
