from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.labels.overlap import overlap_of
from gemix.labels.sidecar import SCHEMA
from gemix.mix.mixture import Mixture
from gemix.mix.partition import Partition, write_partition
from gemix.runtime.errors import GemixError

COUNTER = "0123456789abcdef"


def labels(folder: Path, shards: dict[str, list[tuple[str, int | None, int]]], identity: str) -> Path:
    """Write labels of documents (id, domain, bytes) by shard, and the table of their domains, as a run has them."""
    k = 1 + max(domain for rows in shards.values() for _, domain, _ in rows if domain is not None)
    tokens = np.zeros(k, np.int64)
    for name, rows in shards.items():
        path = folder / "labels" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = [
            {"id": i, "domain": d, "probability": 1.0, "bytes": b, "tokens": b // 4, "reason": None} for i, d, b in rows
        ]
        pq.write_table(pa.Table.from_pylist(table, SCHEMA), path)
        for _, domain, size in rows:
            if domain is not None:
                tokens[domain] += size
    keys = [f"domain-{i:02}" for i in range(k)]
    partition = Partition(keys, None, tokens, np.zeros(k), np.ones(k), counter=COUNTER, identity=identity)
    (folder / "domains.csv").write_text(write_partition(partition))
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    old = {"a": [("1", 0, 100), ("2", 0, 300), ("3", 1, 50), ("x", None, 9)], "b/c": [("1", 1, 10), ("gone", 0, 7)]}
    new = {"a": [("3", 2, 50), ("2", 1, 300), ("1", 0, 100)], "b/c": [("1", 0, 10)], "d": [("9", 2, 1), ("8", 1, 1)]}
    return labels(tmp_path / "old", old, "o" * 64), labels(tmp_path / "new", new, "n" * 64)


def test_bytes_of_every_pair_of_domains(folders: tuple[Path, Path]) -> None:
    found = overlap_of(*(folder / "labels" for folder in folders))
    assert found.bytes.tolist() == [[100, 300, 0], [10, 0, 50]]
    assert (found.documents, found.old_alone, found.new_alone, found.first_alone) == (4, 1, 2, "b/c: gone")


def mixture(path: Path, weights: list[float], partition: str) -> Path:
    domains = [{"domain": f"domain-{k:02}", "weight": w} for k, w in enumerate(weights)]
    told = Mixture.model_validate({"strategy": "x", "partition": partition, "domains": domains})
    path.write_text(told.to_json())
    return path


def test_a_mixture_goes_where_its_documents_are(folders: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = folders
    told = mixture(tmp_path / "old.json", [0.4, 0.6], "o" * 64)
    out = tmp_path / "new.json"
    done = CliRunner().invoke(app, ["mix", "project", str(told), str(new), "--from", str(old), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "note: 1 documents are in" in done.stderr
    assert "42.9% of all; the first is b/c: gone" in done.stderr
    found = Mixture.model_validate_json(out.read_text())
    assert found.weights.tolist() == pytest.approx([0.4 / 4 + 0.6 / 6, 0.3, 0.5])
    assert found.grounds.verdict == "unproven"
    assert found.grounds.reason.startswith("carried from old.json (")


def test_what_cannot_be_carried_is_said(folders: tuple[Path, Path], tmp_path: Path) -> None:
    old, new = folders
    wrong = mixture(tmp_path / "wrong.json", [0.4, 0.6], "f" * 64)
    done = CliRunner().invoke(app, ["mix", "project", str(wrong), str(new), "--from", str(old)])
    assert done.exit_code == 1
    assert "partition" in done.stderr
    empty = labels(tmp_path / "empty", {"z": [("1", 0, 1)]}, "e" * 64)
    with pytest.raises(GemixError, match="no document has labels in both"):
        overlap_of(old / "labels", empty / "labels")
    twice = labels(tmp_path / "twice", {"a": [("1", 0, 1), ("1", 0, 1)]}, "e" * 64)
    with pytest.raises(GemixError, match=r"a\.parquet has an id twice"):
        overlap_of(twice / "labels", old / "labels")
