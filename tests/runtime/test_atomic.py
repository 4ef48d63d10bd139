import os
import threading
from pathlib import Path

import pytest

from gemix.runtime.atomic import atomic_path, remove_leftovers, write_json, write_text
from gemix.runtime.errors import GemixError


def test_a_file_appears_whole_with_its_folders(tmp_path):
    path = tmp_path / "a/b/c.txt"
    with atomic_path(path) as tmp:
        tmp.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["c.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_after_a_failure_the_old_file_stands_and_nothing_is_left(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with atomic_path(path) as tmp:
            tmp.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_and_the_old_file_stands(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GemixError, match=r"cannot write .*a\.txt: No space left on device"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GemixError, match=r"cannot write .*file/a\.txt"):
        write_text(tmp_path / "file/a.txt", "x")


def test_an_error_about_another_file_keeps_its_words(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), atomic_path(tmp_path / "a"):
        (tmp_path / "other").read_text()


def test_json_is_utf8_and_has_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"name": "é"})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "name": "é"\n}\n'.encode()
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / ".a.parquet.tmp-123").touch()
    (tmp_path / "a.parquet").touch()
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    dangling = tmp_path / "dangling.json"
    dangling.symlink_to(tmp_path / "elsewhere" / "new.json")
    for path in (link, dangling):
        write_text(path, "new")
        assert path.is_symlink()
        assert path.read_text() == "new"
    assert target.read_text() == "new"
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["new.json", "target.json"]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through the pipe")
    reader.join()
    assert heard == ["through the pipe"]
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
