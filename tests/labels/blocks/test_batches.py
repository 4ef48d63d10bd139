import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gemix.labels.blocks.batches import DomainLabels
from gemix.runtime.errors import GemixError
from gemix.student import load_student


@pytest.fixture
def label(student_folder: Path) -> DomainLabels:
    return DomainLabels(student_folder)


@pytest.fixture
def want(student_folder: Path, documents: list[dict]) -> list[tuple[Any, Any, Any]]:
    """Number, name and probability of each document's domain, by the student itself."""
    student = load_student(student_folder)
    rows: list[tuple[Any, Any, Any]] = []
    for document in documents:
        if not (document["text"] or "").strip():
            rows.append((None, None, None))
            continue
        labels, probabilities = student.predict([document["text"]])
        rows.append((int(labels[0, 0]), student.domains[labels[0, 0]], float(probabilities[0, 0])))
    return rows


@pytest.fixture
def table(documents: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(documents)


def triples(columns: Any) -> list[tuple[Any, Any, Any]]:
    names = ("domain", "domain_name", "domain_probability")
    return list(zip(*(list(columns[name]) for name in names), strict=True))


def test_arrow(label: DomainLabels, table: pa.Table, want: list[tuple]) -> None:
    found = label(table)
    assert found.select(table.column_names).equals(table)
    assert found.schema.types[-3:] == [pa.int32(), pa.string(), pa.float32()]
    assert triples(found.to_pydict()) == want
    (batch,) = label.map_in_arrow(iter(table.to_batches()))
    assert isinstance(batch, pa.RecordBatch)
    assert triples(batch.to_pydict()) == want
    assert label.struct(table["text"]).equals(found.select(found.column_names[-3:]).to_struct_array().combine_chunks())


def test_lists(label: DomainLabels, table: pa.Table, want: list[tuple]) -> None:
    batch = table.to_pydict()
    found = label(batch)
    assert {name: found[name] for name in batch} == batch
    assert triples(found) == want
    assert "domain" not in batch


def test_numpy(label: DomainLabels, table: pa.Table, want: list[tuple]) -> None:
    batch = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    found = label(batch)
    assert found["text"] is batch["text"]
    assert (found["domain"].dtype, found["domain_probability"].dtype) == (np.int32, np.float32)
    assert found["domain"].tolist() == [-1 if k is None else k for k, _, _ in want]
    assert found["domain_name"].tolist() == [name for _, name, _ in want]
    assert np.isnan(found["domain_probability"][7])


def test_pandas(label: DomainLabels, table: pa.Table, want: list[tuple]) -> None:
    pd = pytest.importorskip("pandas")
    frame = table.to_pandas()
    frame.index = frame.index[::-1]  # the labels go by place
    (found,) = label.map_in_pandas(iter([frame]))
    assert found.index.equals(frame.index)
    assert found[frame.columns].equals(frame)
    assert found["domain"].isna().tolist() == [k is None for k, _, _ in want]
    assert [None if pd.isna(k) else k for k in found["domain"]] == [k for k, _, _ in want]
    assert [None if pd.isna(name) else name for name in found["domain_name"]] == [name for _, name, _ in want]


def test_an_empty_batch(label: DomainLabels, table: pa.Table) -> None:
    assert label(table.slice(0, 0)).num_columns == table.num_columns + 3
    assert label({"text": []})["domain"] == []
    assert label({"text": np.array([], object)})["domain"].shape == (0,)


def test_text_that_is_no_utf8_has_no_label(label: DomainLabels) -> None:
    assert label({"text": ["oven", "a\ud800b", 7, b"oven"]})["domain"] == [0, None, None, None]


def test_other_names(student_folder: Path) -> None:
    found = DomainLabels(student_folder, text_key="body", key="topic")({"body": ["oven salt"]})
    assert list(found) == ["body", "topic", "topic_name", "topic_probability"]
    assert DomainLabels(student_folder, key="topic").spark_schema("id long") == (
        "id long, topic int, topic_name string, topic_probability float"
    )


def test_what_cannot_be_labelled_is_an_error(label: DomainLabels, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no column 'text'; there are 'body'"):
        label({"body": ["x"]})
    with pytest.raises(ValueError, match="the batch has a column 'domain_name' of its own"):
        label({"text": ["x"], "domain_name": ["y"]})
    with pytest.raises(TypeError, match="not list"):
        label(["text"])
    with pytest.raises(GemixError, match="no student in"):
        DomainLabels(tmp_path)({"text": ["x"]})


def test_it_travels_without_the_model(label: DomainLabels, table: pa.Table) -> None:
    label(table)
    data = pickle.dumps(label)
    assert len(data) < 1000
    assert pickle.loads(data)(table).equals(label(table))


def test_hugging_face_datasets(label: DomainLabels, table: pa.Table, want: list[tuple]) -> None:
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed: pip install datasets")
    dataset = datasets.Dataset(table)
    found = dataset.map(label, batched=True, batch_size=64, load_from_cache_file=False)
    assert [(row["domain"], row["domain_name"], row["domain_probability"]) for row in found] == want
    assert found["id"][:] == table["id"].to_pylist()
    arrow = dataset.with_format("arrow").map(label, batched=True, batch_size=64, load_from_cache_file=False)
    assert triples(arrow.with_format(None).to_dict()) == want


def test_daft(label: DomainLabels, table: pa.Table, want: list[tuple]) -> None:
    daft = pytest.importorskip("daft", reason="Daft is not installed: pip install daft")
    types = {
        "domain": daft.DataType.int32(),
        "domain_name": daft.DataType.string(),
        "domain_probability": daft.DataType.float32(),
    }

    @daft.func.batch(return_dtype=daft.DataType.struct(types))
    def domains(text: Any) -> Any:
        return label.struct(text.to_arrow())

    found = daft.from_arrow(table).with_column("label", domains(daft.col("text"))).to_pydict()
    assert found["id"] == table["id"].to_pylist()
    assert [tuple((row or dict.fromkeys(types)).values()) for row in found["label"]] == want


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    pytest.importorskip("ray.data", reason='Ray Data is not installed: pip install "ray[data]"')
    ray.init(address="local", num_cpus=1, include_dashboard=False, object_store_memory=100 << 20, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.slow
def test_ray_data(ray: Any, student_folder: Path, table: pa.Table, want: list[tuple]) -> None:
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = ray.data.from_arrow(table).map_batches(DomainLabels(student_folder), batch_size=64).take_all()
    by_id = {row["id"]: row for row in rows}
    assert len(rows) == len(want)
    found = [by_id[i]["domain"] for i in table["id"].to_pylist()]
    assert found == [-1 if k is None else k for k, _, _ in want]
    actors = ray.data.from_arrow(table).map_batches(
        DomainLabels,
        fn_constructor_args=(student_folder,),
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    by_id = {row["id"]: row for row in actors.take_all()}
    assert [by_id[i]["domain"] for i in table["id"].to_pylist()] == [k for k, _, _ in want]


@pytest.mark.slow
def test_spark(label: DomainLabels, table: pa.Table, want: list[tuple], monkeypatch: pytest.MonkeyPatch) -> None:
    sql = pytest.importorskip("pyspark.sql", reason="Spark is not installed: pip install pyspark, and Java")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setitem(os.environ, "SPARK_LOCAL_IP", "127.0.0.1")
    session = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        schema = "id string, text string, source string"
        frame = session.createDataFrame([tuple(row.values()) for row in table.to_pylist()], schema)
        for labelled in (
            frame.mapInPandas(label.map_in_pandas, label.spark_schema(schema)),
            frame.mapInArrow(label.map_in_arrow, label.spark_schema(schema)),
        ):
            rows = labelled.collect()
            assert [row["id"] for row in rows] == table["id"].to_pylist()
            assert [(row["domain"], row["domain_name"]) for row in rows] == [(k, name) for k, name, _ in want]
    finally:
        session.stop()


def test_a_student_at_a_url_is_loaded(student_folder: Path, documents: list[dict], table: pa.Table) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.put(str(student_folder) + "/", "/models/student/", recursive=True)
    try:
        there = pickle.loads(pickle.dumps(DomainLabels("memory://models/student")))
        assert there(table).equals(DomainLabels(student_folder)(table))
        with pytest.raises(GemixError, match="memory://models/none"):
            DomainLabels("memory://models/none")(table)
    finally:
        store.rm("/models", recursive=True)
