import json
import shutil
from pathlib import Path

import pytest

from gemix.corpus.window import Window
from gemix.runtime.errors import GemixError
from gemix.student import load_student, student_fingerprint
from gemix.student.fasttext_student import FastTextStudent
from gemix.student.normaliser import Normaliser


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("student")
    examples = [(0, "sun moon star"), (1, "fish whale shark")] * 50
    FastTextStudent.train(examples, ["sky", "sea"], Normaliser(Window(1000))).save(folder)
    return folder


@pytest.fixture
def student(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "student"))


def change(folder: Path, **values) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


@pytest.mark.parametrize("load", [load_student, student_fingerprint])
def test_missing_files_are_named(load, student, tmp_path):
    with pytest.raises(GemixError, match=r"no student in .*nowhere"):
        load(tmp_path / "nowhere")
    (student / "model.bin").unlink()
    with pytest.raises(GemixError, match=r"model\.bin"):
        load(student)


@pytest.mark.parametrize("load", [load_student, student_fingerprint])
@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, b"not a model"])
def test_a_damaged_model_is_refused(load, student, damage):
    (student / "model.bin").write_bytes(damage)
    with pytest.raises(GemixError, match="damaged"):
        load(student)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "domains": "sky"}', "{"])
def test_a_damaged_configuration_is_refused(student, content):
    (student / "config.json").write_text(content)
    with pytest.raises(GemixError, match=r"config\.json"):
        load_student(student)


def test_what_this_version_does_not_know_is_refused(student):
    change(student, version=2)
    with pytest.raises(GemixError, match="version 2"):
        load_student(student)
    change(student, version=1, kind="oracle")
    with pytest.raises(GemixError, match="oracle"):
        load_student(student)


def test_a_model_with_more_labels_than_names_is_refused(student):
    change(student, domains=["sky"])
    with pytest.raises(GemixError, match="without a name"):
        load_student(student)


def test_a_checksum_that_fits_does_not_make_a_model(student):
    import hashlib

    (student / "model.bin").write_bytes(b"still not a model")
    change(student, sha256=hashlib.sha256(b"still not a model").hexdigest())
    with pytest.raises(GemixError, match="not a fastText model"):
        load_student(student)


def test_the_model_is_a_plain_fasttext_file(student):
    import fasttext

    model = fasttext.load_model(str(student / "model.bin"))
    assert sorted(model.get_labels()) == ["__label__0", "__label__1"]
