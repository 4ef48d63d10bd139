import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SUBJECTS, make_documents
from tokenizers import Tokenizer, models, pre_tokenizers

from gemix.proxy import tokenised as module
from gemix.proxy.tokenised import Tokenised, divide, tokenise
from gemix.runtime.errors import GemixError
from gemix.tokens.held_out import held_out
from gemix.tokens.tokenizer import END, train_tokenizer

DOCUMENTS = make_documents(300)
TEXTS = [document["text"] for document in DOCUMENTS]
IDS = [document["id"] for document in DOCUMENTS]
NAMES = list(SUBJECTS)
LABELS = np.array([NAMES.index(document["subject"]) for document in DOCUMENTS])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 400)


@pytest.fixture(scope="module")
def tokenised(tokenizer: Tokenizer) -> Tokenised:
    return tokenise(TEXTS, tokenizer)


def documents(tokenised: Tokenised) -> list[np.ndarray]:
    return np.split(tokenised.tokens, tokenised.ends[:-1])


def test_documents_come_back_whole(tokenised: Tokenised, tokenizer: Tokenizer) -> None:
    assert len(tokenised) == len(TEXTS)
    assert tokenised.tokens.dtype == np.uint16
    for text, tokens, size in zip(TEXTS, documents(tokenised), tokenised.bytes, strict=True):
        assert tokens[-1] == tokenised.end
        assert tokenizer.decode(tokens[:-1].tolist()) == text
        assert size == len(text.encode())


@given(st.lists(st.text(max_size=30), max_size=8))
def test_any_texts_come_back(tokenizer: Tokenizer, texts: list[str]) -> None:
    made = tokenise([*texts, f"x {END}"], tokenizer)
    assert [tokenizer.decode(tokens[:-1].tolist()) for tokens in documents(made)] == [*texts, f"x {END}"]
    assert (made.tokens == made.end).sum() == len(texts) + 1
    assert made.bytes.sum() == sum(len(text.encode()) for text in texts) + len(f"x {END}")


def test_groups_change_nothing(tokenised: Tokenised, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE", 1000)
    again = tokenise(iter(TEXTS), tokenizer)
    assert (again.tokens == tokenised.tokens).all()
    assert (again.ends == tokenised.ends).all()


def test_a_long_word_and_a_long_text_come_back_and_are_never_given_whole(tokenizer: Tokenizer) -> None:
    class Careful:
        """Refuses what is long."""

        def __getattr__(self, name: str) -> object:
            return getattr(tokenizer, name)

        def encode_batch_fast(self, texts: list[str], **options: object) -> object:
            assert max(map(len, texts)) <= 1 << 16
            assert sum(map(len, texts)) <= 1 << 21
            return tokenizer.encode_batch_fast(texts, **options)

    texts = ["ACGT" * 100_000, "a few words " * 20_000, "", "short"]
    made = tokenise(texts, Careful())
    assert [tokenizer.decode(tokens[:-1].tolist()) for tokens in documents(made)] == texts
    whole = tokenizer.encode(texts[1], add_special_tokens=False).ids
    assert documents(made)[1][:-1].tolist() == whole  # pieces end where tokens end


def test_no_text_is_no_document(tokenizer: Tokenizer) -> None:
    nothing = tokenise([], tokenizer)
    assert (len(nothing), len(nothing.tokens)) == (0, 0)


def test_large_vocabularies_have_wide_tokens() -> None:
    made = Tokenizer(models.WordLevel({"a": 0, END: 1, "b": 100_000}, unk_token="a"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens = tokenise(["a b", "b"], made)
    assert tokens.tokens.dtype == np.uint32
    assert tokens.tokens.tolist() == [0, 100_000, 1, 100_000, 1]
    assert tokens.vocabulary == 100_001


def test_an_end_inside_of_a_text_is_refused() -> None:
    made = Tokenizer(models.WordLevel({"a": 0, "stop": 1}, unk_token="a"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(GemixError, match="end-of-text token 'stop' inside of the text that begins 'a stop a'"):
        tokenise(["a", "a stop a"], made, 1)


def test_a_tokenizer_that_fails_is_named() -> None:
    made = Tokenizer(models.WordLevel({"a": 0, END: 1}, unk_token="[UNK]"))
    with pytest.raises(GemixError, match="the tokenizer fails"):
        tokenise(["b"], made)


def test_a_partition_divides_all_documents(tokenised: Tokenised) -> None:
    held = held_out(TEXTS, 0.2)
    labels = np.where(np.arange(len(IDS)) % 10 == 0, -1, LABELS)
    masks = {"cooking": labels == 0, "all": np.ones(len(IDS), bool)}
    data = divide(tokenised, labels, NAMES, held, masks)
    own = documents(tokenised)
    for k, name in enumerate(NAMES):
        chosen = [i for i in range(len(IDS)) if labels[i] == k and not held[i]]
        assert (data.train[k] == np.concatenate([own[i] for i in chosen])).all()
        part = data.domains[k]
        assert (part.name, part.documents, part.tokens) == (name, len(chosen), len(data.train[k]))
        assert part.bytes == sum(len(TEXTS[i].encode()) for i in chosen)
    assert (data.held_out[1] == np.concatenate([own[i] for i in np.flatnonzero(held)])).all()
    assert (data.held_out[0] == np.concatenate([own[i] for i in np.flatnonzero(held & (labels == 0))])).all()
    assert data.valid_names == ["cooking", "all"]
    assert (data.vocabulary, data.end) == (400, tokenised.end)


def test_the_fingerprint_is_of_everything(tokenised: Tokenised) -> None:
    held, masks = held_out(TEXTS, 0.2), {"all": np.ones(len(IDS), bool)}
    data = divide(tokenised, LABELS, NAMES, held, masks)
    assert divide(tokenised, LABELS.tolist(), tuple(NAMES), held, masks).fingerprint == data.fingerprint
    changed = LABELS.copy()
    changed[np.flatnonzero(~held)[0]] += 1
    changed %= 4
    swapped = tokenised.tokens.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    assert swapped[0] != swapped[1]
    others = [
        divide(tokenised, changed, NAMES, held, masks),
        divide(tokenised, LABELS, NAMES[::-1], held, masks),
        divide(tokenised, LABELS, NAMES, held, {"other": masks["all"]}),
        divide(dataclasses.replace(tokenised, tokens=swapped), LABELS, NAMES, held, masks),
        divide(dataclasses.replace(tokenised, vocabulary=401), LABELS, NAMES, held, masks),
        divide(tokenised, LABELS, NAMES, held_out(TEXTS, 0.3), masks),
    ]
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 7


def test_partitions_that_do_not_fit_are_refused(tokenised: Tokenised) -> None:
    held, everything = held_out(TEXTS, 0.2), np.ones(len(IDS), bool)
    for labels, names, out, valid, message in (
        (LABELS[:-1], NAMES, held, {"all": everything}, "labels: shape"),
        (LABELS, NAMES, held[:-1], {"all": everything}, "held_out: shape"),
        (LABELS, NAMES, held, {"all": everything[:-1]}, "all: shape"),
        (LABELS, NAMES[:2], held, {"all": everything}, "from -1 to 1"),
        (LABELS / 2, NAMES, held, {"all": everything}, "whole numbers"),
        (LABELS, ["a", "a", "b", "c"], held, {"all": everything}, "one name"),
        (LABELS, NAMES, held, {"none": ~everything}, "'none'"),
        (LABELS, NAMES, ~everything, {"all": everything}, "hold out more"),
    ):
        with pytest.raises(GemixError, match=message):
            divide(tokenised, labels, names, out, valid)
