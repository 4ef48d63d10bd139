import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from student_data import NAMES, teach

from gemix.corpus.window import Window
from gemix.runtime.errors import GemixError
from gemix.student import Lesson, held_out, load_student, student_fingerprint, train_student
from gemix.student.base import MODELS
from gemix.student.fasttext_training import QUOTA, select_training
from gemix.student.soften import soften


def train(n: int, folder: Path, kind: str, **options):
    documents, opinions, scores = teach(n)
    return train_student(Lesson(documents, opinions, scores), NAMES, folder, window=Window(300), kind=kind, **options)


@pytest.fixture(scope="module", params=["hashed", "fasttext"])
def trained(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("run") / "student"
    return folder, train(600, folder, request.param)


def test_it_learns_the_subjects(trained):
    folder, evaluation = trained
    assert evaluation.top1 > 0.95
    assert evaluation.top3 >= evaluation.top1
    assert evaluation.mass_drift < 0.05
    assert len(evaluation.by_confidence) == 4
    student = load_student(folder)
    domains, probabilities = student.predict(["Butter, flour & GARLIC in the oven.", "anchor the keel\nof the mast"], 2)
    assert [student.domains[d] for d in domains[:, 0]] == ["cooking", "sailing"]
    assert domains.dtype == np.int32
    assert probabilities.dtype == np.float32
    assert np.all(probabilities[:, 0] >= probabilities[:, 1])
    assert np.all((probabilities >= 0) & (probabilities <= 1))


def test_what_is_written_is_what_was_measured(trained):
    folder, evaluation = trained
    documents, opinion, _ = teach(600)
    test = held_out(documents["id"].to_pylist())
    texts = np.array(documents["text"].to_pylist(), object)[test]
    domains, _ = load_student(folder).predict(list(texts))
    assert np.mean(domains[:, 0] == opinion[test].argmax(axis=1)) == evaluation.top1
    assert evaluation.documents == test.sum()
    assert json.loads((folder / "evaluation.json").read_text()) == evaluation.model_dump()
    assert np.sum(evaluation.confusion) == evaluation.documents
    training = json.loads((folder / "config.json").read_text())["training"]
    assert training["documents"] == evaluation.training_documents <= 600 - test.sum()


def kind_of(folder: Path) -> str:
    return load_student(folder).kind


def test_another_process_makes_the_same_bytes(trained, tmp_path):
    folder, _ = trained
    script = (
        "import sys; from pathlib import Path; from test_train import train; train(600, Path(sys.argv[1]), sys.argv[2])"
    )
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(here), str(here.parent)))}
    environment |= {"NUMBA_NUM_THREADS": "3", "OMP_NUM_THREADS": "3"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path), kind_of(folder)], check=True, env=environment)
    for name in (MODELS[kind_of(folder)], "config.json", "evaluation.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert student_fingerprint(tmp_path) == student_fingerprint(folder)


def test_the_seed_matters(trained, tmp_path):
    train(600, tmp_path, kind_of(trained[0]), seed=1)
    assert student_fingerprint(tmp_path) != student_fingerprint(trained[0])


def test_a_student_of_another_kind_takes_the_place_of_the_first(tmp_path):
    for kind in ("fasttext", "hashed", "fasttext"):
        train(100, tmp_path, kind)
        assert {path.name for path in tmp_path.iterdir()} == {MODELS[kind], "config.json", "evaluation.json"}
        assert kind_of(tmp_path) == kind


def test_further_documents_are_learned_but_those_held_out(tmp_path):
    documents, opinions, _ = teach(60)
    more, more_opinions, _ = teach(400, seed=1)  # its ids begin as those of `documents`
    further = Lesson(more, more_opinions)
    alone = train_student(Lesson(documents, opinions), NAMES, tmp_path, window=Window(300))
    both = train_student(Lesson(documents, opinions), NAMES, tmp_path, window=Window(300), further=further)
    held = held_out(documents["id"].to_pylist()).sum()
    assert alone.training_documents == 60 - held
    assert both.training_documents == 460 - 2 * held
    assert both.documents == alone.documents == held
    assert load_student(tmp_path).training["documents"] == both.training_documents


def test_a_word_that_only_held_out_documents_have_is_never_learned(tmp_path):
    documents, opinions, _ = teach(300)
    test = held_out(documents["id"].to_pylist())
    texts = [f"{text} zebra" if held else text for text, held in zip(documents["text"].to_pylist(), test, strict=True)]
    marked = documents.set_column(documents.column_names.index("text"), "text", pa.array(texts))
    train_student(Lesson(marked, opinions), NAMES, tmp_path / "marked", window=Window(1000))
    train_student(Lesson(documents, opinions), NAMES, tmp_path / "plain", window=Window(1000))
    assert student_fingerprint(tmp_path / "marked") == student_fingerprint(tmp_path / "plain")


def test_the_cosine_regret_is_what_an_error_costs(tmp_path):
    documents, opinions, _ = teach(300)
    cosines = np.where(opinions > 0.5, 0.75, 0.5)
    result = train_student(Lesson(documents, opinions, cosines=cosines), NAMES, tmp_path, window=Window(300))
    assert result.cosine_regret == pytest.approx(0.25 * (1 - result.top1))


def test_names_do_not_change_the_fingerprint_and_the_window_does(trained, tmp_path):
    folder, _ = trained
    model = MODELS[kind_of(folder)]
    (tmp_path / model).write_bytes((folder / model).read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"domains": ["w", "x", "y", "z"]}))
    assert student_fingerprint(tmp_path) == student_fingerprint(folder)
    normaliser = config["normaliser"] | {"window": 299}
    (tmp_path / "config.json").write_text(json.dumps(config | {"normaliser": normaliser}))
    assert student_fingerprint(tmp_path) != student_fingerprint(folder)


def test_empty_and_odd_texts_get_a_label(trained):
    student = load_student(trained[0])
    domains, probabilities = student.predict(["", "\n", "__label__0", "数学" * 1000, "\x00"], 3)
    assert domains.shape == probabilities.shape == (5, 3)
    assert np.isfinite(probabilities).all()
    assert student.predict([])[0].shape == (0, 1)


def test_one_document_is_too_few(tmp_path):
    with pytest.raises(GemixError, match="at least two documents"):
        train(1, tmp_path, "hashed")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_handful_is_enough_for_a_hashed_student(n, tmp_path):
    evaluation = train(n, tmp_path, "hashed")
    assert evaluation.training_documents + evaluation.documents == n
    assert np.isfinite(load_student(tmp_path).predict(["any text"], 4)[1]).all()


def test_a_large_domain_gives_its_most_typical_documents():
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    scores = np.random.default_rng(0).random(100)
    chosen = select_training(labels, scores, 3)
    assert np.all(np.diff(chosen) > 0)
    assert np.bincount(labels[chosen]).tolist() == [int(np.ceil(QUOTA * 100 / 3)), 20, 10]
    large = np.flatnonzero(labels == 0)
    left_out = np.setdiff1d(large, chosen)
    assert scores[left_out].max() < scores[np.intersect1d(large, chosen)].min()


def test_softened_opinions_keep_their_order():
    opinion = np.random.default_rng(0).dirichlet(np.full(6, 0.05), 200)
    soft = soften(opinion, 5.0)
    np.testing.assert_allclose(soft.sum(axis=1), 1.0)
    np.testing.assert_array_equal(soft.argmax(axis=1), opinion.argmax(axis=1))
    assert np.all(soft.max(axis=1) <= opinion.max(axis=1) + 1e-12)
    # Ratios become their fifth roots.
    np.testing.assert_allclose(soften(np.array([[32.0, 1.0]]) / 33, 5.0)[0], [2 / 3, 1 / 3])
    assert np.isfinite(soften(np.array([[1.0, 0.0]]), 5.0)).all()
