import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gemix.runtime.errors import GemixError
from gemix.tokens import counter as tokens
from gemix.tokens.counter import WhitespaceCounter, token_counter


@pytest.fixture
def tokenizer():
    """A word-level tokenizer that splits at white space and punctuation."""
    vocabulary = {word: i for i, word in enumerate(["[UNK]", "[CLS]", "[SEP]", "one", "two", "!"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def test_whitespace():
    counter = token_counter("whitespace")
    assert counter.name == "whitespace"
    counts = counter.count(["one two", "", " \n", " a\u3000b\tc "])
    assert counts.dtype == np.int64
    assert counts.tolist() == [2, 0, 0, 3]
    assert counter.count([]).shape == (0,)


SPACES = "".join(chr(i) for i in range(0x110000) if chr(i).isspace())
# Long enough for whole blocks of ASCII, and with neighbours of white space that are none.
TEXTS = st.lists(
    st.text(max_size=20)
    | st.text(SPACES + "a\u0084\u167f\u200b\u2060\u3001\U00010000", max_size=40)
    | st.text("ab \n\x1c", max_size=300)
).map("".join)


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_words_are_those_of_split_in_whatever_array_the_texts_come(texts):
    expected = [len(text.split()) for text in texts]
    count = WhitespaceCounter().count
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        column = pa.array(["before", *texts, "after"], kind)[1:-1]
        assert count(column).tolist() == expected
    assert count(pa.chunked_array([texts, texts], pa.string())).tolist() == 2 * expected
    assert count(texts).tolist() == expected


def test_every_character_is_white_space_or_not_as_python_says():
    texts = [f"a{chr(i)}b" for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    assert WhitespaceCounter().count(texts).tolist() == [len(text.split()) for text in texts]


def test_white_space_counts_wherever_it_lies():
    spaces = [*SPACES, "\u2019", "\u2026", "\xa0\u2003", "\u3000\u3001"]
    texts = [before * n + space + after for n in range(400) for space in spaces for before, after in ("ab", "\xa0c")]
    texts += [text + "d" * 300 for text in texts]
    assert WhitespaceCounter().count(texts).tolist() == [len(text.split()) for text in texts]


def test_without_a_compiler_the_count_is_the_same(monkeypatch):
    monkeypatch.setattr(tokens, "can_compile", lambda: False)
    assert WhitespaceCounter().count(pa.array(["one two", "", "\u3000a"])).tolist() == [2, 0, 1]


def test_a_tokenizers_file(tmp_path, tokenizer, monkeypatch):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    counter = token_counter(str(path))
    assert counter.name == f"tokenizers:tokenizer.json#{hashlib.sha256(path.read_bytes()).hexdigest()}"
    monkeypatch.setattr(tokens, "_PIECE", 10)  # several groups
    counts = counter.count(["one two!", "", "unknown", "one " * 50])
    assert counts.dtype == np.int64
    assert counts.tolist() == [3, 0, 1, 50]
    assert counter.count([]).tolist() == []


def test_special_tokens_truncation_and_padding_of_the_file_do_not_count(tmp_path, tokenizer):
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(tmp_path / "t.json"))
    assert len(tokenizer.encode("one").ids) == 16
    assert token_counter(str(tmp_path / "t.json")).count(["one", "one " * 30]).tolist() == [1, 30]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", json.dumps({"model": {"type": "none"}}).encode()])
def test_a_file_that_is_no_tokenizer(tmp_path, content):
    path = tmp_path / "t.json"
    path.write_bytes(content)
    with pytest.raises(GemixError, match=r"token counter .*t\.json: not a tokenizers JSON file"):
        token_counter(str(path))


def test_an_unknown_counter():
    with pytest.raises(GemixError, match=r"token counter words: No such file.*; give 'whitespace' or"):
        token_counter("words")


def test_a_tokenizer_that_fails_on_a_text(tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"one": 0}, unk_token="[UNK]"))
    tokenizer.save(str(tmp_path / "t.json"))
    with pytest.raises(GemixError, match=r"token counter .*t\.json: .*(?i:unk)"):
        token_counter(str(tmp_path / "t.json")).count(["two"])
