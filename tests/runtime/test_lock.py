import fcntl
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gemix.runtime import lock
from gemix.runtime.errors import GemixError
from gemix.runtime.lock import LOCK, folder_lock

HOLD = """
import sys
from pathlib import Path
from gemix.runtime.lock import folder_lock
with folder_lock(Path(sys.argv[1]), sys.argv[2] or None):
    print("held", flush=True)
    sys.stdin.read()
"""


Hold = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Hold]:
    """Start a process that holds the folder for a job until its standard input is closed."""
    processes: list[subprocess.Popen[str]] = []

    def start(job: str | None = None) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), job or ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("theirs", "ours"), [(None, None), (None, "a"), ("a", None), ("a", "b")])
def test_two_jobs_are_refused_by_host_and_process(
    hold: Hold, tmp_path: Path, theirs: str | None, ours: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "GRACE", 0.1)
    process = hold(theirs)
    with pytest.raises(GemixError) as caught, folder_lock(tmp_path, ours):
        pytest.fail("both are in")
    message = str(caught.value)
    assert f"process {process.pid} on {socket.gethostname()}" in message
    assert str(tmp_path) in message
    assert ("other settings" in message) == (theirs is not None and ours is not None)
    process.communicate("")  # it ends
    with folder_lock(tmp_path, ours) as handle:
        assert handle is not None


def test_ranks_of_one_job_work_together(hold: Hold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "GRACE", 0.1)
    first, second = hold("a"), hold("a")
    with folder_lock(tmp_path, "a"):
        first.communicate("")
    assert second.poll() is None
    with pytest.raises(GemixError, match="other ranks are"), folder_lock(tmp_path, None):
        pytest.fail("a whole run beside a rank")
    second.communicate("")
    with folder_lock(tmp_path, "b"):
        pass


def test_a_killed_holder_is_no_obstacle(hold: Hold, tmp_path: Path) -> None:
    process = hold()
    process.kill()
    process.wait()
    with folder_lock(tmp_path) as handle:
        assert json.loads((tmp_path / LOCK).read_text()) == {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "job": None,
        }
        assert handle is not None


def _inherit(held: int) -> None:
    time.sleep(0.5)


def test_workers_of_a_killed_run_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "GRACE", 0.1)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with folder_lock(tmp_path) as handle:
        assert handle is not None
        keep = os.dup(handle)  # as an inheriting worker has it
    (tmp_path / LOCK).write_text(json.dumps({"host": socket.gethostname(), "pid": dead.pid, "job": None}))
    start = time.monotonic()
    process = multiprocessing.get_context("fork").Process(target=_inherit, args=(keep,))
    process.start()
    os.close(keep)
    with folder_lock(tmp_path):
        assert time.monotonic() - start > 0.3
    process.join()


@pytest.mark.parametrize("content", ["", "{", '{"host": "elsewhere", "pid": 1, "job": "old"}', "\0" * 50])
def test_what_the_file_said_before_is_no_obstacle(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK).write_text(content)
    with folder_lock(tmp_path, "a"):
        assert json.loads((tmp_path / LOCK).read_text())["job"] == "a"


def test_many_ranks_at_once(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text('{"host": "elsewhere", "pid": 1, "job": "old"}')
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(8)

    def enter() -> None:
        barrier.wait()
        with folder_lock(tmp_path, "a"):
            barrier.wait(30)  # all are in together

    processes = [context.Process(target=enter) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handle: int, operation: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", fail)
    with folder_lock(tmp_path) as handle:
        assert handle is None


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GemixError, match=r"cannot write .*nowhere"), folder_lock(tmp_path / "file" / "nowhere"):
        pytest.fail("locked")
