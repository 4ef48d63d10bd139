import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zstandard
from interchange_data import gemix, label
from label_data import make_rows, save_student
from support import store_settings

from gemix.corpus.reader import read_batches
from gemix.labels.exchange import DolmaAttributes, JsonLines, WebOrganizer, convert_labels
from gemix.labels.exchange.dolma import tag_names
from gemix.labels.exchange.weborganizer import log_probabilities
from gemix.labels.labelled import LabelledCorpus
from gemix.runtime.errors import GemixError
from gemix.student import load_student

NAMES = ["a", "b", "d", "sub/c"]


def sidecar(folder: Path, name: str) -> list[dict]:
    return pq.read_table(folder / "labels" / f"{name}.parquet").to_pylist()


def read_zst(path: Path) -> list[dict]:
    data = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    return [json.loads(line) for line in data.splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_json_lines(labelled: LabelledCorpus, folder: Path, tmp_path: Path, name: str) -> None:
    convert_labels(labelled, JsonLines(), tmp_path)
    rows = read_zst(tmp_path / f"{name}.jsonl.zst")
    want = sidecar(folder, name)
    assert [row.pop("name") for row in rows] == [
        None if row["domain"] is None else labelled.names[row["domain"]] for row in want
    ]
    for row in rows:
        row["probability"] = None if row["probability"] is None else float(np.float32(row["probability"]))
    assert rows == want


def test_dolma_attributes_line_up_with_the_documents(labelled: LabelledCorpus, folder: Path, tmp_path: Path) -> None:
    convert_labels(labelled, DolmaAttributes("my-run"), tmp_path)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jsonl*"))
    assert files == [f"attributes/my-run/{file}" for file in ("a.jsonl", "b.jsonl.gz", "d.jsonl.gz", "sub/c.jsonl.zst")]
    for shard in labelled.shards:
        path = next(tmp_path / file for file in files if f"/{shard.name}." in file)
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".zst":
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        lines = [json.loads(line) for line in data.splitlines()]
        texts = [text for batch in read_batches(shard) for text in batch.texts.to_pylist()]
        want = sidecar(folder, shard.name)
        assert len(lines) == len(texts) == len(want)
        for line, text, row in zip(lines, texts, want, strict=True):
            assert line["id"] == row["id"]
            if row["reason"]:
                assert line["attributes"] == {}
                continue
            assert line["source"] == "made"
            ((tag, ((start, end, score),)),) = line["attributes"].items()
            assert tag == f"my_run__{labelled.names[row['domain']]}"
            assert (start, end, np.float32(score)) == (0, len(text), np.float32(row["probability"]))


def test_spans_count_characters(student_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(json.dumps({"text": "oven 🍕é"}) + "\n")
    convert_labels(label(tmp_path / "in", student_folder), DolmaAttributes(), tmp_path / "out")
    (line,) = (tmp_path / "out" / "attributes" / "gemix" / "a.jsonl").read_text().splitlines()
    ((span,),) = json.loads(line)["attributes"].values()
    assert span[:2] == [0, 7]


def test_tags_are_identifiers_and_differ() -> None:
    tags = tag_names("run 1", ["food-recipe", "food recipe", "été", "law"])
    assert tags == ["run_1__food_recipe_0", "run_1__food_recipe_1", "run_1___t_", "run_1__law"]
    assert all(re.fullmatch(r"\w+", tag) for tag in tags)


def test_weborganizer_arrays(labelled: LabelledCorpus, folder: Path, student_folder: Path, tmp_path: Path) -> None:
    convert_labels(labelled, WebOrganizer("gemix", str(student_folder)), tmp_path)
    student = load_student(student_folder)
    for shard in labelled.shards:
        choice = np.load(tmp_path / "domains_gemix" / f"{shard.name}__choice.npy")
        logits = np.load(tmp_path / "domains_gemix__logits" / f"{shard.name}__logits.npy")
        tokens = np.load(tmp_path / "tokens" / f"{shard.name}.npy")
        want = sidecar(folder, shard.name)
        bad = np.array([row["reason"] is not None for row in want])
        assert (choice.dtype, tokens.dtype, logits.dtype) == (np.int64, np.int64, np.float32)
        assert choice.tolist() == [-1 if row["domain"] is None else row["domain"] for row in want]
        assert tokens.tolist() == [row["tokens"] or 0 for row in want]
        assert logits.shape == (len(want), 3)
        assert np.isnan(logits[bad]).all()
        assert np.array_equal(logits[~bad].argmax(axis=1), choice[~bad])
        texts = [text for batch in read_batches(shard) for text in batch.good_texts.to_pylist()]
        for text, row in zip(texts[:50], logits[~bad][:50], strict=True):
            labels, probabilities = student.predict([text], top=3)
            assert np.allclose(np.exp(row[labels[0]]), probabilities[0], atol=1e-6)


def test_weborganizer_without_a_student_has_no_logits(labelled: LabelledCorpus, tmp_path: Path) -> None:
    convert_labels(labelled, WebOrganizer(), tmp_path)
    assert not (tmp_path / "domains_gemix__logits").exists()
    assert len(list(tmp_path.rglob("*.npy"))) == 8


def test_equal_probabilities_leave_the_choice_where_it_is() -> None:
    class Certain:
        domains = ("x", "y", "z", "unknown")

        def predict(self, texts: list[str], top: int) -> tuple[np.ndarray, np.ndarray]:
            return np.array([[2, 0, 1]], np.int32), np.array([[0.5, 0.5, 0.0]], np.float32)

    (row,) = log_probabilities(Certain(), ["text"])  # type: ignore[arg-type]
    assert row.argmax() == 2
    assert np.exp(row) == pytest.approx([0.5, 0, 0.5, 0])


def test_only_the_student_of_the_labels_gives_logits(labelled: LabelledCorpus, tmp_path: Path) -> None:
    other = save_student(tmp_path / "other", seed=1)
    with pytest.raises(GemixError, match="is not the student that made these labels"):
        convert_labels(labelled, WebOrganizer(student=str(other)), tmp_path / "out")


def test_a_shard_without_rows(student_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text("")
    (tmp_path / "in" / "b.jsonl").write_text(json.dumps(make_rows(1, 0)[0]))
    corpus = label(tmp_path / "in", student_folder)
    convert_labels(corpus, WebOrganizer(student=str(student_folder)), tmp_path / "out")
    assert np.load(tmp_path / "out" / "domains_gemix__logits" / "a__logits.npy").shape == (0, 3)
    assert np.load(tmp_path / "out" / "tokens" / "a.npy").shape == (0,)


def test_command_line(folder: Path, student_folder: Path, tmp_path: Path) -> None:
    corpus, labels = folder / "corpus", folder / "labels"
    code, _, err = gemix(
        "convert", labels, corpus, "--to", "weborganizer", "--logits", student_folder, "--out", tmp_path / "w", "-j", 1
    )
    assert code == 0, err
    assert "2,600 rows; 4 files of the corpus now, 0 were done before" in err
    assert "8 rows have no label:\n  bad_json: 8" in err
    assert len(list((tmp_path / "w").rglob("*.npy"))) == 12
    code, _, err = gemix(
        "convert", labels, corpus, "--to", "dolma", "--logits", student_folder, "--out", tmp_path / "d"
    )
    assert (code, "--logits goes with --to weborganizer" in err) == (1, True)


def test_the_inputs_of_a_run_are_known(folder: Path, tmp_path: Path) -> None:
    code, _, err = gemix("convert", folder / "labels", "--to", "jsonl", "--out", tmp_path / "j")
    assert code == 1
    assert "give the files that were labelled" in err
    run = tmp_path / "run"
    shutil.copytree(folder / "labels", run / "labels")
    store_settings(run, inputs=[str(folder / "corpus")])
    code, _, err = gemix("convert", run / "labels", "--to", "jsonl", "--out", tmp_path / "j", "-j", 1)
    assert code == 0, err
    assert len(list((tmp_path / "j").rglob("*.jsonl.zst"))) == 4
