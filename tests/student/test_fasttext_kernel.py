import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.corpus.buffers import text_buffers
from gemix.corpus.window import Window
from gemix.runtime.errors import GemixError
from gemix.student import fasttext_student, load_student, student_fingerprint
from gemix.student.fasttext_file import UnsupportedModelError, read_fasttext
from gemix.student.fasttext_kernel import FastTextKernel
from gemix.student.fasttext_student import FastTextStudent
from gemix.student.normaliser import Normaliser

LABELS = 7
# Words of up to 8, up to 16 and more bytes that begin alike; characters of 1 to 4 bytes; a label and the line's end.
WORDS = [
    *("a", "be", "sea", "seas", "seaside", "seasides", "international", "internationals", "internationally"),
    *("internationalisation", "internationalisations", "é", "naïve", "straße", "日本語", "日本", "🙂", "🙂🙂", "ÿ"),
    *("__label__3", "__label__", "__label__none", "__label", "<a>", "1.5", "x" * 40, "x" * 41),
]
SPACES = " \t\r\v\f\0"
KINDS = {
    "softmax": {"loss": "softmax"},
    "hierarchical softmax": {"loss": "hs"},
    "one against all": {"loss": "ova"},
    "negative sampling": {"loss": "ns"},
    "n-grams of words": {"loss": "softmax", "wordNgrams": 3, "bucket": 500},
    "n-grams of characters": {"loss": "softmax", "minn": 2, "maxn": 5, "bucket": 500},
    "single characters": {"loss": "ova", "minn": 1, "maxn": 1, "bucket": 50},
    "both": {"loss": "hs", "minn": 3, "maxn": 3, "wordNgrams": 2, "bucket": 1000},
}


def train(folder: Path, **options) -> Path:
    """Train on lines in which each label prefers some words; words of one label are left out of the vocabulary."""
    rng = random.Random(0)
    words = [word for word in WORDS if not word.startswith("__label__")] + [f"w{i}" for i in range(30)]
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


@pytest.fixture(scope="module", params=KINDS)
def pair(request, tmp_path_factory):
    """A kernel and the binding of the same model."""
    path = train(tmp_path_factory.mktemp("model"), **KINDS[request.param])
    return FastTextKernel.read(path), fasttext.load_model(str(path))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def grams(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("grams"), **KINDS["both"])


def check(pair, texts: list[str], top: int) -> None:
    kernel, binding = pair
    labels, probabilities = kernel.predict(text_buffers(texts), top)
    assert labels.shape == probabilities.shape == (len(texts), min(top, LABELS))
    for text, row, values in zip(texts, labels, probabilities, strict=True):
        names, expected = binding.predict(text.replace("\n", " "), k=top)
        assert [kernel.labels[i] for i in row if i >= 0] == list(names)
        np.testing.assert_allclose(values[: len(names)], expected, atol=1e-6)
        assert (row[len(names) :] == -1).all()
        assert not values[len(names) :].any()


LINES = st.lists(
    st.sampled_from([*WORDS, *(f"w{i}" for i in range(40)), "</s>", "</s>x"]) | st.text(max_size=12), max_size=30
).flatmap(lambda words: st.builds(lambda s: s.join(words), st.sampled_from([*SPACES, "  ", " \0 ", "\n"])))


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(LINES, min_size=1, max_size=4), top=st.integers(1, LABELS + 1))
def test_labels_and_probabilities_are_those_of_the_binding(pair, texts, top):
    check(pair, texts, top)


def test_a_text_longer_than_what_is_collected_at_a_time(pair):
    rng = random.Random(1)
    check(pair, [" ".join(rng.choices([*WORDS, "unknown", "日本人"], k=9000)), ""], 3)


def test_no_text_at_all(plain):
    labels, probabilities = FastTextKernel.read(plain).predict(text_buffers([]), 2)
    assert labels.shape == probabilities.shape == (0, 2)


def test_a_model_that_does_not_know_the_end_of_a_line_says_nothing_about_strangers(tmp_path):
    (tmp_path / "train.txt").write_text("__label__0 a a a\n__label__1 b b b")
    model = fasttext.train_supervised(str(tmp_path / "train.txt"), verbose=0, thread=1, minCount=3)
    model.save_model(str(tmp_path / "model.bin"))
    assert model.get_word_id("</s>") == -1
    labels, probabilities = FastTextKernel.read(tmp_path / "model.bin").predict(text_buffers(["stranger", "", "a"]))
    assert labels[:2].tolist() == [[-1], [-1]]
    assert labels[2, 0] >= 0
    assert probabilities[:2].tolist() == [[0.0], [0.0]]


def test_threads_share_a_model(plain):
    kernel = FastTextKernel.read(plain)
    rng = random.Random(2)
    batches = [text_buffers([" ".join(rng.choices(WORDS, k=50)) for _ in range(300)]) for _ in range(8)]
    alone = [kernel.predict(batch, 3) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: kernel.predict(batch, 3), batches * 4))
    for (labels, probabilities), got in zip(alone * 4, together, strict=True):
        assert (labels == got[0]).all()
        assert (probabilities == got[1]).all()


def test_the_file_is_read_whole(plain):
    file, binding = read_fasttext(plain), fasttext.load_model(str(plain))
    names, counts = binding.get_labels(include_freq=True)
    assert (file.labels, file.label_counts.tolist()) == (names, counts.tolist())
    words = [bytes(file.text[a:b]).decode() for a, b in zip(file.entries[:-1], file.entries[1:], strict=True)]
    assert words[: file.n_words] == binding.get_words()
    assert (file.input == binding.get_input_matrix()).all()
    assert (file.output == binding.get_output_matrix()).all()


@pytest.mark.parametrize("cutoff", [0, 300])
def test_a_quantised_model_is_named_as_what_it_is(grams, tmp_path, cutoff):
    model = fasttext.load_model(str(grams))
    model.quantize(input=str(grams.parent / "train.txt"), cutoff=cutoff)
    model.save_model(str(tmp_path / "model.ftz"))
    with pytest.raises(UnsupportedModelError, match=r"model\.ftz is a (quantised|pruned) model"):
        read_fasttext(tmp_path / "model.ftz")


def test_word_vectors_are_no_classifier(tmp_path):
    (tmp_path / "text.txt").write_text("some words and more words\n" * 50)
    fasttext.train_unsupervised(str(tmp_path / "text.txt"), verbose=0, thread=1, dim=4, bucket=100).save_model(
        str(tmp_path / "vectors.bin")
    )
    with pytest.raises(UnsupportedModelError, match=r"vectors\.bin holds word vectors"):
        read_fasttext(tmp_path / "vectors.bin")


def test_a_file_cut_anywhere_is_damaged(plain, tmp_path):
    data, path = plain.read_bytes(), tmp_path / "cut.bin"
    for cut in [*range(0, 200, 7), *range(200, len(data), 997), len(data) - 1]:
        path.write_bytes(data[:cut])
        with pytest.raises(GemixError, match=r"cut\.bin"):
            read_fasttext(path)


def test_damaged_numbers_are_an_error_or_another_model(grams, tmp_path):
    """No byte of the head makes the reader fail in another way, or reach for memory that is not there."""
    data, path = grams.read_bytes(), tmp_path / "bent.bin"
    refused = 0
    for position in range(92):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        try:
            kernel = FastTextKernel.read(path)
        except GemixError:
            refused += 1
        else:
            kernel.predict(text_buffers(["sea w1 strange 日本", "x" * 10_000]))
    assert 30 < refused < 92


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(GemixError, match=r"cannot read .*gone\.bin: No such file"):
        read_fasttext(tmp_path / "gone.bin")


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> Path:
    rng = random.Random(3)
    examples = [(i % 3, " ".join(rng.choices(["ab", "cd", "é", "日本", "x1"][i % 3 :], k=6))) for i in range(300)]
    folder = tmp_path_factory.mktemp("student")
    FastTextStudent.train(examples, ["zero", "one", "two"], Normaliser(Window(40))).save(folder)
    return folder


TEXTS = ["AB, cd!", "", "É日本 __label__1 x1", "Σ ΑΣ İ " * 9, "unknown", "🙂" * 50]


def test_a_student_predicts_the_same_without_a_compiler(student, monkeypatch):
    with_kernel = load_student(student).predict(TEXTS, top=2)
    monkeypatch.setattr(fasttext_student, "can_compile", lambda: False)
    without = load_student(student).predict(pa.array(TEXTS), top=2)
    assert (with_kernel[0] == without[0]).all()
    np.testing.assert_allclose(with_kernel[1], without[1], atol=1e-6)


def test_a_loaded_student_is_saved_as_it_was(student, tmp_path):
    load_student(student).save(tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == (student / "model.bin").read_bytes()
    assert student_fingerprint(tmp_path) == student_fingerprint(student)


def test_a_quantised_student_is_left_to_fasttext_and_it_says_so(grams, tmp_path, caplog):
    model = fasttext.load_model(str(grams))
    model.quantize(input=str(grams.parent / "train.txt"))
    model.save_model(str(tmp_path / "model.bin"))
    student = FastTextStudent(tmp_path / "model.bin", list("abcdefg"), Normaliser(Window(1000)), {})
    (record,) = caplog.records
    assert "quantised" in record.message
    lines = ["sea seas w1", "w2 w3"]
    names, _ = model.predict(lines)
    assert student.predict(lines)[0].tolist() == [[int(name.removeprefix("__label__"))] for (name,) in names]
