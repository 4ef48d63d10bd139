from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.labels import sidecar
from gemix.labels.sidecar import SCHEMA, SidecarWriter


def make_rows(n: int, seed: int = 0) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    bad = rng.random(n) < 0.1
    return pa.record_batch(
        [
            pa.array([f"{'x' * rng.integers(0, 60)}{i}" for i in range(n)]),
            pa.array(rng.integers(0, 24, n), pa.int32(), mask=bad),
            pa.array(rng.random(n), pa.float32(), mask=bad),
            pa.array(rng.integers(0, 20_000, n), pa.int64(), mask=bad),
            pa.array(rng.integers(0, 5000, n), pa.int64(), mask=bad),
            pa.array(["bad_json" if b else None for b in bad], pa.string()),
        ],
        schema=SCHEMA,
    )


ROWS = make_rows(3000)


def write(path: Path, cuts: list[int]) -> bytes:
    with SidecarWriter(path) as writer:
        for start, stop in zip([0, *cuts], [*cuts, len(ROWS)], strict=True):
            writer.append(ROWS.slice(start, stop - start))
    return path.read_bytes()


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 3000), max_size=12).map(sorted))
@pytest.mark.parametrize(("rows", "id_bytes"), [(1 << 16, 1 << 26), (512, 1 << 26), (1 << 16, 5000), (700, 20_000)])
def test_bytes_depend_on_the_rows_alone(
    rows: int, id_bytes: int, tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("sidecar", numbered=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sidecar, "GROUP_ROWS", rows)
        patch.setattr(sidecar, "GROUP_ID_BYTES", id_bytes)
        assert write(folder / "a.parquet", cuts) == write(folder / "b.parquet", [])
    assert pq.read_table(folder / "a.parquet").equals(pa.Table.from_batches([ROWS]))


def test_a_group_closes_with_the_row_that_fills_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar, "GROUP_ROWS", 1000)
    monkeypatch.setattr(sidecar, "GROUP_ID_BYTES", 20_000)
    write(tmp_path / "a.parquet", [17, 1999])
    file = pq.ParquetFile(tmp_path / "a.parquet")
    groups = [file.read_row_group(i, columns=["id"])["id"].to_pylist() for i in range(file.num_row_groups)]
    for group in groups[:-1]:
        size = sum(map(len, group))
        assert len(group) == 1000 or size - len(group[-1]) < 20_000 <= size
    assert len(groups) > 4


def test_a_failure_inside_closes_the_file(tmp_path: Path) -> None:
    def fail() -> None:
        with SidecarWriter(tmp_path / "a.parquet") as writer:
            writer.append(ROWS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 0


def test_no_rows(tmp_path: Path) -> None:
    with SidecarWriter(tmp_path / "a.parquet") as writer:
        writer.append(ROWS.slice(0, 0))
    assert pq.read_table(tmp_path / "a.parquet").schema.equals(SCHEMA)
