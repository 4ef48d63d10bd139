"""Faults injected into the labelling of a small corpus: what a bad disk, a bad clock or a bad moment does to it.

After each the same command is run again, and has to leave what an undisturbed run leaves.
"""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from label_data import FakeStudent, contents, make_rows, temporary_files, write_corpus
from support import WORD_TOKENIZER, write_word_tokenizer

from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import Reading, label_corpus, label_shard
from gemix.runtime.errors import GemixError

HERE = Path(__file__).parent
NAMES = {"a.jsonl": "a", "b.jsonl.zst": "b", "c.parquet": "c"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("faults"), {"a.jsonl": 500, "b.jsonl.zst": 800}, {"c": 600})


@pytest.fixture(scope="module")
def expected(corpus: Path, student_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labels of an undisturbed run."""
    out = tmp_path_factory.mktemp("expected")
    label_corpus(resolve_shards([corpus]), student_folder, out)
    return out


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes system calls fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not sys.platform.startswith("linux") or compiler is None:
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("shim") / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "faults.c", "-ldl"], check=True)
    return library


class Server:
    """Labels in processes that `label_server.py` forks, as quick as calls and as real as processes."""

    def __init__(self, corpus: Path, student: Path, preload: Path) -> None:
        self._request = {"corpus": str(corpus), "student": str(student)}
        self._process = subprocess.Popen(
            [sys.executable, HERE / "label_server.py", student],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"LD_PRELOAD": str(preload)},
        )

    def label(self, out: Path, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(self._request | {"out": str(out)} | request), file=self._process.stdin, flush=True)
        return SimpleNamespace(**json.loads(self._process.stdout.readline()))

    def end(self) -> None:
        self._process.communicate("")


@pytest.fixture(scope="module")
def server(corpus: Path, student_folder: Path, shim: Path) -> Iterator[Server]:
    server = Server(corpus, student_folder, shim)
    yield server
    server.end()


def recovers(corpus: Path, student: Path, out: Path, expected: Path) -> None:
    label_corpus(resolve_shards([corpus]), student, out)
    assert contents(out) == contents(expected)


def test_killed_sixty_times_at_random_moments(server: Server, expected: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    rng = random.Random(0)
    request = {"part_bytes": 20_000}  # the Parquet file is labelled in parts
    length = min(server.label(tmp_path / f"whole{i}", **request).seconds for i in range(2))
    hits: Counter[int] = Counter()
    while hits.total() < 60:
        for path in sorted(out.rglob("*")):  # some files are made anew in every round, some trusted
            if path.is_file() and rng.random() < 0.4:
                path.unlink()
        if server.label(out, kill_after=rng.uniform(0, length), **request).code == -signal.SIGKILL:
            hits[finished_and_whole(out, expected)] += 1
    assert len(hits) > 1, "all kills hit at the same stage"
    assert server.label(out, **request).code == 0
    assert contents(out) == contents(expected)


def finished_and_whole(out: Path, expected: Path) -> int:
    """Nothing half-made has a real name; return the number of markers."""
    found = {name: data for name, data in contents(out).items() if not any(p.startswith(".") for p in Path(name).parts)}
    for name, data in found.items():
        assert data == (expected / name).read_bytes(), name
    return sum(name.endswith(".json") for name in found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("when", ["hashed", "read"])
def test_an_unreadable_sector(
    server: Server, corpus: Path, student_folder: Path, expected: Path, tmp_path: Path, name: str, when: str
) -> None:
    size = (corpus / name).stat().st_size
    after = size // 2 if when == "hashed" else size + size // 3
    done = server.label(tmp_path / "out", environment={"FAULT": f"read:{errno.EIO}:{after}:/{name}"})
    assert done.code == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert f"cannot read {corpus / name}" in done.stderr
    assert "Input/output error" in done.stderr
    assert "1 of 3 shards could not be labelled, the others are done" in done.stderr
    assert contents(tmp_path / "out").keys() == {
        file for file in contents(expected) if not file.startswith(f"{NAMES[name]}.")
    }
    recovers(corpus, student_folder, tmp_path / "out", expected)


@pytest.mark.parametrize(
    ("operation", "code", "after", "path"),
    [
        ("write", errno.ENOSPC, 5000, "/.b.parquet"),
        ("write", errno.ENOSPC, 0, "/.b.json"),
        ("write", errno.EIO, 5000, "/.b.parquet"),
        ("fsync", errno.EIO, 0, "/.b.parquet"),
        ("fsync", errno.EIO, 0, "/.b.json"),
        ("write", errno.EDQUOT, 8000, "/out/"),
    ],
)
def test_a_disk_that_does_not_take_it(
    server: Server,
    corpus: Path,
    student_folder: Path,
    expected: Path,
    tmp_path: Path,
    operation: str,
    code: int,
    after: int,
    path: str,
) -> None:
    out = tmp_path / "out"
    done = server.label(out, environment={"FAULT": f"{operation}:{code}:{after}:{path}"})
    assert done.code == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert f"cannot write {out}" in done.stderr
    assert os.strerror(code) in done.stderr
    assert not temporary_files(out)
    for name, data in contents(out).items():
        assert data == (expected / name).read_bytes()
    recovers(corpus, student_folder, out, expected)


def test_a_clock_that_jumps(server: Server, corpus: Path, student_folder: Path, expected: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = server.label(out, environment={"CLOCK_JUMPS": "1"})
    assert done.code == 0, done.stderr
    assert contents(out) == contents(expected)
    for path in out.rglob("*"):
        os.utime(path, (4e9, 4e9) if path.suffix == ".json" else (0, 0))  # labels older and newer than all else
    assert label_corpus(resolve_shards([corpus]), student_folder, out).labelled == []


def remove(name: str) -> Callable[[Path], None]:
    return lambda out: (out / name).unlink()


def put(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda out: (out / name).write_bytes(data)


def swap(first: str, second: str) -> Callable[[Path], None]:
    def exchange(out: Path) -> None:
        a, b = (out / first).read_bytes(), (out / second).read_bytes()
        (out / first).write_bytes(b)
        (out / second).write_bytes(a)

    return exchange


def flip(name: str) -> Callable[[Path], None]:
    def change(out: Path) -> None:
        data = bytearray((out / name).read_bytes())
        data[len(data) // 3] ^= 4
        (out / name).write_bytes(data)

    return change


@pytest.mark.parametrize(
    ("damage", "labelled"),
    [
        (remove("b.parquet"), ["b"]),
        (remove("b.json"), ["b"]),
        (put("b.parquet", b""), ["b"]),
        (put("b.json", b""), ["b"]),
        (put("b.json", b'{"schema": 1'), ["b"]),
        (flip("b.parquet"), ["b"]),
        (flip("b.json"), ["b"]),
        (swap("a.json", "b.json"), ["a", "b"]),
        (swap("a.parquet", "b.parquet"), ["a", "b"]),
        (put(".lock", b'{"host": "elsewhere", "pid": 1, "job": "old"}'), []),
        (put(".b.parquet.tmp-7-0badcafe", b"half"), []),
    ],
)
def test_labels_that_do_not_stand_are_made_again(
    corpus: Path,
    student_folder: Path,
    expected: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    labelled: list[str],
) -> None:
    out = Path(shutil.copytree(expected, tmp_path / "out"))
    damage(out)
    assert label_corpus(resolve_shards([corpus]), student_folder, out).labelled == labelled
    assert contents(out) == contents(expected)


def test_a_changed_model_with_old_markers(
    corpus: Path, student_folder: Path, other_student_folder: Path, expected: Path, tmp_path: Path
) -> None:
    shards = resolve_shards([corpus])
    out = Path(shutil.copytree(expected, tmp_path / "out"))
    student = Path(shutil.copytree(student_folder, tmp_path / "student"))
    write_word_tokenizer(tmp_path / "tokenizer.json")
    shutil.copytree(other_student_folder, student, dirs_exist_ok=True)  # in place
    assert label_corpus(shards, student, out).labelled == ["a", "b", "c"]
    assert contents(out) != contents(expected)
    shutil.copy(student_folder / "model.bin", student / "model.bin")  # half of it: whoever copied was interrupted
    with pytest.raises(GemixError, match=r"model\.bin is damaged or not the model that .*config\.json describes"):
        label_corpus(shards, student, out)
    recovers(corpus, student_folder, out, expected)


@pytest.mark.parametrize("damage", ["cut off", "bit flipped"])
def test_a_damaged_zstd_frame_is_named_and_labelled_again_when_repaired(
    student_folder: Path, tmp_path: Path, damage: str
) -> None:
    corpus = write_corpus(tmp_path / "in", {"a.jsonl.zst": 1500}, {})
    path = corpus / "a.jsonl.zst"
    data = zstandard.ZstdDecompressor().decompress(path.read_bytes())
    pieces = [data[: len(data) // 2], data[len(data) // 2 :]]
    frames = [zstandard.ZstdCompressor(write_checksum=True).compress(piece) for piece in pieces]
    path.write_bytes(b"".join(frames))
    shards = resolve_shards([corpus])
    label_corpus(shards, student_folder, tmp_path / "expected")
    good = path.read_bytes()
    bad = bytearray(good)
    if damage == "cut off":
        del bad[-len(frames[1]) // 2 :]
    else:
        bad[len(frames[0]) + len(frames[1]) // 2] ^= 16
    path.write_bytes(bad)
    found = label_corpus(shards, student_folder, tmp_path / "out")
    reason = "truncated" if damage == "cut off" else "corrupt"
    assert found.totals.bad.counts[reason] == 1  # type: ignore[index]
    assert f"{reason}: 1 (the rest of each file cannot be read): a.jsonl.zst:" in found.totals.bad.describe()
    before, after = (pq.read_table(tmp_path / folder / "a.parquet") for folder in ("expected", "out"))
    first = data[: len(data) // 2].count(b"\n")
    assert after.slice(0, first).equals(before.slice(0, first))  # the frame before the damage is all there
    assert after["reason"].to_pylist()[-1] == reason
    assert found.damaged == [f"a.jsonl.zst:{len(after)}: {reason}"]
    with pytest.raises(GemixError, match=rf"(?s)rows .* are bad.*{reason}: 1"):
        label_corpus(shards, student_folder, tmp_path / "out", max_bad_fraction=0)
    path.write_bytes(good)
    again = label_corpus(shards, student_folder, tmp_path / "out")
    assert (again.labelled, again.damaged) == (["a"], [])
    assert contents(tmp_path / "out")["a.parquet"] == contents(tmp_path / "expected")["a.parquet"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.zst", "a.parquet"])
def test_a_shard_replaced_while_it_is_read(tmp_path: Path, name: str) -> None:
    of_parquet = name.endswith(".parquet")
    folders = [
        write_corpus(tmp_path / place, {} if of_parquet else {name: n}, {"a": n} if of_parquet else {})
        for place, n in (("now", 3000), ("later", 2900))
    ]
    path, later = (folder / name for folder in folders)
    shard = Shard("a", path)

    def replace(texts: object) -> None:
        if later.exists():
            os.replace(later, path)

    def label(student: FakeStudent) -> None:
        label_shard(shard, student, tmp_path / "out", model="m", reading=Reading(tokenizer=WORD_TOKENIZER))

    with pytest.raises(GemixError, match=r"a\..* changed while it was read; label it again"):
        label(FakeStudent(replace))
    assert contents(tmp_path / "out") == {}
    label(FakeStudent())
    assert pq.read_table(tmp_path / "out/a.parquet").num_rows == 2900


GROWS = """
import resource, sys
from pathlib import Path
from gemix.corpus.shards import resolve_shards
from gemix.labels import label_corpus

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

student = Path(sys.argv[1])
label_corpus(resolve_shards([sys.argv[2]]), student, Path(sys.argv[4]) / "small")
before = peak()
label_corpus(resolve_shards([sys.argv[3]]), student, Path(sys.argv[4]) / "large")
print(peak() - before)
"""


@pytest.mark.slow
def test_one_huge_file_in_bounded_memory(student_folder: Path, tmp_path: Path) -> None:
    rows = make_rows(400, 3)
    block = b"".join(json.dumps(row | {"text": " ".join([row["text"]] * 10)}).encode() + b"\n" for row in rows)
    copies = (200 << 20) // len(block)
    with zstandard.open(tmp_path / "large.jsonl.zst", "wb") as file:
        for _ in range(copies):
            file.write(block)
    (tmp_path / "small.jsonl.zst").write_bytes(zstandard.compress(block))
    paths = [student_folder, tmp_path / "small.jsonl.zst", tmp_path / "large.jsonl.zst", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", GROWS, *paths], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert pq.read_metadata(tmp_path / "out/large/large.parquet").num_rows == 400 * copies
    assert int(done.stdout) < 250, "MB"
