from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from student_data import NAMES, opinions_of, teach
from student_languages import TOPICS, language_documents
from support import SUBJECTS

from gemix.corpus.buffers import text_buffers
from gemix.corpus.window import Window
from gemix.student.characters import characters
from gemix.student.contexts import parts_of
from gemix.student.hashed_kernel import Reading, read_bags
from gemix.student.hashed_kernel_training import document_logits
from gemix.student.hashed_student import HashedStudent
from gemix.student.hashed_training import MAX_WEIGHTS, Recipe, bits_for, calibrate, train_hashed
from gemix.student.words import Glossary


def train(n: int, **options):
    documents, opinions, _ = teach(n)
    return train_hashed(
        documents["text"], opinions, parts_of(documents["id"].to_pylist()), NAMES, window=Window(300), **options
    )


def agreement(student, texts, labels) -> float:
    return float(np.mean(student.predict(texts)[0][:, 0] == np.array(labels)))


def test_it_learns_the_subjects():
    student = train(600)
    documents, opinions, _ = teach(200, seed=1)
    assert agreement(student, documents["text"], opinions.argmax(axis=1)) > 0.97
    assert 1 <= student.training["epochs"] <= Recipe().max_epochs
    assert student.training["documents"] == 600


def test_threads_do_not_change_a_byte(tmp_path):
    def model(i: int) -> bytes:
        train(300, seed=3).save(tmp_path / str(i))
        return (tmp_path / str(i) / "model.safetensors").read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert len({model(0), *pool.map(model, range(1, 5))}) == 1


@pytest.mark.parametrize("language", list(TOPICS))
def test_languages_without_spaces(language):
    texts, labels = language_documents(language, 300, seed=0)
    student = train_hashed(texts, opinions_of(labels, 3), np.arange(300) % 5, ["a", "b", "c"], window=Window(1000))
    fresh, truth = language_documents(language, 150, seed=1)
    assert agreement(student, fresh, truth) > 0.9


def test_a_glossary_teaches_words_that_no_document_has():
    words = [word for text in SUBJECTS.values() for word in text.split()]
    own = np.repeat(np.arange(4), [len(text.split()) for text in SUBJECTS.values()])
    glossary = Glossary(words, np.full(len(words), 0.1), opinions_of(own, 4))
    few, taught = train(8), train(8, glossary=glossary)
    assert agreement(few, words, own) < 0.8
    assert agreement(taught, words, own) > 0.9
    documents, opinions, _ = teach(400, seed=1)
    truth = opinions.argmax(axis=1)
    assert agreement(taught, documents["text"], truth) > agreement(few, documents["text"], truth)


def test_probabilities_are_calibrated_where_the_teacher_is_unsure():
    # Half of the labels are turned to a random other: no student can agree with more than half.
    documents, opinions, _ = teach(1500)
    rng = np.random.default_rng(0)
    truth = opinions.argmax(axis=1)
    turned = np.where(rng.random(1500) < 0.5, (truth + rng.integers(1, 4, 1500)) % 4, truth)
    noisy = opinions_of(turned, 4)
    learned = np.arange(1500) < 1000
    student = train_hashed(
        documents["text"].to_pylist()[:1000],
        noisy[learned],
        np.arange(1000) % 5,
        NAMES,
        window=Window(300),
    )
    labels, probabilities = student.predict(documents["text"].to_pylist()[1000:])
    accuracy = np.mean(labels[:, 0] == turned[~learned])
    assert abs(probabilities.mean() - accuracy) < 0.08


def test_rounding_to_16_bits_keeps_the_labels(monkeypatch):
    kept = {}

    def quantised(weights, bias, *rest):
        kept.update(weights=weights, bias=bias)
        return HashedStudent(*(np.zeros((1, 1), np.int16), bias, 1.0), *rest)

    texts = teach(1000, seed=1)[0]["text"]
    labels, _ = train(600).predict(texts)
    monkeypatch.setattr(HashedStudent, "quantised", quantised)
    train(600)
    bags = read_bags(text_buffers(texts), Reading.of(characters(), 300, 18))
    logits = document_logits(kept["weights"], kept["bias"].astype(np.float32), bags, np.arange(1000))
    assert np.mean(logits.argmax(axis=1) == labels[:, 0]) >= 0.999


def test_calibration_finds_the_temperature():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 6)) * 2
    for temperature in (0.3, 1.0, 4.0):
        p = np.exp(logits / temperature)
        p /= p.sum(axis=1, keepdims=True)
        assert calibrate(logits, p) == pytest.approx(temperature, rel=1e-3)
        drawn = np.array([rng.choice(6, p=row) for row in p])
        assert calibrate(logits, np.eye(6)[drawn]) == pytest.approx(temperature, rel=0.15)


@pytest.mark.parametrize(("k", "bits"), [(2, 18), (24, 18), (200, 18), (256, 18), (257, 17), (1000, 16), (5000, 13)])
def test_the_size_of_the_model_is_bounded(k, bits):
    assert bits_for(k) == bits
    assert (1 << bits) * k <= MAX_WEIGHTS


def test_texts_without_a_word_and_domains_without_a_document():
    texts = ["", "!!!", "apple", "apple pie", "stone", "stone wall"]
    opinions = opinions_of([0, 0, 0, 0, 2, 2], 3)
    student = train_hashed(texts, opinions, np.arange(6) != 1, ["a", "b", "c"], window=Window(10))
    assert agreement(student, ["apple", "stone"], [0, 2]) == 1.0
