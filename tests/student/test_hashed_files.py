import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gemix.corpus.window import Window
from gemix.runtime.errors import GemixError
from gemix.student import load_student, student_fingerprint
from gemix.student.characters import characters
from gemix.student.hashed_student import HashedReader, HashedStudent

TEXTS = ["One two THREE", "", "quatre — ЧЕТЫРЕ 五", "x" * 2000]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("student")
    rng = np.random.default_rng(0)
    weights, bias = rng.normal(size=(1 << 10, 3)).astype(np.float32), rng.normal(size=3)
    reader = HashedReader(Window(100), 10, characters())
    HashedStudent.quantised(weights, bias, ["a", "b", "c"], reader, {"documents": 7}).save(folder)
    return folder


@pytest.fixture
def student(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "student"))


def change(folder: Path, **values) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def rewrite(folder: Path, **tensors) -> None:
    """Put other tensors into the model, and its checksum into config.json; None takes one away."""
    path = folder / "model.safetensors"
    kept = {name: value for name, value in (load_file(path) | tensors).items() if value is not None}
    save_file(kept, path)
    change(folder, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_what_is_loaded_predicts_what_was_saved(saved, tmp_path):
    student = load_student(saved)
    assert (student.kind, student.domains, student.training) == ("hashed", ["a", "b", "c"], {"documents": 7})
    student.save(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == (saved / "model.safetensors").read_bytes()
    for a, b in zip(student.predict(TEXTS, 3), load_student(tmp_path).predict(TEXTS, 3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert student.predict(TEXTS, 9)[0].shape == (4, 3)
    assert student.predict([], 2)[0].shape == (0, 2)


def test_rounding_keeps_weights_to_a_part_in_65_000(saved):
    weights = np.random.default_rng(0).normal(size=(1 << 10, 3)).astype(np.float32)
    tensors = load_file(saved / "model.safetensors")
    assert np.abs(tensors["rows"] * tensors["scale"] - weights).max() <= tensors["scale"][0] / 2 * (1 + 1e-2)
    assert np.abs(tensors["rows"]).max() == 32767


def test_a_window_that_could_overflow_gets_coarser_weights():
    reader = HashedReader(Window(1_000_000), 10, characters())
    student = HashedStudent.quantised(np.ones((1 << 10, 2), np.float32), np.zeros(2), ["a", "b"], reader, {})
    assert int(student._weights.rows.max()) * (2 * 1_000_000 + 2) < 2**31
    assert student.predict(["中" * 900_000])[1][0, 0] == 0.5


def test_weights_of_zero_are_a_model_too():
    reader = HashedReader(Window(10), 10, characters())
    student = HashedStudent.quantised(np.zeros((1 << 10, 2), np.float32), np.log([1.0, 3.0]), ["a", "b"], reader, {})
    labels, probabilities = student.predict(["any word"], 2)
    assert labels.tolist() == [[1, 0]]
    np.testing.assert_allclose(probabilities, [[0.75, 0.25]])


@pytest.mark.parametrize("load", [load_student, student_fingerprint])
@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, None])
def test_a_damaged_or_missing_model_is_refused(load, student, damage):
    path = student / "model.safetensors"
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(GemixError, match=r"model\.safetensors"):
        load(student)


def test_a_checksum_that_fits_does_not_make_a_model(student):
    (student / "model.safetensors").write_bytes(b"not a model")
    change(student, sha256=hashlib.sha256(b"not a model").hexdigest())
    with pytest.raises(GemixError, match="not a hashed student"):
        load_student(student)


@pytest.mark.parametrize(
    ("tensors", "name"),
    [
        ({"rows": np.zeros((1 << 10, 4), np.int16)}, "rows"),
        ({"rows": np.zeros((1 << 10, 3), np.float32)}, "rows"),
        ({"bias": np.zeros(2)}, "bias"),
        ({"scale": None}, "scale"),
        ({"folds": np.zeros(9, np.uint16)}, "folds"),
    ],
)
def test_tensors_that_do_not_fit_are_named(student, tensors, name):
    rewrite(student, **tensors)
    with pytest.raises(GemixError, match=f"{name} does not fit"):
        load_student(student)


@pytest.mark.parametrize(
    ("normaliser", "words"),
    [
        ({}, "does not say how"),
        ({"rules": "others", "window": 10, "bits": 10}, "others"),
        ({"window": 0}, "cannot be"),
        ({"bits": 99}, "cannot be"),
        ({"bits": "10"}, "cannot be"),
    ],
)
def test_other_rules_are_refused(student, normaliser, words):
    known = json.loads((student / "config.json").read_text())["normaliser"]
    change(student, normaliser=known | normaliser if normaliser and "rules" not in normaliser else normaliser)
    with pytest.raises(GemixError, match=words):
        load_student(student)


def test_names_and_window(student):
    before = student_fingerprint(student)
    change(student, domains=["x", "y", "z"])
    assert student_fingerprint(student) == before
    known = json.loads((student / "config.json").read_text())["normaliser"]
    change(student, normaliser=known | {"window": 99})
    assert student_fingerprint(student) != before
