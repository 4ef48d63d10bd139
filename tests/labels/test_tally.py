import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_data import FakeStudent
from support import WORD_TOKENIZER

from gemix.corpus.shards import Shard
from gemix.labels import Reading, counts, tally
from gemix.labels.markers import Marker
from gemix.labels.shard import label_shard


def label(folder: Path, rows: list[dict[str, Any]], **keys: str) -> Marker:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return label_shard(
        Shard("a", path),
        FakeStudent(),
        folder / "out",
        model="m",
        reading=Reading(**{"tokenizer": WORD_TOKENIZER} | keys),
    )


def test_bytes_and_confidence(tmp_path: Path) -> None:
    marker = label(tmp_path, [{"text": "oven salt"}, {"text": "oven é"}, {"text": "court"}, {"text": ""}])
    assert marker.documents == [2, 0, 1]
    assert marker.bytes == [9 + 7, 0, 5]
    shares = [np.float32(3 / 5), np.float32(2 / 4), np.float32(2 / 4)]
    millionths = [round(float(share) * 1e6) for share in shares]
    assert marker.confidence == [millionths[0] + millionths[1], 0, millionths[2]]
    assert marker.confidence_squares == [360_000 + 250_000, 0, 250_000]
    assert marker.by_source is None
    assert marker.by_month is None


def test_what_a_source_can_be(tmp_path: Path) -> None:
    values = ["web", "web", 7, True, 1.5, None, ["web"], {"a": 1}, "", "x" * 300, "(other)"]
    rows = [{"text": "oven", "source": value} for value in values] + [{"text": "court"}, {"source": "bad row"}]
    found = label(tmp_path, rows, source_key="source").by_source
    assert found is not None
    assert found.column == "source"
    one = {0: [1, 1, 4]}
    assert found.values == {
        "": one, "(other)": one, "1.5": one, "7": one, "true": one, "web": {0: [2, 2, 8]}, "x" * 200: one,
    }  # fmt: skip
    assert found.missing == {0: [1, 1, 4], 2: [1, 1, 5]}
    assert found.unreadable == {0: [2, 2, 8]}
    assert found.other == {}


def test_months(tmp_path: Path) -> None:
    dates = ["2024-01-31", 20240101, "2023-12-31T00:00:00Z", "soon", None]
    found = label(tmp_path, [{"text": "oven", "when": when} for when in dates], date_key="when").by_month
    assert found is not None
    assert found.values == {"2023-12": {0: [1, 1, 4]}, "2024-01": {0: [2, 2, 8]}}
    assert found.unreadable == found.missing == {0: [1, 1, 4]}


def test_more_values_than_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (counts, tally):
        monkeypatch.setattr(module, "LIMIT", 50)
    names = [f"host-{i % 2000}" for i in range(5000)]
    found = label(tmp_path, [{"text": "oven", "source": name} for name in names], source_key="source").by_source
    assert found is not None
    smallest = sorted(set(names), key=counts.value_hash)[:50]
    assert found.values == {
        name: {0: [names.count(name), names.count(name), 4 * names.count(name)]} for name in smallest
    }
    assert list(found.values) == sorted(smallest)
    assert found.other[0][0] == 5000 - sum(names.count(name) for name in smallest)


def test_memory_for_values_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (counts, tally):
        monkeypatch.setattr(module, "LIMIT", 50)
    column = tally._ColumnTally("source", 3, tally._source)
    most = 0
    for start in range(0, 20_000, 100):
        column.add([f"v{i}" for i in range(start, start + 100)], np.zeros(100, int), np.ones((100, 3), np.int64))
        most = max(most, len(column.counts.values))
    assert most <= 200
    assert len(column.finish().values) == 50
