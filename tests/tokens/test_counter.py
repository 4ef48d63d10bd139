import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import write_word_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gemix.runtime.errors import GemixError
from gemix.tokens import counter as tokens
from gemix.tokens.counter import TokenCounter, tokenizer_file
from gemix.tokens.pieces import pieces


@pytest.fixture
def tokenizer() -> Tokenizer:
    """A word-level tokenizer that splits at white space and punctuation."""
    vocabulary = {word: i for i, word in enumerate(["[UNK]", "[CLS]", "[SEP]", "one", "two", "!"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def test_a_tokenizers_file(tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    counter = TokenCounter(path)
    assert counter.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert TokenCounter(str(path)).fingerprint == counter.fingerprint
    monkeypatch.setattr(tokens, "_GROUP", 10)  # several groups
    texts = ["one two!", "", "unknown", "one " * 50]
    for given_texts in (texts, pa.array(texts), pa.chunked_array([texts])):
        counts = counter.count(given_texts)
        assert counts.dtype == np.int64
        assert counts.tolist() == [3, 0, 1, 50]
    assert counter.count([]).tolist() == []


def test_special_tokens_truncation_and_padding_of_the_file_do_not_count(tmp_path: Path, tokenizer: Tokenizer) -> None:
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(tmp_path / "t.json"))
    assert len(tokenizer.encode("one").ids) == 16
    assert TokenCounter(tmp_path / "t.json").count(["one", "one " * 30]).tolist() == [1, 30]


@given(st.text("ab \n\u3000", max_size=400), st.integers(1, 50))
def test_pieces_are_the_text_and_none_is_long(text: str, longest: int) -> None:
    found = list(pieces(text, longest))
    assert "".join(found) == text
    assert all(len(piece) <= longest for piece in found)
    whole = [piece for piece, after in pairwise(found) if not after[0].isspace()]
    assert all(len(piece) == longest for piece in whole)  # a word is cut only where it is as long as a piece


def test_a_long_text_has_the_tokens_of_its_words(tmp_path: Path) -> None:
    counter = TokenCounter(write_word_tokenizer(tmp_path / "t.json"))
    text = "some words of a text \n" * 20_000
    assert counter.count([text, "x"]).tolist() == [100_000, 1]
    assert counter.count(["x" * 300_000]).tolist() == [5]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", json.dumps({"model": {"type": "none"}}).encode()])
def test_a_file_that_is_no_tokenizer(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(content)
    with pytest.raises(GemixError, match=r"t\.json is no tokenizer\.json"):
        TokenCounter(path)


def test_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GemixError, match=r"cannot read the tokenizer .*none\.json: No such file"):
        TokenCounter(str(tmp_path / "none.json"))

    def unreachable(name: str) -> None:
        raise OSError(f"no route to {name}")

    monkeypatch.setattr(Tokenizer, "from_pretrained", unreachable)
    with pytest.raises(GemixError, match=r"the tokenizer some/name is no file here, .*no route to some/name.*give the"):
        TokenCounter("some/name")


def test_files_and_names() -> None:
    assert tokenizer_file("some/name") is None
    assert tokenizer_file("here.json") == Path("here.json")
    assert tokenizer_file("./name") == Path("name")


def test_a_tokenizer_that_fails_on_a_text(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"one": 0}, unk_token="[UNK]"))
    tokenizer.save(str(tmp_path / "t.json"))
    with pytest.raises(GemixError, match=r"the tokenizer .*t\.json fails: .*(?i:unk)"):
        TokenCounter(tmp_path / "t.json").count(["two"])
