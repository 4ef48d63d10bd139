import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support import SUBJECTS, make_documents

from gemix.corpus.window import Window
from gemix.errors import GemixError
from gemix.student import load_student, student_fingerprint, train_student
from gemix.student.evaluate import held_out
from gemix.student.train import QUOTA, select_training, soften

NAMES = list(SUBJECTS)


def teach(n: int) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Documents, a teacher's opinion that is nearly always their subject, and scores."""
    documents = make_documents(n)
    truth = np.array([NAMES.index(d["subject"]) for d in documents])
    opinion = np.full((n, 4), 1e-4)
    opinion[np.arange(n), truth] = 1.0
    opinion /= opinion.sum(axis=1, keepdims=True)
    return pa.Table.from_pylist(documents), opinion, np.random.default_rng(0).random(n)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "student"
    return folder, train_student(*teach(600), NAMES, folder, window=Window(300))


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
    training = json.loads((folder / "config.json").read_text())["training"]
    assert training["documents"] == evaluation.training_documents <= 600 - test.sum()


def test_another_process_makes_the_same_bytes(trained, tmp_path):
    folder, _ = trained
    script = (
        "import sys; from pathlib import Path; from student.test_train import NAMES, Window, teach, train_student;"
        "train_student(*teach(600), NAMES, Path(sys.argv[1]), window=Window(300))"
    )
    tests = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=tests)
    for name in ("model.bin", "config.json", "evaluation.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert student_fingerprint(tmp_path) == student_fingerprint(folder)


def test_the_seed_matters(trained, tmp_path):
    train_student(*teach(600), NAMES, tmp_path, window=Window(300), seed=1)
    assert student_fingerprint(tmp_path) != student_fingerprint(trained[0])


def test_names_do_not_change_the_fingerprint_and_the_window_does(trained, tmp_path):
    folder, _ = trained
    (tmp_path / "model.bin").write_bytes((folder / "model.bin").read_bytes())
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
        train_student(*teach(1), NAMES, tmp_path, window=Window())
    assert list(tmp_path.iterdir()) == []


def test_a_large_domain_gives_its_most_typical_documents():
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    scores = np.random.default_rng(0).random(100)
    rows = np.flatnonzero(np.arange(100) % 10 > 0)
    chosen = select_training(labels, scores, rows, 3)
    quota = int(np.ceil(QUOTA * len(rows) / 3))
    assert np.all(np.diff(chosen) > 0)
    assert set(chosen) <= set(rows)
    assert np.bincount(labels[chosen]).tolist() == [quota, 18, 9]
    large = rows[labels[rows] == 0]
    left_out = np.setdiff1d(large, chosen)
    assert scores[left_out].max() < scores[np.intersect1d(large, chosen)].min()


def test_softened_opinions_keep_their_order():
    opinion = np.random.default_rng(0).dirichlet(np.full(6, 0.05), 200)
    soft = soften(opinion)
    np.testing.assert_allclose(soft.sum(axis=1), 1.0)
    np.testing.assert_array_equal(soft.argmax(axis=1), opinion.argmax(axis=1))
    assert np.all(soft.max(axis=1) <= opinion.max(axis=1) + 1e-12)
    # Ratios become their fifth roots.
    np.testing.assert_allclose(soften(np.array([[32.0, 1.0]]) / 33)[0], [2 / 3, 1 / 3])
    assert np.isfinite(soften(np.array([[1.0, 0.0]]))).all()
