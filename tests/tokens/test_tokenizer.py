import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import make_documents
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from gemix.runtime.errors import GemixError
from gemix.tokens.tokenizer import END, end_of_text, load_tokenizer, train_tokenizer, vocabulary_size

TEXTS = [document["text"] for document in make_documents(200)]


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return train_tokenizer(TEXTS, 400)


def test_a_trained_tokenizer_has_the_size_that_is_asked_for(trained: Tokenizer) -> None:
    assert vocabulary_size(trained) == trained.get_vocab_size() == 400
    assert trained.id_to_token(end_of_text(trained)) == END
    assert len(trained.encode(TEXTS[0]).ids) < len(TEXTS[0].encode()) / 2


@given(st.text())
def test_every_text_has_tokens_and_comes_back(trained: Tokenizer, text: str) -> None:
    ids = trained.encode(text, add_special_tokens=False).ids
    assert trained.decode(ids) == text
    assert end_of_text(trained) not in ids


def test_training_does_not_depend_on_the_process(trained: Tokenizer) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from support import make_documents; from gemix.tokens.tokenizer import train_tokenizer;"
        "print(train_tokenizer([d['text'] for d in make_documents(200)], 400).to_str())"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1])]
    for threads in ("1", "4"):
        other = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
        )
        assert other.stdout.strip() == trained.to_str()


def test_few_texts_make_few_tokens() -> None:
    assert 257 <= train_tokenizer(["few words"], 8192).get_vocab_size() < 300


def test_a_word_without_an_end_has_no_long_token() -> None:
    trained = train_tokenizer(["ab" * 100_000, "中文" * 50_000], 1000)
    assert max(map(len, trained.get_vocab())) <= 64 * 3
    assert trained.decode(trained.encode("ab" * 500).ids) == "ab" * 500


def test_a_vocabulary_that_cannot_be_is_refused() -> None:
    with pytest.raises(GemixError, match="at least 257"):
        train_tokenizer(TEXTS, 200)


def test_a_tokenizer_of_the_user_is_read_whole(trained: Tokenizer, tmp_path: Path) -> None:
    copy = Tokenizer.from_str(trained.to_str())
    copy.enable_truncation(3)
    copy.enable_padding()
    copy.save(str(tmp_path / "tokenizer.json"))
    loaded = load_tokenizer(tmp_path / "tokenizer.json")
    assert loaded.encode(TEXTS[0]).ids == trained.encode(TEXTS[0]).ids
    spelled = loaded.encode(f"a {END} b", add_special_tokens=False).ids
    assert end_of_text(loaded) not in spelled
    assert loaded.decode(spelled) == f"a {END} b"


def test_an_unusual_end_is_named(tmp_path: Path) -> None:
    made = Tokenizer(models.WordLevel({"a": 0, "[STOP]": 1, "[UNK]": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "t.json"))
    with pytest.raises(GemixError, match="no end-of-text token"):
        load_tokenizer(tmp_path / "t.json")
    with pytest.raises(GemixError, match=r"'\[END\]' is none of its tokens"):
        load_tokenizer(tmp_path / "t.json", "[END]")
    loaded = load_tokenizer(tmp_path / "t.json", "[STOP]")
    assert end_of_text(loaded, "[STOP]") == 1
    assert 1 not in loaded.encode("a [STOP] a").ids


def test_ids_may_have_gaps() -> None:
    made = Tokenizer(models.WordLevel({"a": 0, END: 70_000}, unk_token="a"))
    assert vocabulary_size(made) == 70_001


def test_files_that_hold_no_tokenizer_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(GemixError, match=r"t\.json is not a tokenizer\.json"):
        load_tokenizer(tmp_path / "t.json")
    with pytest.raises(GemixError, match=r"cannot read .*none\.json: No such file"):
        load_tokenizer(tmp_path / "none.json")


def test_wordpiece_has_an_end(tmp_path: Path) -> None:
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", "[SEP]"]))
    made.save(str(tmp_path / "t.json"))
    loaded = load_tokenizer(tmp_path / "t.json")
    assert loaded.id_to_token(end_of_text(loaded)) == "[SEP]"
