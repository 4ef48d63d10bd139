"""Faults injected into whole runs: killed processes, bad input, full disks, folders that cannot be written."""

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from support import make_documents, write_jsonl

SMALL = ["--embedder", "lsa", "--clusters", "4", "--workers", "2", "--window", "400"]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "gemix", *map(str, arguments)]


def gemix(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300, check=False, **options)


def results(run: Path) -> dict[str, bytes]:
    """What must not depend on interruptions: all but markers (input times), run.json (times) and the lock."""
    return {
        str(p.relative_to(run)): p.read_bytes()
        for p in sorted(run.rglob("*"))
        if p.is_file() and p.name not in ("run.json", ".lock") and not (p.suffix == ".json" and "labels" in p.parts)
    }


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """The command failed, said why and where, and showed no traceback."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    message = done.stderr[done.stderr.index("error: ") :]
    for word in words:
        assert word in message, message


@pytest.mark.slow
def test_killed_at_ten_random_moments(corpus, tmp_path):
    start = time.perf_counter()
    assert gemix("run", corpus, "--out", tmp_path / "whole", *SMALL).returncode == 0
    length = time.perf_counter() - start
    moments = random.Random(0)
    run = tmp_path / "killed"
    killed = 0
    for _ in range(10):
        process = subprocess.Popen(
            command("run", corpus, "--out", run, *SMALL), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(moments.uniform(0.1, 0.9) * length)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed > 0
    done = gemix("run", corpus, "--out", run, *SMALL)
    assert done.returncode == 0, done.stderr
    whole, resumed = results(tmp_path / "whole"), results(run)
    assert set(whole) == set(resumed)
    assert [name for name in whole if whole[name] != resumed[name] and name != "config.yaml"] == []


BAD_LINES = {
    "bad_json": b'{"id": "x", "text": "cut',
    "not_an_object": b'["a", "b"]',
    "invalid_utf8": b'{"id": "x", "text": "caf\xe9 au lait"}',
    "missing_text": b'{"id": "x"}',
    "empty_text": b'{"id": "x", "text": " "}',
    "text_not_string": b'{"id": "x", "text": 7}',
}


@pytest.mark.parametrize("reason", BAD_LINES)
def test_bad_rows_stop_the_run_and_are_named(tmp_path, reason):
    write_jsonl(tmp_path / "corpus.jsonl", make_documents(60))
    with open(tmp_path / "corpus.jsonl", "ab") as file:
        file.write(BAD_LINES[reason] + b"\n")
    refused(gemix("run", tmp_path / "corpus.jsonl", "--out", tmp_path / "run", *SMALL), reason, "corpus.jsonl:61")
    assert not (tmp_path / "run" / "seed.parquet").exists()
    done = gemix("run", tmp_path / "corpus.jsonl", "--out", tmp_path / "run", *SMALL, "--max-bad-fraction", "0.05")
    assert done.returncode == 0, done.stderr
    assert reason in done.stderr
    sidecar = pq.read_table(tmp_path / "run" / "labels" / "corpus.parquet")
    assert sidecar.num_rows == 61
    assert sidecar["reason"].to_pylist() == [None] * 60 + [reason]
    assert sidecar["domain"].null_count == 1


def test_a_truncated_tail(tmp_path):
    path = write_jsonl(tmp_path / "corpus.jsonl.zst", make_documents(300))
    path.write_bytes(path.read_bytes()[:-200])
    refused(gemix("run", path, "--out", tmp_path / "run", *SMALL, "--max-bad-fraction", "0"), "truncated", path.name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["no document", "corpus.jsonl"]),
        (b'{"text": ""}\n' * 20, ["all 20 rows are bad", "empty_text", "corpus.jsonl:1"]),
        (b'{"text": "one lonely document"}\n', ["--clusters 4", "1 documents"]),
        (b'{"body": "text under another name"}\n' * 20, ["--text-key text: no document has this column", "'body'"]),
    ],
)
def test_corpora_that_cannot_be_clustered(tmp_path, content, words):
    (tmp_path / "corpus.jsonl").write_bytes(content)
    refused(gemix("run", tmp_path / "corpus.jsonl", "--out", tmp_path / "run", *SMALL), *words)
    assert not (tmp_path / "run" / "teacher").exists()


def test_inputs_that_are_not_there(tmp_path):
    refused(gemix("run", tmp_path / "nothing", "--out", tmp_path / "run"), "nothing")
    (tmp_path / "empty").mkdir()
    refused(gemix("run", tmp_path / "empty", "--out", tmp_path / "run"), "empty", ".jsonl")
    refused(gemix("run", "--out", tmp_path / "run"), "no input")
    (tmp_path / "text.csv").write_text("a,b")
    refused(gemix("run", tmp_path / "text.csv", "--out", tmp_path / "run"), "text.csv", "format")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not really")
    refused(gemix("run", tmp_path / "x.parquet", "--out", tmp_path / "run"), "x.parquet")
    refused(gemix("label", tmp_path / "x.parquet", "--student", tmp_path / "none", "--out", tmp_path / "l"), "none")
    refused(gemix("fit", tmp_path / "fresh"), "embed")


def test_output_inside_the_input_is_refused(tmp_path):
    (tmp_path / "corpus").mkdir()
    path = write_jsonl(tmp_path / "corpus" / "a.jsonl", make_documents(50))
    refused(gemix("run", tmp_path / "corpus", "--out", tmp_path / "corpus" / "run", *SMALL), "inside the input folder")
    refused(gemix("run", path, "--out", tmp_path / "corpus", *SMALL), "holds the input file")
    assert sorted(p.name for p in (tmp_path / "corpus").rglob("*.parquet")) == []


@pytest.fixture
def vectors(tmp_path) -> tuple[Path, np.ndarray]:
    path = write_jsonl(tmp_path / "corpus.jsonl", make_documents(50))
    return path, np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)


def test_zero_embeddings_are_left_out_and_counted(vectors, tmp_path):
    corpus, x = vectors
    x[[3, 30]] = 0
    np.save(tmp_path / "x.npy", x)
    done = gemix("run", corpus, "--out", tmp_path / "run", *SMALL, "--embedder", f"precomputed:{tmp_path / 'x.npy'}")
    assert done.returncode == 0, done.stderr
    assert "2 documents have no embedding" in done.stderr
    assert len(np.load(tmp_path / "run" / "embeddings" / "seed.npy")) == 48
    np.save(tmp_path / "x.npy", 0 * x)
    done = gemix("run", corpus, "--out", tmp_path / "run2", *SMALL, "--embedder", f"precomputed:{tmp_path / 'x.npy'}")
    refused(done)


def test_nan_embeddings_are_named(vectors, tmp_path):
    corpus, x = vectors
    x[17, 2] = np.nan
    np.save(tmp_path / "x.npy", x)
    done = gemix("run", corpus, "--out", tmp_path / "run", *SMALL, "--embedder", f"precomputed:{tmp_path / 'x.npy'}")
    refused(done, "doc-00017")
    assert not (tmp_path / "run" / "embeddings" / "seed.npy").exists()


def test_embeddings_that_do_not_fit_the_corpus(vectors, tmp_path):
    corpus, x = vectors
    np.save(tmp_path / "short.npy", x[:40])
    arguments = ["run", corpus, "--out", tmp_path / "run", *SMALL, "--embedder"]
    refused(gemix(*arguments, f"precomputed:{tmp_path / 'short.npy'}"), "short.npy", "40", "50")
    ids = [f"doc-{i:05d}" for i in range(50)]
    mixed = pa.table({"id": ids, "embedding": [[1.0, 2.0]] * 49 + [[1.0, 2.0, 3.0]]})
    pq.write_table(mixed, tmp_path / "mixed.parquet")
    refused(gemix(*arguments, f"precomputed:{tmp_path / 'mixed.parquet'}"), "mixed.parquet")
    refused(gemix(*arguments, f"precomputed:{tmp_path / 'none.npy'}"), "none.npy")


def test_an_output_folder_that_cannot_be_written(corpus, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused(gemix("run", corpus, "--out", tmp_path / "file" / "run", *SMALL), "file")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize(("limit", "where"), [(1_000, "run"), (30_000, "run"), (200_000, "temporary files")])
def test_a_full_disk(corpus, tmp_path, limit, where):
    # RLIMIT_FSIZE makes every write beyond `limit` bytes of a file fail, as a full disk does, without needing one.
    def no_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = gemix("run", corpus, "--out", tmp_path / "run", *SMALL, preexec_fn=no_room)
    refused(done, str(tmp_path / "run") if where == "run" else tempfile.gettempdir())
    for path in (tmp_path / "run").rglob("*"):
        assert ".tmp-" not in path.name
        if path.suffix == ".parquet":
            pq.read_table(path)
    assert gemix("run", corpus, "--out", tmp_path / "run", *SMALL).returncode == 0


def test_a_mixed_folder_of_formats_with_one_corrupt_file(corpus, tmp_path):
    import shutil

    shutil.copytree(corpus, tmp_path / "corpus")
    (tmp_path / "corpus" / "z.jsonl.zst").write_bytes(zstandard.compress(b'{"text": "fine"}\n')[:-3] + b"???")
    done = gemix("run", tmp_path / "corpus", "--out", tmp_path / "run", *SMALL, "--max-bad-fraction", "0")
    refused(done, "z.jsonl.zst")
