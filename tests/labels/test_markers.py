import json
import os
from pathlib import Path

import pytest
from label_data import FakeStudent, make_rows
from support import WORD_TOKENIZER

from gemix.corpus.shards import Shard
from gemix.labels import Reading
from gemix.labels.markers import Marker, marker_path, read_marker, sidecar_path, trusted_marker, write_marker
from gemix.labels.shard import label_shard
from gemix.runtime.errors import GemixError

SETTINGS = Reading(tokenizer=WORD_TOKENIZER).settings


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in make_rows(20, 0)))
    return Shard("a", path)


@pytest.fixture
def marker(shard: Shard, out: Path) -> Marker:
    return label_shard(shard, FakeStudent(), out, model="m1", reading=Reading(tokenizer=WORD_TOKENIZER))


def trusted(shard: Shard, out: Path, model: str = "m1", **settings: str) -> Marker | None:
    return trusted_marker(shard, out, model=model, settings=SETTINGS | settings)


def test_unchanged_labels_stand(marker: Marker, shard: Shard, out: Path) -> None:
    assert trusted(shard, out) == marker


def test_another_student_or_setting_does_not(marker: Marker, shard: Shard, out: Path) -> None:
    assert trusted(shard, out, model="m2") is None
    assert trusted(shard, out, text_key="body") is None
    assert trusted(shard, out, id_key="url") is None
    assert trusted(shard, out, tokenizer="00") is None


def test_touched_input_stands_and_refreshes_the_marker(marker: Marker, shard: Shard, out: Path) -> None:
    os.utime(shard.path, ns=(5, 5))
    refreshed = trusted(shard, out)
    assert refreshed is not None
    assert refreshed.input.mtime_ns == 5
    assert refreshed == read_marker(marker_path(out, "a"))
    assert (refreshed.input.xxh3, refreshed.sha256) == (marker.input.xxh3, marker.sha256)


def test_unchanged_time_and_size_spare_the_content_hash(
    marker: Marker, shard: Shard, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemix.runtime.fingerprint.content_hash", lambda path: pytest.fail("hashed"))
    assert trusted(shard, out) == marker


def test_changed_input_does_not(marker: Marker, shard: Shard, out: Path) -> None:
    data = shard.path.read_bytes()
    shard.path.write_bytes(data.replace(b"0-7", b"0-8"))  # the same size
    os.utime(shard.path, ns=(5, 5))
    assert trusted(shard, out) is None
    shard.path.write_bytes(data + b"{}\n")
    os.utime(shard.path, ns=(marker.input.mtime_ns, marker.input.mtime_ns))  # the same time
    assert trusted(shard, out) is None


def test_another_file_of_the_same_content_does_not(marker: Marker, shard: Shard, out: Path) -> None:
    # Its format, and so what its bytes mean, hangs on the name.
    other = shard.path.rename(shard.path.with_name("a.jsonl.zst"))
    assert trusted(Shard("a", other), out) is None


def test_damaged_sidecar_does_not(marker: Marker, shard: Shard, out: Path) -> None:
    sidecar = sidecar_path(out, "a")
    data = bytearray(sidecar.read_bytes())
    data[len(data) // 2] ^= 1  # one bit, the same size
    sidecar.write_bytes(data)
    assert trusted(shard, out) is None
    sidecar.unlink()
    assert trusted(shard, out) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b"\xff\xfe", b"{}", b"[1]"])
def test_damaged_marker_does_not(marker: Marker, shard: Shard, out: Path, damage: bytes) -> None:
    marker_path(out, "a").write_bytes(damage)
    assert trusted(shard, out) is None


def test_marker_cut_anywhere_does_not(marker: Marker, shard: Shard, out: Path) -> None:
    data = marker_path(out, "a").read_bytes()
    for end in range(0, len(data) - 2, 7):  # without the final "}"
        marker_path(out, "a").write_bytes(data[:end])
        assert trusted(shard, out) is None


@pytest.mark.parametrize("change", [{"schema": 2}, {"rows": "20"}, {"note": ""}])
def test_marker_of_another_schema_does_not(marker: Marker, shard: Shard, out: Path, change: dict[str, object]) -> None:
    value = json.loads(marker_path(out, "a").read_text())
    marker_path(out, "a").write_text(json.dumps(value | change))
    assert trusted(shard, out) is None


def test_vanished_input_is_an_error(marker: Marker, shard: Shard, out: Path) -> None:
    shard.path.unlink()
    with pytest.raises(GemixError, match=r"cannot read .*a\.jsonl: No such file"):
        trusted(shard, out)


def test_unreadable_marker_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(GemixError, match=r"cannot read .*a\.json: Is a directory"):
        read_marker(tmp_path / "a.json")


def test_a_marker_reads_back(marker: Marker, tmp_path: Path) -> None:
    write_marker(tmp_path / "again.json", marker)
    assert read_marker(tmp_path / "again.json") == marker
