"""Dolma pins NumPy 1 and another build of fastText, so it lives in an environment of its own: DOLMA_PYTHON names it."""

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from gemix.corpus.shards import resolve_shards
from gemix.labels import label_corpus, write_domains
from gemix.labels.blocks.labeller import Labeller
from gemix.labels.exchange import DolmaAttributes, convert_labels
from gemix.labels.labelled import open_labels
from gemix.student import load_student

PYTHON = os.environ.get("DOLMA_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PYTHON is None, reason="DOLMA_PYTHON is not set: the Python of an environment with dolma"),
]


def test_the_student_loads_in_its_fasttext_tagger(student_folder: Path, documents: list[dict], tmp_path: Path) -> None:
    texts = [document["text"] for document in documents if (document["text"] or "").strip()]
    normalise = load_student(student_folder).normaliser
    task, result = tmp_path / "task.json", tmp_path / "result.json"
    task.write_text(json.dumps({"model": str(student_folder / "model.bin"), "texts": list(map(normalise, texts))}))
    subprocess.run([str(PYTHON), str(Path(__file__).with_name("run_dolma.py")), task, result], check=True)
    found = json.loads(result.read_text())
    labels = Labeller(student_folder)(texts)
    assert len(found) == len(labels)
    for (name, score, end), label, text in zip(found, labels, map(normalise, texts), strict=True):
        assert label is not None
        assert (name, end) == (f"__label__{label[0]}", len(text))
        assert score == pytest.approx(label[2], abs=2e-5)


def test_its_mixer_selects_by_our_attributes(student_folder: Path, documents: list[dict], tmp_path: Path) -> None:
    rows = [row for row in documents if (row["text"] or "").strip()]
    (tmp_path / "documents").mkdir()
    with gzip.open(tmp_path / "documents" / "a.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    shards = resolve_shards([tmp_path / "documents"])
    result = label_corpus(shards, student_folder, tmp_path / "labels")
    write_domains(result.totals, load_student(student_folder).domains, tmp_path / "labels" / "domains.csv")
    convert_labels(open_labels(shards, tmp_path / "labels"), DolmaAttributes(), tmp_path)
    stream = {
        "name": "law",
        "documents": [f"{tmp_path}/documents/*.jsonl.gz"],
        "attributes": ["gemix"],
        "output": {"path": f"{tmp_path}/mixed", "max_size_in_bytes": 10**9},
        "filter": {"include": ["$.attributes[?(@.gemix__law[0][2] >= 0.5)]"]},
    }
    (tmp_path / "mix.json").write_text(json.dumps({"streams": [stream], "processes": 1}))
    command = [str(Path(str(PYTHON)).with_name("dolma")), "-c", str(tmp_path / "mix.json"), "mix"]
    subprocess.run(command, check=True, capture_output=True)
    (out,) = (tmp_path / "mixed").iterdir()
    mixed = [json.loads(line)["id"] for line in gzip.decompress(out.read_bytes()).splitlines()]
    labels = Labeller(student_folder)([row["text"] for row in rows])
    want = [row["id"] for row, label in zip(rows, labels, strict=True) if label and label[0] == 2 and label[2] >= 0.5]
    assert mixed == want
    assert 0 < len(mixed) < len(rows)
