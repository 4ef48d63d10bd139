from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from label_data import contents, make_rows, write_corpus

from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import Launcher, Reading, parts
from gemix.labels.job import Job
from gemix.labels.launch import LabelResult, label_corpus
from gemix.labels.markers import marker_path, read_marker
from gemix.labels.parts import Content, Part, split
from gemix.runtime.errors import GemixError
from gemix.runtime.ranks import Rank
from gemix.student.base import student_fingerprint

READING = Reading(source_key="source", date_key="date")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """One large Parquet file, with bad rows and rows without an id, beside small files."""
    folder = write_corpus(tmp_path / "in", {"a.jsonl": 40}, {"c": 30})
    rows = make_rows(4000, 7)
    for i, row in enumerate(rows):
        row["id"] = None if i % 7 == 3 else row["id"]
        row["text"] = " " if i % 500 == 499 else row["text"]
        row["source"] = f"s{i // 900}"
        row["date"] = f"2024-{i // 400 + 1:02}-11"
    (folder / "sub").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "sub" / "big.parquet", row_group_size=230)
    return folder


@pytest.fixture
def shards(corpus: Path) -> list[Shard]:
    return resolve_shards([corpus])


@pytest.fixture
def whole(shards: list[Shard], student_folder: Path, tmp_path: Path) -> dict[str, bytes]:
    """The files of one worker that knows no parts."""
    label_corpus(shards, student_folder, tmp_path / "whole", READING)
    return contents(tmp_path / "whole")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes], shards: list[Shard]) -> None:
    big = next(shard for shard in shards if shard.name == "sub/big")
    monkeypatch.setattr(parts, "PART_BYTES", big.path.stat().st_size // 5)


def label(
    shards: list[Shard], student_folder: Path, out: Path, reading: Reading = READING, **options: Any
) -> LabelResult:
    return label_corpus(shards, student_folder, out, reading, launcher=Launcher(**options))


@pytest.mark.usefixtures("small_parts")
def test_parts_make_the_same_files(
    whole: dict[str, bytes], shards: list[Shard], student_folder: Path, tmp_path: Path
) -> None:
    found = label(shards, student_folder, tmp_path / "out")
    assert contents(tmp_path / "out") == whole
    assert found.labelled == ["a", "c", "sub/big"]
    assert found.totals == label(shards, student_folder, tmp_path / "whole").totals
    assert found.totals.bad.counts == {"empty_text": 8}
    again = label(shards, student_folder, tmp_path / "out", workers=2)
    assert (again.labelled, again.trusted) == ([], ["a", "c", "sub/big"])
    assert contents(tmp_path / "out") == whole


@pytest.mark.usefixtures("small_parts")
def test_processes_share_one_file(
    whole: dict[str, bytes], shards: list[Shard], student_folder: Path, tmp_path: Path
) -> None:
    label(shards, student_folder, tmp_path / "out", workers=2)
    assert contents(tmp_path / "out") == whole


@pytest.mark.usefixtures("small_parts")
def test_ranks_share_one_file(
    whole: dict[str, bytes], shards: list[Shard], student_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    labelled: list[str] = []
    for index in (2, 0):
        labelled += label(shards, student_folder, out, rank=Rank(index, 3)).labelled
    with pytest.raises(GemixError, match=r"(?s)of 3 files have no labels.*big.*without --collect"):
        label(shards, student_folder, out, collect=True)
    labelled += label(shards, student_folder, out, rank=Rank(1, 3)).labelled
    assert len(labelled) == len(set(labelled)) > 5
    again = label(shards, student_folder, out, rank=Rank(2, 3))
    assert not again.labelled
    assert set(again.trusted) < set(labelled)
    assert set(contents(out)) > {"a.parquet", "c.parquet"}
    assert "sub/big.parquet" not in contents(out)
    result = label(shards, student_folder, out, collect=True)
    assert contents(out) == whole
    assert result.totals.rows == 4070
    assert label(shards, student_folder, out, rank=Rank(0, 3)).labelled == []
    assert contents(out) == whole


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("fault", ["sidecar", "marker", "content", "half joined", "joined"])
def test_an_interruption_between_parts(
    whole: dict[str, bytes], shards: list[Shard], student_folder: Path, tmp_path: Path, fault: str
) -> None:
    out = tmp_path / "out"
    for index in range(2):
        label(shards, student_folder, out, rank=Rank(index, 2))
    left = sorted((out / ".parts" / "sub" / "big").iterdir())
    if fault == "joined":  # killed before the parts were removed
        (out / "sub").mkdir()
        for kind in ("parquet", "json"):
            (out / f"sub/big.{kind}").write_bytes(whole[f"sub/big.{kind}"])
    elif fault == "half joined":  # killed between sidecar and marker
        (out / "sub").mkdir()
        (out / "sub/big.parquet").write_bytes(whole["sub/big.parquet"])
    else:
        suffix = {"sidecar": ".parquet", "marker": ".json", "content": "content.json"}[fault]
        next(path for path in left if path.name.endswith(suffix)).unlink()
    label(shards, student_folder, out)
    assert contents(out) == whole


@pytest.mark.usefixtures("small_parts")
def test_parts_of_another_file_student_or_setting_are_made_again(
    whole: dict[str, bytes], shards: list[Shard], student_folder: Path, other_student_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    big = next(shard for shard in shards if shard.name == "sub/big")
    label(shards, other_student_folder, out, rank=Rank(0, 1))
    label(shards, student_folder, out, replace(READING, text_key="source"), rank=Rank(0, 1))
    reading = replace(READING, tokenizer=student_folder.parent / "tokenizer.json", one_in=1)
    (of_big,) = split(shards, {shard: shard.path.stat().st_size for shard in shards}).values()
    job = Job(student_folder, student_fingerprint(student_folder), out, reading)
    assert all(job.trusted(part) is None for part in of_big if isinstance(part, Part))
    label(shards, student_folder, out, rank=Rank(0, 1))
    assert all(job.trusted(part) is not None for part in of_big if isinstance(part, Part))
    data = big.path.read_bytes()
    big.path.write_bytes(data)  # only touched: the parts have no hash to know it by
    assert all(job.trusted(part) is None for part in of_big if isinstance(part, Part))
    label(shards, student_folder, out)
    assert contents(out).keys() == whole.keys()
    assert contents(out)["sub/big.parquet"] == whole["sub/big.parquet"]


@pytest.mark.usefixtures("small_parts")
def test_a_file_that_changes_between_its_parts(
    shards: list[Shard], student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = next(shard for shard in shards if shard.name == "sub/big")
    original = Job.make
    calls: list[str] = []

    def touch_later(self: Job, task: object, advance: object) -> object:
        done = original(self, task, advance)  # type: ignore[arg-type]
        if isinstance(task, Part):
            calls.append(task.name)
            if len(calls) == 2:
                big.path.touch()
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Job, "make", touch_later)
        with pytest.raises(GemixError, match=r"(?s)1 of 3 shards .*big\.parquet changed"):
            label(shards, student_folder, tmp_path / "out")
    assert label(shards, student_folder, tmp_path / "out").labelled == ["sub/big"]


def test_parts_cover_the_file_and_hang_on_nothing_else(shards: list[Shard], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {shard: shard.path.stat().st_size for shard in shards}
    assert split(shards, sizes) == {}
    big = next(shard for shard in shards if shard.name == "sub/big")
    monkeypatch.setattr(parts, "PART_BYTES", sizes[big] // 4)
    ((shard, (content, *of_big)),) = split(shards, sizes).items()
    assert shard == big
    assert isinstance(content, Content)
    groups = [part.row_groups for part in of_big if isinstance(part, Part)]
    assert groups[0][0] == 0
    assert groups[-1][1] == pq.ParquetFile(big.path).num_row_groups == 18
    assert [end for _, end in groups[:-1]] == [start for start, _ in groups[1:]]
    assert 3 <= len(groups) <= 5
    assert abs(sum(part.size for part in of_big) - sizes[big]) < 10
    assert split(shards[::-1], sizes) == {shard: [content, *of_big]}
    monkeypatch.setattr(parts, "SHARE_OF_CORPUS", 1)  # the file is less than all
    assert split(shards, sizes) == {}


def test_a_file_that_cannot_be_split_is_labelled_whole(
    shards: list[Shard], student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 100)
    one_group = Shard("one", tmp_path / "one.parquet")
    pq.write_table(pa.Table.from_pylist(make_rows(300, 0)), one_group.path)
    damaged = Shard("damaged", tmp_path / "damaged.parquet")
    damaged.path.write_bytes(b"PAR1" * 300)
    both = [damaged, one_group]
    assert split(both, {shard: shard.path.stat().st_size for shard in both}) == {}
    with pytest.raises(GemixError, match=r"(?s)1 of 2 files .*damaged\.parquet"):
        label_corpus(both, student_folder, tmp_path / "out")
    label_corpus([one_group], student_folder, tmp_path / "out")
    assert set(contents(tmp_path / "out")) == {"one.parquet", "one.json"}


@pytest.mark.usefixtures("small_parts")
def test_one_unreadable_part_fails_its_file_alone(
    shards: list[Shard], student_folder: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    big = next(shard for shard in shards if shard.name == "sub/big")
    good = big.path.read_bytes()
    column = pq.ParquetFile(big.path).metadata.row_group(9).column(1)
    bad = bytearray(good)
    start = column.data_page_offset + 20
    bad[start : start + 200] = b"\xff" * 200
    big.path.write_bytes(bad)
    with pytest.raises(GemixError, match=r"(?s)1 of 3 shards .*big\.parquet.* pieces\)"):
        label(shards, student_folder, tmp_path / "out")
    names = set(contents(tmp_path / "out"))
    assert {"a.parquet", "c.parquet"} < names
    assert "sub/big.parquet" not in names
    big.path.write_bytes(good)
    label(shards, student_folder, tmp_path / "out")
    found, expected = contents(tmp_path / "out"), dict(whole)
    big_marker = read_marker(marker_path(tmp_path / "out", "sub/big"))
    assert big_marker is not None
    before = msgspec.json.decode(expected.pop("sub/big.json"))
    now = msgspec.json.decode(found.pop("sub/big.json"))
    assert before["input"].pop("mtime_ns") != now["input"].pop("mtime_ns")
    assert now == before
    assert found == expected
