import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gemix.corpus import tokens
from gemix.corpus.tokens import WhitespaceCounter, token_counter
from gemix.errors import GemixError


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


@given(st.text(alphabet="ab \n\u3000"), st.integers(1, 7))
def test_long_texts_are_counted_in_pieces_with_the_same_result(text, size):
    piece, tokens._PIECE = tokens._PIECE, size
    try:
        assert WhitespaceCounter().count([text]).tolist() == [len(text.split())]
    finally:
        tokens._PIECE = piece


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
