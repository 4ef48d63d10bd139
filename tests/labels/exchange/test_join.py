import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from interchange_data import gemix, label, lines
from label_data import make_rows

from gemix.corpus.shards import resolve_shards
from gemix.labels.exchange import Join, convert_labels
from gemix.labels.exchange.join_lines import splice
from gemix.labels.labelled import LabelledCorpus, open_labels
from gemix.runtime.errors import GemixError


@pytest.mark.parametrize("name", ["a.jsonl", "b.jsonl.gz", "sub/c.jsonl.zst"])
def test_json_lines_keep_every_byte_and_gain_their_labels(
    labelled: LabelledCorpus, folder: Path, tmp_path: Path, name: str
) -> None:
    convert_labels(labelled, Join(), tmp_path / "out")
    before, after = lines(folder / "corpus" / name), lines(tmp_path / "out" / name)
    sidecar = pq.read_table(folder / "labels" / f"{name.partition('.')[0]}.parquet").to_pylist()
    assert len(before) == len(after) == len(sidecar)
    for old, new, row_label in zip(before, after, sidecar, strict=True):
        if row_label["reason"]:
            assert (row_label["reason"], new) == ("bad_json", old)
            continue
        assert new.startswith(old[:-1])
        row = json.loads(new)
        assert row.pop("domain") == row_label["domain"]
        assert row.pop("domain_name") == labelled.names[row_label["domain"]]
        assert np.float32(row.pop("domain_probability")) == np.float32(row_label["probability"])
        assert row == json.loads(old)
        assert row["id"] == row_label["id"]


def test_parquet_keeps_every_value_type_and_order(student_folder: Path, tmp_path: Path) -> None:
    n = 3000
    rng = random.Random(0)
    rows = make_rows(n, 0)
    texts = [None if i % 100 == 7 else row["text"] for i, row in enumerate(rows)]
    table = pa.table(
        {
            "id": pa.array(range(n), pa.uint32()),
            "text": pa.array(texts, pa.large_string()),
            "when": pa.array([rng.randrange(10**15) for _ in range(n)], pa.timestamp("us", "Europe/Vienna")),
            "nested": pa.array([{"a": [i, None], "b": {"c": str(i)}} for i in range(n)]),
            "category": pa.array([rng.choice("xyz") for _ in range(n)]).dictionary_encode(),
            "decimal": pa.array([None if i % 3 else i for i in range(n)], pa.decimal128(9, 2)),
            "blob": pa.array([rng.randbytes(5) for _ in range(n)], pa.binary(5)),
        }
    ).replace_schema_metadata({"huggingface": '{"info": {"features": {}}}', "mine": "kept"})
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in" / "t.parquet", row_group_size=700, compression="gzip")
    corpus = label(tmp_path / "in", student_folder)
    convert_labels(corpus, Join("topic"), tmp_path / "out")
    joined = pq.read_table(tmp_path / "out" / "t.parquet")
    assert joined.select(table.column_names).equals(pq.read_table(tmp_path / "in" / "t.parquet"))
    assert joined.column_names[-3:] == ["topic", "topic_name", "topic_probability"]
    assert joined.schema.types[-3:] == [pa.int32(), pa.string(), pa.float32()]
    sidecar = pq.read_table(tmp_path / "labels" / "t.parquet")
    assert joined["topic"].equals(sidecar["domain"])
    assert joined["topic_probability"].equals(sidecar["probability"])
    assert joined["topic_name"].null_count == sidecar["domain"].null_count == 30
    file = pq.ParquetFile(tmp_path / "out" / "t.parquet")
    assert file.metadata.row_group(0).column(0).compression == "GZIP"
    assert (joined.schema.metadata or {}).keys() == {b"mine"}


def test_odd_lines(student_folder: Path, tmp_path: Path) -> None:
    odd = [
        b'{"id": "1", "text": "oven salt", "big": 12345678901234567890123, "n": 1.000, "text2": "\\u00e9"}',
        b'{"text": "court judge", "x": NaN, "id": 7}',  # what Python writes
        b"",
        b'  { "text" : "orbit" , "id" : null }  \r',
        b"{}",
        b'{"id": "no text"}',
        b"[1, 2]",
        b"not JSON",
        b'{"text": "comet \xff"}',
        b'{"text": "probe", "id": "a", "id": "b"}',
    ]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "odd.jsonl").write_bytes(b"\n".join(odd) + b"\n\n\n")
    convert_labels(label(tmp_path / "in", student_folder), Join(), tmp_path / "out")
    found = lines(tmp_path / "out" / "odd.jsonl")
    assert len(found) == len(odd)
    for i in (2, 6, 7, 8):
        assert found[i] == odd[i]
    for i in (0, 1, 3, 9):
        assert b'"domain":' in found[i]
        assert found[i].startswith(odd[i].rstrip()[:-1])
    assert found[3].endswith(b"}  \r")
    assert found[4] == b'{"domain":null,"domain_name":null,"domain_probability":null}'
    assert json.loads(found[5]) == {
        "id": "no text", "domain": None, "domain_name": None, "domain_probability": None,
    }  # fmt: skip


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.text(), st.integers(), st.lists(st.text()))), st.booleans())
def test_splice_adds_pairs_to_any_object(content: dict[str, Any], indented: bool) -> None:
    old = json.dumps(content, indent=1 if indented else None).encode() + b" \r"
    new = splice(old, b'"\xc3\xa9":1')
    assert json.loads(new) == content | {"é": 1}
    assert new.endswith(b"} \r")


@pytest.mark.parametrize("cut", [True, False])
def test_a_damaged_file_is_copied_as_far_as_it_goes(student_folder: Path, tmp_path: Path, cut: bool) -> None:
    (tmp_path / "in").mkdir()
    rows = [json.dumps(row).encode() + b"\n" for row in make_rows(5000, 0)]
    data = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(rows)))
    if cut:
        del data[len(data) // 2 :]
    else:
        data[len(data) // 2] ^= 255
    (tmp_path / "in" / "z.jsonl.zst").write_bytes(data)
    corpus = label(tmp_path / "in", student_folder)
    code, _, err = gemix("join", tmp_path / "in", "--labels", tmp_path / "labels", "--out", tmp_path / "out")
    assert code == 0
    assert "1 files are damaged: what cannot be read of them could not be copied" in err
    found = lines(tmp_path / "out" / "z.jsonl.zst")
    assert len(found) == corpus.rows - 1
    assert all(new.startswith(old[:-2]) for new, old in zip(found, rows, strict=False))


def test_workers_and_interruptions_change_nothing(labelled: LabelledCorpus, tmp_path: Path) -> None:
    made = convert_labels(labelled, Join(), tmp_path / "one")
    assert (made.now, made.before) == (["a", "b", "d", "sub/c"], [])
    convert_labels(labelled, Join(), tmp_path / "two", workers=2)
    files = ("a.jsonl", "b.jsonl.gz", "sub/c.jsonl.zst", "d.parquet")
    found = [path for path in (tmp_path / "one").rglob("*") if path.is_file() and ".gemix" not in path.parts]
    assert {path.relative_to(tmp_path / "one").as_posix() for path in found} == set(files)
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    before = (tmp_path / "two" / "a.jsonl").read_bytes()
    (tmp_path / "two" / "a.jsonl").write_bytes(b"")
    (tmp_path / "two" / "sub" / "c.jsonl.zst").unlink()
    (tmp_path / "two" / "sub" / ".c.jsonl.zst.tmp-1").write_bytes(b"half")
    made = convert_labels(labelled, Join(), tmp_path / "two")
    assert (made.now, made.before) == (["a", "sub/c"], ["b", "d"])
    assert (tmp_path / "two" / "a.jsonl").read_bytes() == before
    assert not list((tmp_path / "two" / "sub").glob(".*"))
    assert convert_labels(labelled, Join("topic"), tmp_path / "two").before == []


@pytest.mark.parametrize("column", ["domain", "domain_name", "domain_probability"])
def test_a_column_that_is_taken_is_an_error_that_names_the_row(
    student_folder: Path, tmp_path: Path, column: str
) -> None:
    rows = make_rows(3, 0)
    rows[1][column] = "mine"
    for name in ("j", "p"):
        (tmp_path / name / "in").mkdir(parents=True)
    (tmp_path / "j" / "in" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pq.write_table(
        pa.Table.from_pylist(rows, pa.schema([(k, pa.string()) for k in rows[1]])), tmp_path / "p/in/a.parquet"
    )
    for name, where in (("j", r"a\.jsonl:2"), ("p", r"a\.parquet")):
        corpus = label(tmp_path / name / "in", student_folder)
        with pytest.raises(GemixError, match=rf"{where}: the documents have a '{column}' of their own"):
            convert_labels(corpus, Join(), tmp_path / name / "out")
        assert not list((tmp_path / name / "out").glob("a*"))


def test_the_text_is_not_written_over(labelled: LabelledCorpus, tmp_path: Path) -> None:
    with pytest.raises(GemixError, match="the documents have a 'text' of their own"):
        convert_labels(labelled, Join("text"), tmp_path / "out")


@pytest.mark.parametrize("fault", ["changed", "no marker", "no sidecar", "other sidecar"])
def test_stale_or_missing_labels_are_errors_that_name_the_file(
    student_folder: Path, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in make_rows(20, 0)))
    label(tmp_path / "in", student_folder)
    sidecar = tmp_path / "labels" / "a.parquet"
    if fault == "changed":
        path.write_text(path.read_text() + '{"text": "one more"}\n')
    elif fault == "no marker":
        (tmp_path / "labels" / "a.json").unlink()
    elif fault == "no sidecar":
        sidecar.unlink()
    else:
        pq.write_table(pq.read_table(sidecar).slice(1), sidecar)
    code, _, err = gemix("join", tmp_path / "in", "--labels", tmp_path / "labels", "--out", tmp_path / "out")
    assert code == 1
    assert f"error: 1 of 1 files have no valid labels in {tmp_path / 'labels'}" in err
    assert str(path) in err
    assert not (tmp_path / "out").exists()


def test_labels_of_other_rows_are_an_error(student_folder: Path, tmp_path: Path) -> None:
    # Not even a sidecar that its marker vouches for is believed where the ids say otherwise.
    from gemix.runtime.fingerprint import file_sha256

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in make_rows(20, 0)))
    label(tmp_path / "in", student_folder)
    sidecar, marker = tmp_path / "labels" / "a.parquet", tmp_path / "labels" / "a.json"
    table = pq.read_table(sidecar)
    for wrong, message in (
        (table.take([0, 1, 3, 2, *range(4, 20)]), r"a\.jsonl:3: this row \(id '0-2'\) is not what the same row of"),
        (table.slice(0, 19), "have not the same number of rows"),
        (pa.concat_tables([table, table]), "have not the same number of rows"),
    ):
        pq.write_table(wrong, sidecar)
        marker.write_text(json.dumps(json.loads(marker.read_text()) | {"sha256": file_sha256(sidecar)}))
        corpus = open_labels(resolve_shards([tmp_path / "in"]), tmp_path / "labels")
        with pytest.raises(GemixError, match=message):
            convert_labels(corpus, Join(), tmp_path / "out")
        assert not list((tmp_path / "out").glob("a*"))


def test_the_corpus_is_never_written_over(folder: Path, labelled: LabelledCorpus) -> None:
    code, _, err = gemix("join", folder / "corpus", "--labels", folder / "labels", "--out", folder / "corpus")
    assert code == 1
    assert "lies inside the input folder" in err
    with pytest.raises(GemixError, match="holds the input file"):
        convert_labels(labelled, Join(), folder / "corpus")


def test_the_joined_corpus_is_a_corpus(labelled: LabelledCorpus, tmp_path: Path) -> None:
    convert_labels(labelled, Join(), tmp_path / "out")
    names = [shard.name for shard in resolve_shards([tmp_path / "out"])]
    assert names == [shard.name for shard in labelled.shards]
