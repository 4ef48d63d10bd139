"""map.parquet and the data of the map's panel."""

import base64
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import clustered

from gemix.report import layout, map, map_table
from gemix.report.text import plain
from gemix.run.folder import RunFolder
from gemix.run.partition import save_assignment
from gemix.runtime.errors import GemixError


@pytest.fixture
def layouts(monkeypatch):
    """Count the layouts that are made; they are random points."""
    made = []

    def fake(X, seed=0):
        made.append(len(X))
        return np.random.default_rng(len(made)).random((len(X), 2)).astype(np.float32), "UMAP"

    monkeypatch.setattr(layout, "layout", fake)
    return made


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<u2")


def rename(run, name: str) -> None:
    content = json.loads((run / "taxonomy.json").read_text())
    content["domains"][2]["name"] = name
    (run / "taxonomy.json").write_text(json.dumps(content))


def test_the_table_joins_documents_points_and_domains(run, layouts):
    (run / "map.parquet").unlink()
    table, method = map_table.map_table(run)
    assert method == "UMAP"
    assert pq.read_table(run / "map.parquet").equals(table)
    assert table.column_names == ["id", "x", "y", "domain", "name", "excerpt"]
    seed = pq.read_table(run / "seed.parquet")
    assert table["id"].equals(seed["id"])
    teacher = RunFolder(run).read_teacher()
    labels = teacher.predict(np.load(run / "embeddings" / "seed.npy"))
    np.testing.assert_array_equal(table["domain"], labels)
    names = [domain["name"] for domain in json.loads((run / "taxonomy.json").read_text())["domains"]]
    assert table["name"].to_pylist() == [names[label] for label in labels]
    assert table["excerpt"].to_pylist() == [plain(text) for text in seed["text"].to_pylist()]


def test_a_large_sample_is_cut_where_its_random_order_says(run, layouts):
    table, _ = map_table.map_table(run, most=100)
    assert layouts == [100]
    assert table["id"].equals(pq.read_table(run / "seed.parquet")["id"][:100])


def test_the_map_is_made_once(run, layouts):
    before = (run / "map.parquet").read_bytes()
    first, method = map_table.map_table(run)
    assert method == "PCA"  # as the fixture made it
    assert first.equals(map_table.map_table(run)[0])
    assert layouts == []
    assert (run / "map.parquet").read_bytes() == before


def test_new_names_and_teachers_keep_the_layout(run, layouts):
    before = pq.read_table(run / "map.parquet")
    rename(run, "a new name")
    table, _ = map_table.map_table(run)
    assert layouts == []
    assert set(table["name"].to_pylist()) > {"a new name"}
    assert table.select(["x", "y"]).equals(before.select(["x", "y"]))
    documents = pq.read_table(run / "seed.parquet")
    old = RunFolder(run).read_assignment(documents)
    save_assignment(run / "partition.parquet", documents, old._replace(domains=old.domains.max() - old.domains))
    again, _ = map_table.map_table(run)
    assert layouts == []
    assert not again["domain"].equals(table["domain"])
    assert again.select(["x", "y"]).equals(before.select(["x", "y"]))


def test_new_embeddings_make_a_new_layout(run, layouts):
    X = np.load(run / "embeddings" / "seed.npy")
    np.save(run / "embeddings" / "seed.npy", X[:, ::-1].copy())
    map_table.map_table(run)
    assert layouts == [len(X)]


@pytest.mark.parametrize("damage", [b"", b"PAR1", "half"])
def test_a_damaged_map_is_made_again(run, layouts, damage):
    path = run / "map.parquet"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if damage == "half" else damage)
    table, _ = map_table.map_table(run)
    assert len(layouts) == 1
    assert pq.read_table(path).equals(table)


def test_a_map_of_another_tool_is_made_again(run, layouts):
    pq.write_table(pa.table({"x": [1.0]}), run / "map.parquet")
    assert len(map_table.map_table(run)[0]) == 600
    assert len(layouts) == 1


def test_a_failing_write_leaves_the_old_map(run, layouts, monkeypatch):
    before = (run / "map.parquet").read_bytes()
    rename(run, "other")

    def full(table, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(GemixError, match=r"map\.parquet: No space left"):
        map_table.map_table(run)
    assert (run / "map.parquet").read_bytes() == before
    assert not list(run.glob(".map*"))


def test_the_panel_holds_every_point_in_one_scale(run):
    data = map.panel(run)
    table = pq.read_table(run / "map.parquet")
    points = np.column_stack([table["x"], table["y"]])
    shown = np.column_stack([numbers(data["x"]), numbers(data["y"])]).astype(float)
    np.testing.assert_array_equal(numbers(data["domain"]), table["domain"])
    assert shown.min() >= 0
    assert shown.max() <= 65535
    # A similarity, turned upside down: distances keep their ratio to half a step of the grid.
    span = np.ptp(points, axis=0).max()
    np.testing.assert_allclose(np.diff(shown[:, 0]), np.diff(points[:, 0]) / span * 65535, atol=1.5)
    np.testing.assert_allclose(np.diff(shown[:, 1]), -np.diff(points[:, 1]) / span * 65535, atol=1.5)
    assert [domain["documents"] for domain in data["domains"]] == np.bincount(table["domain"], minlength=4).tolist()
    assert all(len(text) <= 120 for text in data["excerpts"])
    json.dumps(data, allow_nan=False)


def test_a_name_stands_where_most_of_its_domain_is():
    random = np.random.default_rng(0)
    islands = np.vstack([random.normal([0.2, 0.8], 0.02, (300, 2)), random.normal([0.8, 0.2], 0.02, (200, 2))])
    np.testing.assert_allclose(map._densest(islands), [0.2, 0.8], atol=0.02)
    np.testing.assert_allclose(map._densest(np.array([[1.0, 0.0]])), [1.0, 0.0])


@pytest.mark.parametrize("letter", ["a", "<", '"', "語", "\U0001f600", "\u05d0"])
def test_excerpts_of_any_script_fit_into_the_page(letter):
    cut = map._excerpts([letter * 300] * 20_000)
    assert len(json.dumps(cut, ensure_ascii=False).replace("<", "\\u003c").encode()) <= map.BYTES
    assert min(len(text) for text in cut) >= 20


def test_points_in_one_place_are_drawn():
    np.testing.assert_array_equal(map._unit(np.ones((3, 2))), np.full((3, 2), 0.5))


@pytest.mark.parametrize("n", [1, 2, 59])
def test_few_documents_get_their_principal_axes(n):
    X, _ = clustered(n, 16, 2, 0.1, seed=0)
    points, method = layout.layout(X)
    assert method == "PCA"
    assert points.shape == (n, 2)
    assert np.isfinite(points).all()


def test_without_umap_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(GemixError, match=r"gemix\[report\]"):
        layout.layout(clustered(80, 16, 2, 0.1, seed=0)[0])


@pytest.mark.slow
def test_umap_keeps_clusters_apart_and_repeats_itself():
    X, truth = clustered(400, 64, 4, 0.1, seed=1, skew=0.0)
    points, method = layout.layout(X.astype(np.float16), seed=5)
    assert method == "UMAP"
    np.testing.assert_array_equal(points, layout.layout(X.astype(np.float16), seed=5)[0])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.mean(truth[apart.argmin(axis=1)] == truth) > 0.98
