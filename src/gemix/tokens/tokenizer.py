"""The tokenizer: byte-level BPE trained on texts, or any tokenizer.json of the user's."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from gemix.runtime.errors import GemixError
from gemix.tokens.pieces import pieces

END = "<|endoftext|>"
VOCABULARY = 8192
_SMALLEST = 257  # the bytes and the end-of-text token
# The words of GPT-2's tokenizer, none of them longer than 64 characters: a longer one would take minutes and gigabytes.
_WORDS: Final = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}{1,64}| ?\p{N}{1,64}| ?[^\s\p{L}\p{N}]{1,64}|\s{1,64}(?!\S)|\s{1,64}"
# What well-known tokenizers call the token behind a document.
_ENDS = (END, "<|end_of_text|>", "<|eos|>", "<eos>", "</s>", "[SEP]")


def train_tokenizer(texts: Iterable[str], vocabulary: int = VOCABULARY) -> Tokenizer:
    """Return a byte-level BPE of at most `vocabulary` tokens, the 256 bytes and an end-of-text token among them.

    It has fewer where the texts have fewer pairs of tokens that occur twice. Every text has tokens: there is no unknown
    one. The same texts in the same order give the same tokenizer.

    Raises:
        GemixError: fewer than 257 tokens are asked for.

    """
    if vocabulary < _SMALLEST:
        raise GemixError(
            f"a vocabulary has at least {_SMALLEST} tokens (the bytes and the end of a text): {vocabulary}"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((piece for text in texts for piece in pieces(text)), trainer)
    tokenizer.encode_special_tokens = True
    return tokenizer


def load_tokenizer(path: Path, end: str | None = None) -> Tokenizer:
    """Return the tokenizer of a tokenizer.json, without truncation and padding.

    Args:
        path: a file of the `tokenizers` library.
        end: its end-of-text token; None: the first that it has of those that are usual.

    Raises:
        GemixError: the file cannot be read, holds no tokenizer, or has no such token.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # the library raises plain Exception
        raise GemixError(f"{path} is not a tokenizer.json: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    token = next((t for t in ([end] if end else _ENDS) if tokenizer.token_to_id(t) is not None), None)
    if token is None:
        known = f"{end!r} is none of its tokens" if end else f"it has none of {', '.join(_ENDS)}"
        raise GemixError(f"{path} has no end-of-text token: {known}; name one: --end TOKEN")
    # A document that spells a special token is tokenised as the characters that it is.
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)])
    tokenizer.encode_special_tokens = True
    return tokenizer


def end_of_text(tokenizer: Tokenizer, end: str | None = None) -> int:
    """Return the id of the end-of-text token: that of `end`, or the first of the usual ones.

    Raises:
        GemixError: it has none.

    """
    for token in [end] if end else _ENDS:
        found = tokenizer.token_to_id(token)
        if found is not None:
            return int(found)
    raise GemixError(f"the tokenizer has no end-of-text token {end or ''}".rstrip())


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """Return the number of ids: one more than the largest, since a tokenizer may leave some out."""
    return int(max(tokenizer.get_vocab(with_added_tokens=True).values())) + 1
