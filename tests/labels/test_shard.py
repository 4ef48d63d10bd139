import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from label_data import DOMAINS, FakeStudent, contents, make_rows, temporary_files, write_corpus
from support import WORD_TOKENIZER
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from gemix.corpus.reader import read_batches
from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import Reading, sidecar
from gemix.labels.markers import Marker, marker_path, read_marker, sidecar_path
from gemix.labels.shard import SCHEMA, label_shard
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_sha256
from gemix.tokens.counter import TokenCounter


def label(shard: Shard, out: Path, student: FakeStudent | None = None, **changes: Any) -> Marker:
    others = {key: changes.pop(key) for key in ("model", "advance", "part") if key in changes}
    return label_shard(
        shard,
        student or FakeStudent(),
        out,
        **{"model": "m1"} | others,
        reading=Reading(**{"tokenizer": WORD_TOKENIZER} | changes),
    )


@pytest.mark.parametrize("name", ["a", "b", "sub/c", "d"])
def test_sidecar_is_row_by_row_what_reader_student_and_counter_say(
    shards: list[Shard], tmp_path: Path, name: str
) -> None:
    shard = next(shard for shard in shards if shard.name == name)
    marker = label(shard, tmp_path / "out")
    table = pq.read_table(sidecar_path(tmp_path / "out", name))
    assert table.schema.equals(SCHEMA)
    (batch,) = read_batches(shard, batch_rows=10_000)
    assert table["id"].to_pylist() == batch.ids.to_pylist()
    assert table["reason"].to_pylist() == batch.reasons.to_pylist()
    for row, text in zip(table.to_pylist(), batch.texts.to_pylist(), strict=True):
        if text is None:
            assert (row["domain"], row["probability"], row["tokens"]) == (None, None, None)
        else:
            labels, probabilities = FakeStudent().predict([text])
            assert (row["domain"], row["probability"]) == (labels[0, 0], probabilities[0, 0])
            assert row["tokens"] == len(text.split())
    good = table.filter(table["reason"].is_null())
    for k in range(len(DOMAINS)):
        in_k = good.filter(pa.compute.equal(good["domain"], k))
        assert marker.documents[k] == in_k.num_rows > 0
        assert marker.tokens[k] == pa.compute.sum(in_k["tokens"]).as_py()
    assert marker.rows == table.num_rows == sum(marker.documents) + marker.bad.total
    assert marker.sha256 == file_sha256(sidecar_path(tmp_path / "out", name))
    assert read_marker(marker_path(tmp_path / "out", name)) == marker


def test_bad_rows_keep_their_slot_and_are_named(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "in", {"x/a.jsonl": 600}, {})
    (shard,) = resolve_shards([corpus])
    marker = label(shard, tmp_path / "out")
    rows = pq.read_table(tmp_path / "out/x/a.parquet").to_pylist()
    assert [i + 1 for i, row in enumerate(rows) if row["reason"]] == [250, 500]
    assert rows[249] == {
        "id": "x/a:250",
        "domain": None,
        "probability": None,
        "bytes": None,
        "tokens": None,
        "reason": "bad_json",
    }
    assert marker.bad.counts == {"bad_json": 2}
    assert [str(example) for example in marker.bad.examples["bad_json"]] == ["x/a.jsonl:250", "x/a.jsonl:500"]


@pytest.mark.parametrize("text", ['{"text": ""}\n' * 3, ""])
def test_shards_without_a_document(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    marker = label(Shard("a", tmp_path / "a.jsonl"), tmp_path / "out")
    assert marker.documents == marker.tokens == [0, 0, 0]
    table = pq.read_table(tmp_path / "out/a.parquet")
    assert table.num_rows == marker.rows == marker.bad.total == text.count("\n")
    assert table.schema.equals(SCHEMA)


def test_equal_inputs_give_equal_bytes_wherever_they_lie(tmp_path: Path) -> None:
    found = []
    for place in ("here", "there/deeper"):
        corpus = write_corpus(tmp_path / place, {"a.jsonl.gz": 500}, {"d": 300})
        for path in corpus.iterdir():
            os.utime(path, ns=(0, 0))  # the one thing in a marker that is not content
        for shard in resolve_shards([corpus]):
            label(shard, tmp_path / place / "../out")
        found.append(contents(tmp_path / place / "../out"))
    assert set(found[0]) == {"a.parquet", "a.json", "d.parquet", "d.json"}
    assert found[0] == found[1]


def test_row_groups_have_a_fixed_size_and_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar, "GROUP_ROWS", 2048)
    pq.write_table(
        pa.Table.from_pylist([row | {"id": row["id"].rjust(500, "x")} for row in make_rows(40_000, 0)]),
        tmp_path / "a.parquet",
        row_group_size=1000,
    )
    start = pa.total_allocated_bytes()
    used: list[int] = []
    student = FakeStudent(lambda texts: used.append(pa.total_allocated_bytes() - start))
    label(Shard("a", tmp_path / "a.parquet"), tmp_path / "out", student)
    file = pq.ParquetFile(tmp_path / "out/a.parquet")
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert sizes[:-1] == [2048] * (len(sizes) - 1)
    assert sum(sizes) == 40_000
    assert max(used[5:]) < max(used[:5]) + 4_000_000  # the ids alone are 20 MB


def test_long_ids_close_a_row_group_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar, "GROUP_ID_BYTES", 100_000)
    rows = [row | {"id": "x" * 200 + row["id"]} for row in make_rows(2500, 0)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    label(Shard("a", tmp_path / "a.parquet"), tmp_path / "out")
    file = pq.ParquetFile(tmp_path / "out/a.parquet")
    assert file.num_row_groups == 6
    assert file.read()["id"].to_pylist() == [row["id"] for row in rows]


def test_tokens_are_those_of_the_named_counter(tmp_path: Path) -> None:
    tokenizer = Tokenizer(WordLevel({"oven": 0, "[UNK]": 1}, "[UNK]"))
    tokenizer.pre_tokenizer = Split("", "isolated")  # every character is a token
    tokenizer.save(str(tmp_path / "characters.json"))
    (tmp_path / "a.jsonl").write_text('{"text": "oven salt"}\n')
    marker = label(Shard("a", tmp_path / "a.jsonl"), tmp_path / "out", tokenizer=tmp_path / "characters.json")
    assert marker.tokens == [9, 0, 0]
    assert marker.settings["tokenizer"] == TokenCounter(tmp_path / "characters.json").fingerprint


def test_other_columns_can_be_text_and_id(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "court", "url": "u1", "id": "no", "text": "oven"}\n')
    label(Shard("a", tmp_path / "a.jsonl"), tmp_path / "out", text_key="body", id_key="url")
    (row,) = pq.read_table(tmp_path / "out/a.parquet").to_pylist()
    assert (row["id"], row["domain"]) == ("u1", 2)


def test_an_input_is_never_an_output(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(make_rows(3, 0)), tmp_path / "a.parquet")
    before = contents(tmp_path)
    with pytest.raises(GemixError, match=r"a\.parquet lies inside the output folder"):
        label(Shard("a", tmp_path / "a.parquet"), tmp_path)
    assert contents(tmp_path) == before


def test_an_input_that_grows_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "oven"}\n')

    def grow(texts: Any) -> None:
        with open(path, "a") as file:
            file.write('{"text": "court"}\n')

    with pytest.raises(GemixError, match=r"a\.jsonl changed while it was read"):
        label(Shard("a", path), tmp_path / "out", FakeStudent(grow))
    assert contents(tmp_path / "out") == {}


def test_a_fault_in_the_middle_leaves_the_old_labels_and_nothing_else(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "in", {"a.jsonl": 10_000}, {})
    (shard,) = resolve_shards([corpus])
    label(shard, tmp_path / "out")
    before = contents(tmp_path / "out")
    calls: list[int] = []

    def fail_late(texts: Any) -> None:
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(shard, tmp_path / "out", FakeStudent(fail_late), model="m2")
    assert contents(tmp_path / "out") == before
    assert not temporary_files(tmp_path / "out")


def test_unwritable_output_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "oven"}\n')
    (tmp_path / "file").write_text("")
    with pytest.raises(GemixError, match=r"cannot write .*file/out/a\.parquet: Not a directory"):
        label(Shard("a", tmp_path / "a.jsonl"), tmp_path / "file" / "out")
