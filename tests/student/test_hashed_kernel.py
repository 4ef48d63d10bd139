from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.corpus.buffers import text_buffers
from gemix.corpus.window import Window
from gemix.student.characters import PLANE, Kind, characters
from gemix.student.hashed_kernel import Reading, Weights, damping, predict, read_bags

TABLE = characters()
BITS = 16
CHARACTERS = st.one_of(st.characters(codec="utf-8"), st.sampled_from(" \t\n\u00a0\u3000aAbÉé9_-.中国のカไทย🙂𠀀"))
TEXTS = st.text(CHARACTERS, max_size=60)


def reading(window: int = 1000) -> Reading:
    return Reading.of(TABLE, window, BITS)


def hash_of(word: str) -> int:
    h = 0xCBF29CE484222325
    for character in word:
        h = (h ^ ord(character)) * 0x100000001B3 % 2**64
    return ((h ^ (h >> 32)) * 0x9E3779B97F4A7C15 % 2**64) >> (64 - BITS)


def kind_of(character: str) -> Kind:
    code = ord(character)
    if code < PLANE:
        return Kind(TABLE.kinds[code])
    if 0x20000 <= code < 0x40000:
        return Kind.IDEOGRAPH
    return Kind.SEPARATOR if 0x1F000 <= code < 0x20000 or code >= 0xE0000 else Kind.LETTER


def words_of(text: str) -> list[str]:
    """Words and n-grams in the order in which they end, in plain Python."""
    runs: list[tuple[Kind, str]] = []
    for character in text:
        kind = kind_of(character)
        folded = chr(TABLE.folds[ord(character)]) if ord(character) < PLANE else character
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1] + folded)
        else:
            runs.append((kind, folded))
    out = []
    for kind, run in runs:
        if kind == Kind.LETTER:
            out.append(run)
        sizes = {Kind.IDEOGRAPH: (1, 2), Kind.SYLLABLE: (2, 3)}.get(kind, ())
        for end in range(1, len(run) + 1):
            out += [run[end - size : end] for size in sizes if end >= size]
    return out


def buckets(texts: list[str], window: int = 1000) -> list[list[int]]:
    ends, found = read_bags(text_buffers(texts), reading(window))
    return [found[a:b].tolist() for a, b in pairwise(ends)]


@settings(deadline=None, max_examples=300)
@given(st.lists(TEXTS, max_size=4), st.integers(1, 40))
def test_it_reads_the_window_and_nothing_else(texts, window):
    expected = [[hash_of(word) for word in words_of(Window(window)(text))] for text in texts]
    assert buckets(texts, window) == expected


LONG = st.lists(st.text("aAbB09 \n\x1c.-É’中", max_size=20) | st.text("ab c", max_size=200), max_size=12).map("".join)


@settings(deadline=None, max_examples=300)
@given(LONG, st.integers(1, 1500))
def test_long_texts_are_read_in_pieces_and_halves(text, window):
    assert buckets([text], window) == [[hash_of(word) for word in words_of(Window(window)(text))]]


def test_words_are_lower_case_runs_of_letters_and_digits():
    assert words_of("Don’t SHOUT_at “Émile”, 24h…") == ["don", "t", "shout", "at", "émile", "24h"]
    assert buckets(["CAFÉ Ärger ΛΌΓΟΣ МОСКВА"]) == buckets(["café, ärger; λόγος — москва"])
    assert buckets(["cafe"]) != buckets(["café"])


def test_scripts_without_spaces_give_n_grams():
    assert words_of("中国人 go") == ["中", "国", "中国", "人", "国人", "go"]
    assert words_of("ไทยa") == ["ไท", "ทย", "ไทย", "a"]
    assert words_of("日本語です") == ["日", "本", "日本", "語", "本語", "で", "語で", "す", "です"]


def test_more_white_space_changes_nothing_up_to_four_windows():
    assert buckets(["one\n\n \t two"], 7) == buckets(["one two"], 7)
    assert buckets([" " * 28 + "one"], 7) == [[]]


def test_text_cut_in_the_middle_of_a_character_is_read_up_to_there():
    data = "naïve".encode()[:3]
    array = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(np.array([0, 3], np.int32)), pa.py_buffer(data)])
    ends, found = read_bags(text_buffers(array), reading())
    assert found.tolist() == [hash_of("na")]
    assert ends.tolist() == [0, 1]


def model(k: int, seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-9000, 9000, (1 << BITS, k)).astype(np.int16)
    bias = rng.normal(size=k)
    rows.flags.writeable = bias.flags.writeable = False
    return Weights(rows, bias, 1e-4)


@settings(deadline=None, max_examples=50)
@given(st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from([1, 2, 7, 24]))
def test_probabilities_are_the_softmax_of_the_sums(texts, k):
    weights = model(k)
    labels, probabilities = predict(text_buffers(texts), reading(), weights, k)
    for i, found in enumerate(buckets(texts)):
        total = weights.rows[found].astype(np.int64).sum(axis=0)
        logits = 1e-4 * max(len(found), 1) ** -0.75 * total + weights.bias
        expected = np.exp(logits - logits.max())
        expected /= expected.sum()
        np.testing.assert_array_equal(labels[i], np.argsort(-expected, kind="stable"))
        np.testing.assert_allclose(probabilities[i], expected[labels[i]], rtol=1e-5)


def test_of_equal_domains_the_first_comes_first():
    weights = Weights(*(model(5)[:2]), 0.0)._replace(bias=np.broadcast_to(np.zeros(5), 5).copy())
    weights.bias.flags.writeable = False
    assert predict(text_buffers(["a b"]), reading(), weights, 5)[0].tolist() == [[0, 1, 2, 3, 4]]


def test_the_largest_sum_fits():
    rows = np.full((1 << BITS, 1), 32767, np.int16)
    rows.flags.writeable = False
    bias = np.zeros(1)
    bias.flags.writeable = False
    text = "中" * 5000
    assert len(buckets([text], 5000)[0]) == 2 * 5000 - 1
    labels, probabilities = predict(text_buffers([text]), reading(5000), Weights(rows, bias, 1.0), 1)
    assert (labels[0, 0], probabilities[0, 0]) == (0, 1.0)


def test_strings_and_every_arrow_layout_give_the_same():
    texts = ["", "One two", "три четыре", "五六七", "x" * 3000]
    weights = model(6)
    expected = predict(text_buffers(texts), reading(), weights, 3)
    padded = ["skipped", *texts, None]
    for array in (
        pa.array(texts),
        pa.array(texts, pa.large_string()),
        pa.array(padded).slice(1, 5),
        pa.chunked_array([texts[:2], texts[2:]]),
    ):
        for a, b in zip(predict(text_buffers(array), reading(), weights, 3), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(predict(text_buffers(pa.array([None, ""])), reading(), weights, 1)[0].ravel()[:1],
                                  expected[0][0, :1])  # fmt: skip


def test_threads_share_one_model():
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{i}" for i in rng.integers(0, 500, 80)) for _ in range(200)]
    weights = model(24)
    alone = predict(text_buffers(texts), reading(), weights, 2)
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(lambda _: predict(text_buffers(texts), reading(), weights, 2), range(16)))
    for labels, probabilities in many:
        np.testing.assert_array_equal(labels, alone[0])
        np.testing.assert_array_equal(probabilities, alone[1])


@pytest.mark.parametrize(("n", "expected"), [(0, 1.0), (1, 1.0), (16, 0.125), (10_000, 1e-3)])
def test_damping(n, expected):
    assert damping(n) == pytest.approx(expected, rel=1e-15)
