"""The distill stage: what the settings of a run mean for its student."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import make_documents, write_jsonl
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.embed import embed_documents, embed_further, make_embedder
from gemix.runtime.errors import GemixError
from gemix.student import held_out, load_student


def gemix(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result.stderr


def make(folder: Path, sample: int, embedder: str = "lsa") -> Path:
    """A run of some of 600 documents, whose domains are named and whose student is to be made."""
    corpus = write_jsonl(folder / "corpus.jsonl", make_documents(600))
    run = folder / "run"
    settings = ["--workers", "1", "--window", "400", "--sample", sample, "--embedder", embedder]
    gemix("embed", corpus, "--out", run, *settings)
    gemix("fit", run, "--clusters", "4")
    gemix("name", run)
    return run


@pytest.fixture(scope="module")
def named(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("run"), 400)


@pytest.fixture
def run(named, tmp_path) -> Path:
    return Path(shutil.copytree(named, tmp_path / "run"))


def training(run: Path) -> dict:
    return json.loads((run / "student" / "config.json").read_text())["training"]


def held(run: Path) -> int:
    return int(held_out(pq.read_table(run / "seed.parquet", columns=["id"])["id"].to_pylist()).sum())


def test_the_hashed_student_is_the_default_and_knows_the_teachers_words(run):
    gemix("distill", run)
    assert load_student(run / "student").kind == "hashed"
    assert training(run)["documents"] == 400 - held(run)
    assert training(run)["words"] == len(np.load(run / "embeddings" / "words" / "seed.npy")) > 50
    assert training(run)["words_in_context"] is False  # of LSA


def test_words_are_read_in_context_where_the_embedder_tells_its_tokens(tmp_path):
    run = make(tmp_path, 60, "minilm")
    said = gemix("distill", run, "--student-sample", 10, "--workers", "1")
    assert f"words in context: {70 - held(run)} documents" in said  # none that is held out
    assert training(run)["words_in_context"] is True
    model = (run / "student" / "model.safetensors").read_bytes()
    shutil.rmtree(run / "student")
    gemix("distill", run, "--workers", "2")
    assert (run / "student" / "model.safetensors").read_bytes() == model


def test_a_fasttext_student_on_demand(run):
    gemix("distill", run, "--student-kind", "fasttext")
    assert load_student(run / "student").kind == "fasttext"
    assert "nothing changed" in gemix("distill", run)  # the setting is kept
    assert "nothing changed" not in gemix("distill", run, "--student-kind", "hashed")
    assert {path.name for path in (run / "student").iterdir()} == {
        "model.safetensors", "config.json", "evaluation.json", "names.json",
    }  # fmt: skip


def test_more_documents_of_the_corpus(run):
    gemix("distill", run)
    alone = json.loads((run / "student" / "evaluation.json").read_text())
    gemix("distill", run, "--student-sample", 150)
    more = json.loads((run / "student" / "evaluation.json").read_text())
    assert more["training_documents"] == alone["training_documents"] + 150
    assert more["documents"] == alone["documents"] == held(run)
    gemix("distill", run, "--student-sample", 5000)
    assert training(run)["documents"] == 600 - held(run)


def test_a_corpus_without_more_documents_is_no_fault(tmp_path):
    run = make(tmp_path, 600)
    assert "no documents beyond the seed sample" in gemix("distill", run, "--student-sample", 10)
    assert training(run)["documents"] == 600 - held(run)


def test_distilling_needs_no_corpus_unless_it_takes_more_of_it(run):
    ledger = json.loads((run / "run.json").read_text())
    ledger["stages"]["embed"]["config"]["inputs"] = ["/nowhere.jsonl"]
    (run / "run.json").write_text(json.dumps(ledger))
    gemix("distill", run)
    result = CliRunner().invoke(app, ["distill", str(run), "--student-sample", "10"])
    assert result.exit_code == 1
    assert "nowhere" in result.stderr


def test_more_documents_are_not_for_fasttext(run):
    result = CliRunner().invoke(app, ["distill", str(run), "--student-kind", "fasttext", "--student-sample", "10"])
    assert result.exit_code == 1
    assert "a student-sample needs student-kind hashed" in result.stderr


def test_vectors_that_exist_already_have_no_words(tmp_path):
    documents = make_documents(600)
    subjects = sorted({document["subject"] for document in documents})
    rng = np.random.default_rng(0)
    vectors = np.eye(8)[[subjects.index(document["subject"]) for document in documents]] + rng.normal(0, 0.1, (600, 8))
    np.save(tmp_path / "vectors.npy", vectors.astype(np.float32))
    run = make(tmp_path, 400, f"precomputed:{tmp_path / 'vectors.npy'}")
    gemix("distill", run, "--student-sample", 100)
    assert training(run)["words"] == 0
    assert training(run)["documents"] == 500 - held(run)


def test_further_vectors_lie_in_the_space_of_the_sample(tmp_path):
    documents = pa.Table.from_pylist(make_documents(200))
    for centre in (False, True):
        space = tmp_path / f"{centre}"
        first = embed_documents(documents, make_embedder("lsa"), space, centre=centre)
        again = embed_further(documents, make_embedder("lsa"), space / "again", seed=documents, space=space)
        np.testing.assert_allclose(np.load(again.path), np.load(first.path), atol=1e-3)
        part = embed_further(documents.slice(50, 9), make_embedder("lsa"), space / "part", seed=documents, space=space)
        np.testing.assert_allclose(np.load(part.path), np.load(first.path)[50:59], atol=1e-3)


def test_another_embedder_than_the_samples_is_refused(tmp_path):
    documents = pa.Table.from_pylist(make_documents(50))
    embed_documents(documents, make_embedder("lsa"), tmp_path)
    other = make_embedder("lsa")
    other.name = "other"
    with pytest.raises(GemixError, match="embedded by lsa, not by other"):
        embed_further(documents, other, tmp_path / "more", seed=documents, space=tmp_path)
    with pytest.raises(GemixError, match="cannot read"):
        embed_further(documents, make_embedder("lsa"), tmp_path / "more", seed=documents, space=tmp_path / "nowhere")
