import hashlib
import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.corpus.window import Window
from gemix.runtime.errors import GemixError
from gemix.student import fasttext_student, load_student, student_fingerprint
from gemix.student.fasttext_student import FastTextStudent
from gemix.student.normaliser import Normaliser

LABELS = 7
DOMAINS = [f"domain {i}" for i in range(LABELS)]
NORMALISER = Normaliser(Window(60))
WORDS = [
    "a",
    "be",
    "sea",
    "seaside",
    "internationalisation",
    "é",
    "naïve",
    "straße",
    "日本語",
    "日本",
    "ÿ",
    "1",
    "x" * 40,
]
KINDS = {
    "softmax": {"loss": "softmax"},
    "hierarchical softmax": {"loss": "hs"},
    "one against all": {"loss": "ova"},
    "n-grams": {"loss": "softmax", "wordNgrams": 2, "minn": 2, "maxn": 4, "bucket": 500},
}


def train(folder: Path, **options) -> Path:
    """Train on lines in which each label prefers some words."""
    rng = random.Random(0)
    words = WORDS + [f"w{i}" for i in range(30)]
    lines = []
    for _ in range(600):
        label = min(int(rng.expovariate(0.4)), LABELS - 1)
        own = words[label::LABELS]
        lines.append(f"__label__{label} " + " ".join(rng.choices(own, k=4) + rng.choices(words, k=rng.randint(0, 6))))
    path = folder / "train.txt"
    path.write_text("\n".join(lines) + "\n")
    model = fasttext.train_supervised(str(path), verbose=0, thread=1, dim=12, lr=0.5, epoch=3, minCount=2, **options)
    model.save_model(str(folder / "model.bin"))
    return folder / "model.bin"


def describe(model: Path, **changes) -> Path:
    """Write the config.json that makes a student of a model; return the folder."""
    config = {"version": 1, "kind": "fasttext", "domains": DOMAINS, "normaliser": NORMALISER.to_config()}
    config["sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
    (model.parent / "config.json").write_text(json.dumps(config | changes))
    return model.parent


@pytest.fixture(scope="module", params=KINDS)
def pair(request, tmp_path_factory):
    """A student and the binding of the same model."""
    path = train(tmp_path_factory.mktemp("model"), **KINDS[request.param])
    return load_student(describe(path)), fasttext.load_model(str(path))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return describe(train(tmp_path_factory.mktemp("plain")))


TEXTS = st.lists(
    st.sampled_from([*WORDS, "SEA", "Σ", "İ", "__label__3", "</s>", "\n", "🙂", "w1", "w2"]) | st.text(max_size=12),
    max_size=30,
).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXTS, max_size=5), top=st.integers(1, LABELS + 1))
def test_labels_and_probabilities_are_those_of_the_binding(pair, texts, top):
    student, binding = pair
    labels, probabilities = student.predict(texts, top)
    assert labels.shape == probabilities.shape == (len(texts), min(top, LABELS))
    assert (labels.dtype, probabilities.dtype) == (np.int32, np.float32)
    for text, row, values in zip(texts, labels.tolist(), probabilities, strict=True):
        names, expected = binding.predict(NORMALISER(text), k=top)
        assert [f"__label__{label}" for label in row[: len(names)]] == list(names)
        np.testing.assert_allclose(values[: len(names)], np.minimum(expected, 1), atol=1e-6)
        assert not values[len(names) :].any()


def test_no_compiler_no_other_answer(plain, monkeypatch):
    texts = ["AB, sea!", "", "É日本 __label__1 w1", "Σ ΑΣ İ " * 9, "unknown", "🙂" * 50, "line\nbreak"]
    with_kernel = load_student(plain).predict(texts, top=2)
    monkeypatch.setattr(fasttext_student, "can_compile", lambda: False)
    without = load_student(plain).predict(pa.array(texts), top=2)
    assert (with_kernel[0] == without[0]).all()
    assert (with_kernel[1] == without[1]).all()


def test_a_model_that_does_not_know_the_end_of_a_line_says_nothing_about_strangers(tmp_path):
    (tmp_path / "train.txt").write_text("__label__0 a a a\n__label__1 b b b\n__label__1 b b b")
    model = fasttext.train_supervised(str(tmp_path / "train.txt"), verbose=0, thread=1, minCount=3)
    assert model.get_word_id("</s>") == -1
    student = FastTextStudent(model, DOMAINS, NORMALISER, {})
    labels, probabilities = student.predict(["stranger", "", "a"], top=2)
    assert labels[:2].tolist() == [[1, 0], [1, 0]]  # the most frequent first
    assert probabilities[:2].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert probabilities[2].sum() == pytest.approx(1, abs=1e-3)


def test_threads_share_a_student(plain):
    student = load_student(plain)
    rng = random.Random(2)
    batches = [[" ".join(rng.choices(WORDS, k=50)) for _ in range(300)] for _ in range(8)]
    alone = [student.predict(batch, 3) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: student.predict(batch, 3), batches * 4))
    for (labels, probabilities), got in zip(alone * 4, together, strict=True):
        assert (labels == got[0]).all()
        assert (probabilities == got[1]).all()


def test_a_loaded_student_is_saved_as_it_was(plain, tmp_path):
    load_student(plain).save(tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == (plain / "model.bin").read_bytes()
    assert student_fingerprint(tmp_path) == student_fingerprint(plain)


@pytest.mark.parametrize("cutoff", [0, 300])
def test_a_quantised_model_is_read_too(tmp_path, cutoff):
    model = fasttext.load_model(str(train(tmp_path, **KINDS["n-grams"])))
    model.quantize(input=str(tmp_path / "train.txt"), cutoff=cutoff)
    model.save_model(str(tmp_path / "model.bin"))
    texts = ["sea seaside w1", "w2 w3"]
    names, _ = model.predict(texts)
    labels, _ = load_student(describe(tmp_path / "model.bin")).predict(texts)
    assert labels.tolist() == [[int(name.removeprefix("__label__"))] for (name,) in names]


def test_word_vectors_are_no_student(tmp_path):
    (tmp_path / "text.txt").write_text("some words and more words\n" * 50)
    model = fasttext.train_unsupervised(str(tmp_path / "text.txt"), verbose=0, thread=1, dim=4, bucket=100)
    model.save_model(str(tmp_path / "model.bin"))
    with pytest.raises(GemixError, match=r"model\.bin is not a fastText model of domains"):
        load_student(describe(tmp_path / "model.bin"))


def test_labels_are_numbers_of_domains(plain, tmp_path):
    with pytest.raises(GemixError, match=r"labels without a name in config\.json"):
        load_student(describe(plain / "model.bin", domains=DOMAINS[:-1]))
    describe(plain / "model.bin")
    (tmp_path / "train.txt").write_text("__label__sky a b\n__label__sea c d\n" * 9)
    model = fasttext.train_supervised(str(tmp_path / "train.txt"), verbose=0, thread=1)
    model.save_model(str(tmp_path / "model.bin"))
    with pytest.raises(GemixError, match=r"model\.bin is not a fastText model of domains"):
        load_student(describe(tmp_path / "model.bin"))


def test_without_the_extra_one_sentence_says_what_to_install(plain, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fasttext", None)
    sentence = r'^fasttext is not installed: pip install "gemix\[fasttext\]"$'
    with pytest.raises(GemixError, match=sentence):
        load_student(plain)
    with pytest.raises(GemixError, match=sentence):
        FastTextStudent.train([(0, "a"), (1, "b")], ["a", "b"], NORMALISER)
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    arguments = ["run", str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "run"), "--student-kind", "fasttext"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert 'error: fasttext is not installed: pip install "gemix[fasttext]"' in result.output
    assert not (tmp_path / "run/seed.parquet").exists()  # no work was done before
