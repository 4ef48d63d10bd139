import os
from collections import namedtuple
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gemix.embed import embed_documents, make_embedder
from gemix.runtime.errors import GemixError

Totals = namedtuple("Totals", "name rows")
SHARDS = [Totals("a", 30), Totals("sub/b", 20)]
X = np.random.default_rng(0).normal(size=(50, 6))
UNIT = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
ROWS = [("a", 1), ("sub/b", 1), ("a", 30), ("sub/b", 20), ("a", 7)]
PLACES = [0, 30, 29, 49, 6]
DOCUMENTS = pa.table(
    {
        "id": [f"doc-{place}" for place in PLACES],
        "text": ["x"] * 5,
        "shard": [shard for shard, _ in ROWS],
        "row": [row for _, row in ROWS],
    }
)


def embed(path: Path, documents: pa.Table = DOCUMENTS) -> np.ndarray:
    embedder = make_embedder(f"precomputed:{path}", shards=SHARDS)
    embedder.prepare(documents)
    return embedder.embed(documents)


def parquet(path: Path, vectors=None, ids=None, column="embedding", **more) -> Path:
    vectors = pa.array(X.tolist(), pa.list_(pa.float32())) if vectors is None else vectors
    ids = [f"doc-{i}" for i in range(50)] if ids is None else ids
    pq.write_table(pa.table({"title": ["t"] * len(ids), "id": ids, column: vectors, **more}), path, row_group_size=7)
    return path


def replaced(row: int, value) -> list:
    rows = X.tolist()
    rows[row] = value
    return rows


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_rows_are_found_by_shard_and_row(dtype, order, tmp_path):
    np.save(tmp_path / "x.npy", np.array(X, dtype, order=order))
    np.testing.assert_allclose(embed(tmp_path / "x.npy"), UNIT[PLACES], atol=1e-3 if dtype == np.float16 else 1e-6)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float64()),
        pa.list_(pa.float16()),
        pa.large_list(pa.float32()),
        pa.list_(pa.float32(), 6),
    ],
    ids=str,
)
@pytest.mark.parametrize("column", ["embedding", "vector"])
def test_parquet_rows_are_found_by_id(kind, column, tmp_path):
    values = X.astype(np.float16) if kind.value_type == pa.float16() else X
    path = parquet(tmp_path / "x.parquet", pa.array([list(row) for row in values], kind), column=column)
    np.testing.assert_allclose(embed(path), UNIT[PLACES], atol=2e-3 if kind.value_type == pa.float16() else 1e-6)


def test_the_column_embedding_wins_over_other_lists(tmp_path):
    other = pa.array((-X).tolist(), pa.list_(pa.float32()))
    path = parquet(tmp_path / "x.parquet", other=other, words=[["a"]] * 50)
    np.testing.assert_allclose(embed(path), UNIT[PLACES], atol=1e-6)


def test_numbers_as_ids_join_as_strings(tmp_path):
    path = parquet(tmp_path / "x.parquet", ids=list(range(50)))
    table = DOCUMENTS.set_column(0, "id", [[str(place) for place in PLACES]])
    np.testing.assert_allclose(embed(path, table), UNIT[PLACES], atol=1e-6)


def test_two_documents_with_one_id_share_a_vector(tmp_path):
    table = pa.concat_tables([DOCUMENTS, DOCUMENTS.slice(1, 1)])
    np.testing.assert_allclose(embed(parquet(tmp_path / "x.parquet"), table), UNIT[[*PLACES, 30]], atol=1e-6)


def test_faults_in_rows_that_nobody_needs_do_not_matter(tmp_path):
    path = parquet(tmp_path / "x.parquet", replaced(10, [1.0]), ids=[f"doc-{i if i != 12 else 11}" for i in range(50)])
    np.testing.assert_allclose(embed(path), UNIT[PLACES], atol=1e-6)


def test_the_fingerprint_follows_the_file(tmp_path):
    for path in (parquet(tmp_path / "x.parquet"), tmp_path / "x.npy"):
        if path.suffix == ".npy":
            np.save(path, X)
        before = make_embedder(f"precomputed:{path}", shards=SHARDS).fingerprint()
        assert make_embedder(f"precomputed:{path}", shards=SHARDS).fingerprint() == before
        os.utime(path, ns=(1, 1))
        assert make_embedder(f"precomputed:{path}", shards=SHARDS).fingerprint() != before


def test_through_embed_documents_zero_rows_are_dropped(tmp_path):
    np.save(tmp_path / "x.npy", np.where(np.arange(50)[:, None] == 29, 0, X))
    embedder = make_embedder(f"precomputed:{tmp_path / 'x.npy'}", shards=SHARDS)
    result = embed_documents(DOCUMENTS, embedder, tmp_path / "out", chunk_rows=2)
    assert result.rows.tolist() == [0, 1, 3, 4]
    np.testing.assert_allclose(np.load(result.path), UNIT[[0, 30, 49, 6]], atol=1e-3)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (X[:40], ["40 rows", "corpus has 50"]),
        (X.astype(int), ["int64", "(50, 6)"]),
        (X[0], ["(6,)"]),
        (np.array([[1, "a"]], object), ["not a readable"]),
        (np.where(np.arange(50)[:, None] == 6, np.nan, X), ["row 7", "doc-6", "NaN"]),
        (np.where(np.arange(50)[:, None] == 30, np.inf, X), ["row 31", "doc-30", "infinity"]),
    ],
    ids=["rows", "integers", "vector", "pickle", "nan", "infinity"],
)
def test_npy_faults_are_named(array, words, tmp_path):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(GemixError) as raised:
        embed(tmp_path / "x.npy")
    for word in ["x.npy", *words]:
        assert word in str(raised.value)


@pytest.mark.parametrize("name", ["x.npy", "x.parquet"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise", "folder"])
def test_unreadable_files_are_named(name, damage, tmp_path):
    path = tmp_path / name
    np.save(tmp_path / "x.npy", X)
    parquet(tmp_path / "x.parquet")
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "noise": b"\x93 noise" * 50}[damage])
    with pytest.raises(GemixError, match=name):
        embed(path)


def test_a_damaged_page_in_a_parquet_file_is_named(tmp_path):
    path = parquet(tmp_path / "x.parquet")
    content = bytearray(path.read_bytes())
    content[4:-2000] = b"\xff" * len(content[4:-2000])
    path.write_bytes(content)
    with pytest.raises(GemixError, match=r"x\.parquet"):
        embed(path)


@pytest.mark.parametrize(
    ("vectors", "ids", "words"),
    [
        (replaced(29, [1.0, 2.0]), None, ["row 30", "has 2 numbers, not 6"]),
        (replaced(0, []), None, ["row 1"]),
        ([[]] * 50, None, ["row 1", "has 0 numbers"]),
        (replaced(30, None), None, ["row 31", "null"]),
        (replaced(49, [1.0] * 5 + [None]), None, ["row 50", "null"]),
        (replaced(6, [1.0] * 5 + [float("nan")]), None, ["row 7", "doc-6", "NaN"]),
        (None, [f"doc-{i if i != 12 else 6}" for i in range(50)], ["'doc-6'", "row 13", "twice"]),
        (None, [f"doc-{i}" if i != 12 else None for i in range(50)], ["row 13", "null"]),
        (None, [f"doc-{i + 7}" for i in range(50)], ["2 of 5 ids", "'doc-0'", "'doc-6'"]),
    ],
    ids=["short", "first empty", "all empty", "null", "null inside", "nan", "twice", "null id", "missing"],
)
def test_parquet_faults_are_named(vectors, ids, words, tmp_path):
    vectors = None if vectors is None else pa.array(vectors, pa.list_(pa.float32()))
    with pytest.raises(GemixError) as raised:
        embed(parquet(tmp_path / "x.parquet", vectors, ids))
    for word in ["x.parquet", *words]:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"id": ["a"], "embedding": [[1]]}, ["'embedding'", "list<element: int64>"]),
        ({"id": ["a"], "embedding": ["1 2"], "other": [[1.0]]}, ["'embedding'", "string"]),
        ({"id": ["a"], "x": [[1.0]], "y": [[1.0]]}, ["several (x, y)"]),
        ({"id": ["a"], "x": [1.0]}, ["none"]),
        ({"key": ["a"], "embedding": [[1.0]]}, ["'id'"]),
        ({"id": [["a"]], "embedding": [[1.0]]}, ["'id'", "list<element: string>"]),
    ],
)
def test_unusable_columns_are_named(columns, words, tmp_path):
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(GemixError) as raised:
        make_embedder(f"precomputed:{tmp_path / 'x.parquet'}")
    for word in ["x.parquet", *words]:
        assert word in str(raised.value)


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(GemixError, match=r"x\.csv is neither"):
        make_embedder(f"precomputed:{tmp_path / 'x.csv'}")
