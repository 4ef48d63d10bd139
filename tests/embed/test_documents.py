"""embed_documents: parts, resume, centring, faults."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from embed_data import Hashed, docstrings, documents
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.embed import embed_documents, make_embedder
from gemix.runtime.errors import GemixError

TABLE = documents([f"text {i}" for i in range(23)])
SCRIPT = str(Path(__file__).with_name("run_embed.py"))


def expected(table: pa.Table, embedder: Hashed | None = None) -> np.ndarray:
    return np.array([(embedder or Hashed()).vector(text) for text in table["text"].to_pylist()])


class StopsAt(Hashed):
    """Fails at the given call."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.left = call

    def embed(self, documents: pa.Table) -> np.ndarray:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return super().embed(documents)


@pytest.fixture
def interrupted(tmp_path) -> Path:
    """A folder with the parts of the first ten documents."""
    with pytest.raises(KeyboardInterrupt):
        embed_documents(TABLE, StopsAt(3), tmp_path / "out", chunk_rows=5)
    return tmp_path / "out"


def test_the_file_holds_unit_float16_rows_in_order(tmp_path):
    result = embed_documents(TABLE, Hashed(), tmp_path / "out", chunk_rows=5)
    assert result.path == tmp_path / "out" / "seed.npy"
    x = np.load(result.path, mmap_mode="r")
    assert x.dtype == np.float16
    assert x.flags.c_contiguous
    np.testing.assert_allclose(x, expected(TABLE), atol=1e-3)
    assert result.rows.tolist() == list(range(23))
    assert (result.dimension, result.mean, result.computed) == (8, None, 23)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["config.json", "seed.npy"]


def test_vectors_that_are_not_unit_become_so(tmp_path):
    class Long(Hashed):
        def vector(self, text):
            return 40 * super().vector(text)

    result = embed_documents(TABLE, Long(), tmp_path)
    np.testing.assert_allclose(np.load(result.path), expected(TABLE), atol=1e-3)


def test_a_second_call_does_nothing(tmp_path):
    first = embed_documents(TABLE, Hashed(), tmp_path, centre=True)
    again = Hashed()
    # The same rows in another cut of Arrow chunks are the same documents.
    second = embed_documents(pa.concat_tables([TABLE.slice(0, 7), TABLE.slice(7)]), again, tmp_path, centre=True)
    assert (again.asked, again.prepared, second.computed) == ([], 0, 0)
    assert second.rows.tolist() == first.rows.tolist()
    assert np.array_equal(second.mean, first.mean)
    assert (second.dimension, second.path) == (first.dimension, first.path)


def test_an_interrupted_call_goes_on_where_it_stopped(interrupted, tmp_path):
    whole = embed_documents(TABLE, Hashed(), tmp_path / "whole", chunk_rows=5)
    assert not (interrupted / "seed.npy").exists()
    again = Hashed()
    result = embed_documents(TABLE, again, interrupted, chunk_rows=5)
    assert again.asked == TABLE["id"].to_pylist()[10:]
    assert (again.prepared, result.computed) == (1, 13)
    for name in ("seed.npy", "config.json"):
        assert (interrupted / name).read_bytes() == (whole.path.parent / name).read_bytes()


@pytest.mark.parametrize("what", ["embedder", "text", "id", "part size", "config", "no config"])
def test_parts_of_something_else_are_not_used(what, interrupted):
    table, embedder, size = TABLE, Hashed(), 5
    if what == "embedder":
        embedder = Hashed(version=2)
    elif what == "text":
        table = documents([*TABLE["text"].to_pylist()[:-1], "another text"])
    elif what == "id":
        table = TABLE.set_column(0, "id", [[f"other-{i}" for i in range(23)]])
    elif what == "part size":
        size = 10
    elif what == "config":
        (interrupted / "parts" / "config.json").write_text('{"cut off')
    else:
        (interrupted / "parts" / "config.json").unlink()
    result = embed_documents(table, embedder, interrupted, chunk_rows=size)
    assert result.computed == 23
    np.testing.assert_allclose(np.load(result.path), expected(table, embedder), atol=1e-3)


@pytest.mark.parametrize("damage", [b"", b"noise", "cut", "other rows"])
def test_a_damaged_part_is_made_again(damage, interrupted):
    part = interrupted / "parts" / "000001.npy"
    if damage == "other rows":
        np.save(part, np.zeros((4, 8), np.float32))
    else:
        part.write_bytes(part.read_bytes()[:-8] if damage == "cut" else damage)
    again = Hashed()
    result = embed_documents(TABLE, again, interrupted, chunk_rows=5)
    assert again.asked == TABLE["id"].to_pylist()[5:]
    np.testing.assert_allclose(np.load(result.path), expected(TABLE), atol=1e-3)


@pytest.mark.parametrize("damage", ["bit", "gone", "config"])
def test_a_damaged_result_is_made_again(damage, tmp_path):
    path = embed_documents(TABLE, Hashed(), tmp_path).path
    whole = path.read_bytes()
    if damage == "bit":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "gone":
        path.unlink()
    else:
        (tmp_path / "config.json").write_text("[]")
    assert embed_documents(TABLE, Hashed(), tmp_path).computed == 23
    assert path.read_bytes() == whole


def test_documents_without_a_vector_are_dropped_and_named(tmp_path):
    table = documents(["zero", "a", "b", "zero", "zero", "c"])
    for centre in (False, True):
        result = embed_documents(table, Hashed(), tmp_path / str(centre), centre=centre, chunk_rows=2)
        assert result.rows.tolist() == [1, 2, 5]
        assert np.load(result.path).shape == (3, 8)
        assert embed_documents(table, Hashed(), tmp_path / str(centre), centre=centre, chunk_rows=2).rows.tolist() == [
            1,
            2,
            5,
        ]


@settings(deadline=None, max_examples=25)
@given(words=st.lists(st.sampled_from(["zero", *"abcdefgh"]), min_size=2, max_size=12), rows=st.integers(1, 13))
def test_centring_subtracts_the_mean_of_all_vectors(words, rows, tmp_path_factory):
    words += ["b", "c"]
    result = embed_documents(documents(words), Hashed(), tmp_path_factory.mktemp("out"), centre=True, chunk_rows=rows)
    x = expected(documents([word for word in words if word != "zero"]))
    np.testing.assert_allclose(result.mean, x.mean(axis=0), atol=1e-6)
    centred = x - x.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(np.load(result.path), centred, atol=2e-3)
    assert np.array_equal(json.loads((result.path.parent / "config.json").read_text())["mean"], result.mean)


def test_nothing_but_zeros_is_refused(tmp_path):
    with pytest.raises(GemixError, match="all vectors are zero"):
        embed_documents(documents(["zero"] * 3), Hashed(), tmp_path)
    with pytest.raises(GemixError, match="all documents have the same vector"):
        embed_documents(documents(["a"] * 300), Hashed(), tmp_path, centre=True, chunk_rows=7)
    with pytest.raises(GemixError, match="no documents"):
        embed_documents(documents([]), Hashed(), tmp_path)
    assert not (tmp_path / "seed.npy").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_named(value, tmp_path):
    class Broken(Hashed):
        def vector(self, text):
            return np.full(8, value) if text == "text 7" else super().vector(text)

    with pytest.raises(GemixError, match=r"hashed.*'doc-8' \(a:8\).*NaN or infinity"):
        embed_documents(TABLE, Broken(), tmp_path, chunk_rows=5)
    with pytest.raises(GemixError, match=r"hashed.*'doc-8' has NaN"):
        embed_documents(TABLE.select(["id", "text"]), Broken(), tmp_path, chunk_rows=5)
    assert not (tmp_path / "seed.npy").exists()


def test_vectors_of_different_lengths_are_refused(tmp_path):
    class Changing(Hashed):
        def embed(self, documents):
            self.dimension += "doc-11" in documents["id"].to_pylist()
            return super().embed(documents)

    with pytest.raises(GemixError, match="8 numbers up to document 10 and of 9 after it"):
        embed_documents(TABLE, Changing(), tmp_path, chunk_rows=5)
    assert not (tmp_path / "seed.npy").exists()


def test_a_wrong_number_of_rows_is_refused(tmp_path):
    class Short(Hashed):
        def embed(self, documents):
            return super().embed(documents)[:-1]

    with pytest.raises(GemixError, match=r"\(4, 8\) for 5 documents"):
        embed_documents(TABLE, Short(), tmp_path, chunk_rows=5)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GemixError, match="file"):
        embed_documents(TABLE, Hashed(), tmp_path / "file" / "out")


@pytest.mark.slow
def test_a_full_disk_leaves_no_file_and_a_later_call_ends_the_work(tmp_path):
    pq.write_table(documents(docstrings(150)), tmp_path / "table.parquet")
    command = [sys.executable, SCRIPT, str(tmp_path / "table.parquet"), "lsa", str(tmp_path / "out"), "1"]
    # Parts (16 rows) are below the limit, the result is above it.
    failed = subprocess.run([*command, "20000"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert re.search(r"^GemixError: cannot write .*(seed\.npy|space): ", failed.stderr, re.MULTILINE)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"parts", "space"}
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run([*command[:-2], str(tmp_path / "whole"), "1"], check=True, capture_output=True)
    assert (tmp_path / "out" / "seed.npy").read_bytes() == (tmp_path / "whole" / "seed.npy").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["minilm:int8", "lsa"])
def test_a_killed_process_loses_at_most_a_part(spec, tmp_path):
    """Parts that are whole are not made again, and the bytes are those of a call on another number of threads."""
    table = documents(docstrings(96) if spec == "minilm:int8" else docstrings(160) * 20)
    pq.write_table(table, tmp_path / "table.parquet")
    command = [sys.executable, SCRIPT, str(tmp_path / "table.parquet"), spec]
    subprocess.run([*command, str(tmp_path / "whole"), "2"], check=True, capture_output=True)

    out = tmp_path / "out"
    process = subprocess.Popen([*command, str(out), "1"], stderr=subprocess.DEVNULL)
    while len(list((out / "parts").glob("[0-9]*.npy"))) < 3 and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "seed.npy").exists()
    done = {int(path.stem) for path in (out / "parts").glob("[0-9]*.npy")}
    assert 3 <= len(done) < len(table) // 16

    embedder = make_embedder(spec)
    asked: list[str] = []
    embed = embedder.embed
    embedder.embed = lambda chunk: asked.extend(chunk["id"].to_pylist()) or embed(chunk)
    result = embed_documents(pq.read_table(tmp_path / "table.parquet"), embedder, out, chunk_rows=16)
    ids = table["id"].to_pylist()
    assert asked == [key for row, key in enumerate(ids) if row // 16 not in done]
    assert result.computed == len(asked)
    for name in ("seed.npy", "config.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
