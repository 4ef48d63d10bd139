import numpy as np
import pytest

from gemix.corpus.buffers import text_buffers
from gemix.corpus.window import Window
from gemix.student.characters import characters
from gemix.student.hashed_kernel import Reading, read_bags
from gemix.student.words import Glossary, frequent_words, leanings


def test_words_of_two_documents_by_frequency():
    words, frequencies = frequent_words(["The CAT, the dog", "a cat’s tail", "The tail 中国", "the 中国"], Window(100))
    assert words == ["the", "cat", "tail"]
    assert frequencies.tolist() == [0.75, 0.5, 0.5]
    assert frequent_words(["the cat", "the cat"], Window(100), limit=1)[0] == ["cat"]
    assert frequent_words([], Window(100))[0] == []


def test_only_the_window_counts():
    assert frequent_words(["one two three", "one two three"], Window(7))[0] == ["one", "two"]


def test_words_are_those_that_the_kernel_reads():
    text = "Don’t SHOUT_at “Émile”, 24h… ΣΟΦΌΣ Ω ﬁn ǅ नमस्ते x\u0301y"
    words, _ = frequent_words([text, text], Window(1000))
    reading = Reading.of(characters(), 1000, 18)
    found = read_bags(text_buffers([text]), reading).buckets
    alone = read_bags(text_buffers(words), reading)
    assert np.diff(alone.ends).tolist() == [1] * len(words)
    assert sorted(alone.buckets) == sorted(found)


def test_leanings_favour_no_domain_and_forget_frequent_words():
    g = np.random.default_rng(0).dirichlet(np.ones(5), 40)
    rare = leanings(Glossary([f"w{i}" for i in range(40)], np.zeros(40), g))
    np.testing.assert_allclose(rare.sum(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(rare.mean(axis=0), 0, atol=1e-5)
    half = leanings(Glossary([f"w{i}" for i in range(40)], np.full(40, 0.5), g))
    np.testing.assert_allclose(half, rare / 11, rtol=1e-5, atol=1e-6)
    # The word that leans most to a domain is the one to which the teacher gives it most against the others.
    logits = np.log(g) - np.log(g).mean(axis=1, keepdims=True)
    assert rare[:, 0].argmax() == logits[:, 0].argmax()


def test_certain_opinions_stay_finite():
    certain = leanings(Glossary(["a", "b"], np.zeros(2), np.eye(2)))
    assert np.isfinite(certain).all()
    assert certain[0, 0] == pytest.approx(-certain[0, 1])
