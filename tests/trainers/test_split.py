"""Documents by domain as text: all of them with all their columns, read by datasets."""

import datetime
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from export_data import NAMES, contents, label, make_rows, mixture, write_layout
from installed import need
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.corpus.shards import Shard
from gemix.mix.partition import read_partition
from gemix.run.ledger import Ledger
from gemix.runtime.errors import GemixError
from gemix.runtime.map import Launcher
from gemix.trainers import DataIndex, Order, export_mixture, split_corpus
from gemix.trainers.layouts.text import columns_of, unify


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Shard], Path]:
    folder = tmp_path_factory.mktemp("corpus")
    return label(write_layout(folder / "in", make_rows(1200), 4), folder / "labels"), folder / "labels"


def read(out: Path, index: DataIndex) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for domain in index.domains:
        rows = found.setdefault(domain.name, [])
        for file in domain.files:
            path = out / file.path
            if index.layout == "parquet":
                part = pq.read_table(path).to_pylist()
            else:
                lines = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read().splitlines()
                part = [msgspec.json.decode(line) for line in lines]
            assert len(part) == file.documents
            rows += part
    return found


@pytest.mark.parametrize("form", ["parquet", "jsonl.zst"])
def test_all_documents_with_all_columns(corpus: tuple[list[Shard], Path], form: str, tmp_path: Path) -> None:
    index = split_corpus(*corpus, tmp_path, form, Order(file_bytes=20_000))
    found = read(tmp_path, index)
    expected = {row["id"]: row for row in make_rows(1200)}
    assert Counter(row["id"] for rows in found.values() for row in rows) == Counter(list(expected))
    for name, rows in found.items():
        for row in rows:
            source = expected[row["id"]]
            assert row["text"].split()[0] == name
            assert row["text"] == source["text"]
            assert (row["url"], row["score"]) == (source["url"], source["score"])
            tags = row["tags"] if isinstance(row["tags"], list) or row["tags"] is None else json.loads(row["tags"])
            assert tags in (source["tags"], None)  # the Parquet files of the corpus have none
    for domain in index.domains:
        rows = found[domain.name]
        assert domain.documents == len(rows)
        assert domain.tokens == sum(len(row["text"].split()) for row in rows)  # as the labels count
        assert domain.bytes == sum(len(row["text"].encode()) for row in rows)
        assert len(domain.files) == -(-domain.bytes // 20_000)
    assert (index.tokenizer, index.dtype, index.layout) == (
        read_partition(corpus[1] / "domains.csv").counter,
        None,
        form,
    )


@pytest.mark.parametrize("form", ["parquet", "jsonl.zst"])
def test_datasets_loads_a_domain(
    corpus: tuple[list[Shard], Path], form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = need("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    index = split_corpus(*corpus, tmp_path / "text", form, Order(file_bytes=20_000))
    for domain in index.domains[:2]:
        data = datasets.load_dataset(str(tmp_path / "text"), domain.folder, cache_dir=str(tmp_path / "cache"))
        assert set(data) == {"train"}
        assert data["train"].num_rows == domain.documents
        assert {text.split()[0] for text in data["train"]["text"]} == {domain.name}
        assert {"id", "text", "url", "score", "tags"} <= set(data["train"].column_names)


def test_a_module_for_datasets_draws_the_mixture(
    corpus: tuple[list[Shard], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    split_corpus(*corpus, tmp_path / "text", "parquet")
    weights = (0.1, 0.2, 0.3, 0.4)
    export_mixture(mixture(*weights), "hf-datasets", tmp_path / "drawn.py", data=tmp_path / "text")
    monkeypatch.syspath_prepend(str(tmp_path))
    import drawn  # type: ignore[import-not-found]

    tokens: Counter[str] = Counter()
    for _, row in zip(range(3000), drawn.load_mixture(seed=1), strict=False):
        tokens[row["text"].split()[0]] += len(row["text"].split())
    shares = [tokens[name] / tokens.total() for name in NAMES]
    assert shares == [pytest.approx(weight, abs=0.04) for weight in weights]


def test_any_number_of_workers_writes_the_same_bytes(corpus: tuple[list[Shard], Path], tmp_path: Path) -> None:
    for workers in (1, 2):
        split_corpus(*corpus, tmp_path / str(workers), "parquet", launcher=Launcher(workers))
    one, two = (
        {name: data for name, data in contents(tmp_path / str(n)).items() if not name.startswith(".gemix/")}
        for n in (1, 2)
    )
    assert one == two


def test_columns_of_all_kinds_come_together(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    lines = [
        {"id": "a", "text": "law one", "n": 1, "mixed": 1, "deep": {"x": 1}, "big": 1 << 70},
        {"id": "b", "text": "law two", "n": 2.5, "mixed": "two", "deep": {"y": ["z"]}, "only": True},
        {"id": "c", "text": "arts three"},
    ]
    (tmp_path / "in" / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = {"id": ["d"], "text": ["law four"], "n": pa.array([4], pa.int8()), "when": [datetime.date(2024, 1, 2)]}
    pq.write_table(pa.table(table), tmp_path / "in" / "b.parquet")
    shards = label(tmp_path / "in", tmp_path / "labels")
    index = split_corpus(shards, tmp_path / "labels", tmp_path / "out", "parquet")
    schemas = {pq.read_schema(path) for path in (tmp_path / "out").rglob("*.parquet")}
    assert len(schemas) == 1
    rows = {row["id"]: row for rows in read(tmp_path / "out", index).values() for row in rows}
    assert [rows[key]["n"] for key in "abcd"] == [1.0, 2.5, None, 4.0]
    assert [rows[key]["mixed"] for key in "abcd"] == ["1", "two", None, None]
    assert rows["a"]["deep"] in ({"x": 1, "y": None}, '{"x":1}')
    assert json.loads(rows["a"]["big"]) == 1 << 70
    assert [rows[key]["only"] for key in "abcd"] == [None, True, None, None]
    assert rows["d"]["when"] == "2024-01-02"


def test_what_has_no_common_type_is_text() -> None:
    schema = unify([columns_of([{"a": 1}]), columns_of([{"a": None}]), columns_of([{"a": [1]}]), columns_of([])])
    assert schema.field("a").type == pa.large_string()
    assert unify([columns_of([{"a": 1}, {"a": 2.5}])]).field("a").type == pa.float64()


def test_an_unknown_format_is_refused(corpus: tuple[list[Shard], Path], tmp_path: Path) -> None:
    with pytest.raises(GemixError, match=r"--format csv: not one of parquet, jsonl\.zst"):
        split_corpus(*corpus, tmp_path / "out", "csv")
    assert not (tmp_path / "out").exists()


def test_the_command_takes_a_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shards = label(write_layout(tmp_path / "in", make_rows(200), 2), run / "labels")
    arguments = ["labels", "split", "-o", str(tmp_path / "text"), "-j", "1", "--format", "jsonl.zst"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "in")])
    assert done.exit_code == 1
    assert "error: which labels? give a run folder, or the inputs and --labels FOLDER" in done.stderr
    ledger = Ledger(run)
    ledger.content["stages"]["embed"] = {"config": {"inputs": [str(tmp_path / "in")]}}
    (run / "run.json").write_text(json.dumps(ledger.content))
    done = CliRunner().invoke(app, [*arguments, str(run), "--rank", "0", "--world-size", "1"])
    assert done.exit_code == 0, done.output
    assert "rank 0 of 1: done; when all ranks are: the same command without --rank" in done.stderr
    done = CliRunner().invoke(app, [*arguments, str(run)])
    assert done.exit_code == 0, done.output
    assert "d0003" in done.stdout
    assert (tmp_path / "text" / "README.md").read_text().startswith('---\nconfigs:\n- config_name: "d0000"\n')
    assert len(shards) == 2
