"""Faults injected into real runs: killed processes, Ctrl-C, a full disk, two launches at once."""

import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from label_data import contents, temporary_files, write_corpus

from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import Launcher
from gemix.labels.launch import label_corpus
from gemix.runtime.errors import GemixError

SCRIPT = str(Path(__file__).with_name("run_label.py"))
SIZES = {"b.jsonl": 6000, "c.jsonl.gz": 9000, "sub/d.jsonl.zst": 12000, "sub/e.jsonl": 3000, "sub/f.jsonl": 400}


@pytest.fixture(scope="module")
def large_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five shards in all formats: about a second of work."""
    return write_corpus(tmp_path_factory.mktemp("large"), SIZES, {"a": 7000})


@pytest.fixture(scope="module")
def large_shards(large_corpus: Path) -> list[Shard]:
    return resolve_shards([large_corpus])


@pytest.fixture(scope="module")
def expected(large_shards: list[Shard], student_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labels of an uninterrupted run."""
    out = tmp_path_factory.mktemp("expected")
    label_corpus(large_shards, student_folder, out)
    return out


def launch(corpus: Path, student: Path, out: Path, workers: int, **options: object) -> subprocess.Popen[str]:
    """Start a run in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, SCRIPT, str(corpus), str(student), str(out), str(workers)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.002)


def until_gone(process: subprocess.Popen[str]) -> None:
    """Wait for the last process of the group."""

    def gone() -> bool:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    until(gone)


@pytest.mark.slow
def test_workers_and_launcher_killed_at_random_moments(
    large_corpus: Path, student_folder: Path, expected: Path, tmp_path: Path
) -> None:
    rng = random.Random(0)
    out = tmp_path / "out"
    interrupted = 0
    for finished in (0, 2, 4):
        process = launch(large_corpus, student_folder, out, 2)
        while process.poll() is None and not (out.exists() and len(list(out.rglob("*.json"))) >= finished):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.1))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        until_gone(process)
        complete = {path: path.stat().st_ino for path in out.rglob("*.json")}
        interrupted += len(complete) < 6
        for path in complete:  # nothing half-written under a real name
            name = path.relative_to(out).with_suffix("")
            assert path.with_suffix(".parquet").read_bytes() == (expected / f"{name}.parquet").read_bytes()
    assert interrupted >= 2, "the kills came too late to test anything"
    inodes = {path: path.with_suffix(".parquet").stat().st_ino for path in complete}
    process = launch(large_corpus, student_folder, out, 2)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert contents(out) == contents(expected)  # no temporary file is left, either
    assert {path: path.with_suffix(".parquet").stat().st_ino for path in complete} == inodes
    assert {path: path.stat().st_ino for path in complete} == complete
    assert set(stdout.split()) == {"a", "b", "c", "sub/d", "sub/e", "sub/f"} - {
        path.relative_to(out).with_suffix("").as_posix() for path in complete
    }


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_shard(
    large_shards: list[Shard], student_folder: Path, expected: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed: list[str] = []

    def sidecars() -> list[re.Match[str]]:
        found = (re.fullmatch(r"\.(.*)\.parquet\.tmp-(\d+)-.*", path.name) for path in temporary_files(out))
        return [match for match in found if match]

    def kill_one() -> None:
        until(sidecars)  # the work on one has just begun
        match = sidecars()[0]
        os.kill(int(match[2]), signal.SIGKILL)
        killed.append(match[1])

    killer = Thread(target=kill_one)
    killer.start()
    with pytest.raises(GemixError, match=r"1 of 6 shards .*(.|\n)*killed by SIGKILL") as caught:
        label_corpus(large_shards, student_folder, out, launcher=Launcher(workers=2))
    killer.join()
    (victim,) = (shard for shard in large_shards if Path(shard.name).name == killed[0])
    assert f"{victim.path}: its worker process was killed" in str(caught.value)
    assert not temporary_files(out)
    others = {name: data for name, data in contents(expected).items() if not name.startswith(f"{victim.name}.")}
    assert contents(out) == others
    assert label_corpus(large_shards, student_folder, out, launcher=Launcher(workers=2)).labelled == [victim.name]
    assert contents(out) == contents(expected)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c(large_corpus: Path, student_folder: Path, expected: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out"
    process = launch(large_corpus, student_folder, out, workers)
    until(lambda: temporary_files(out))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert stderr.count("Traceback") == 1, stderr  # none from a worker
    assert "KeyboardInterrupt" in stderr
    until_gone(process)
    assert not temporary_files(out)
    assert len(list(out.rglob("*.json"))) < 6
    assert launch(large_corpus, student_folder, out, workers).wait(120) == 0
    assert contents(out) == contents(expected)


@pytest.mark.slow
def test_workers_leave_when_their_launcher_is_killed(
    large_corpus: Path, student_folder: Path, other_student_folder: Path, expected: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = launch(large_corpus, other_student_folder, out, 2)
    until(lambda: temporary_files(out))
    process.kill()  # this one alone
    process.wait()
    after = launch(large_corpus, student_folder, out, 1)  # it waits for them: they would write over its labels
    _, stderr = after.communicate(timeout=120)
    assert after.returncode == 0, stderr
    until_gone(process)
    assert contents(out) == contents(expected)


@pytest.mark.slow
def test_two_launches_at_once(large_corpus: Path, student_folder: Path, expected: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = launch(large_corpus, student_folder, out, 2)
    until(lambda: temporary_files(out))
    os.killpg(first.pid, signal.SIGSTOP)  # else it may be done before the second has lost its patience
    second = launch(large_corpus, student_folder, out, 1)
    _, stderr = second.communicate(timeout=120)
    os.killpg(first.pid, signal.SIGCONT)
    assert second.returncode == 1
    assert f"error: process {first.pid} on {socket.gethostname()} is at work in {out}" in stderr
    assert first.wait(120) == 0
    assert contents(out) == contents(expected)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_size_limit(
    large_corpus: Path, student_folder: Path, expected: Path, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / "out"
    limit = 30_000  # bytes; two of the sidecars fit
    process = launch(
        large_corpus,
        student_folder,
        out,
        workers,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in stderr, stderr
    assert re.search(r"cannot write .*d\.parquet: .*File too large", stderr), stderr
    small = {path.stem for path in expected.rglob("*.parquet") if path.stat().st_size <= limit}
    assert 1 <= len(small) <= 4
    assert {Path(name).name for name in contents(out)} == {f"{s}.{k}" for s in small for k in ("parquet", "json")}


@pytest.mark.slow
def test_a_full_disk(large_corpus: Path, student_folder: Path, expected: Path, tmp_path: Path) -> None:
    unshare = ["unshare", "--mount", "--map-root-user"]
    small = tmp_path / "small"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=128k tmpfs {small}"
    if not shutil.which("unshare") or subprocess.run([*unshare, "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("no private mounts here")
    run = f"{sys.executable} {SCRIPT} {large_corpus} {student_folder} {small}/out 2"
    script = f"{mount} && {{ {run}; code=$?; find {small}/out -type f; exit $code; }}"
    done = subprocess.run([*unshare, "sh", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr, done.stderr
    assert "No space left on device" in done.stderr
    names = {Path(line).name for line in done.stdout.split()}
    assert {name for name in names if name.startswith(".")} == {".lock", ".shards"}
    assert {name.removesuffix(".json") for name in names if name.endswith(".json")} <= {
        name.removesuffix(".parquet") for name in names
    }
