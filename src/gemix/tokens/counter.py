"""How many tokens a document has, by a counter with a name."""

import hashlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gemix.corpus.buffers import Texts, text_buffers, text_list
from gemix.runtime.compiled import can_compile
from gemix.runtime.errors import GemixError
from gemix.runtime.groups import sized_groups

_PIECE = 1 << 20  # characters handed to a counter at a time, so that memory stays bounded


class TokenCounter(Protocol):
    """Counts the tokens of texts; `name` says how and goes into every file that holds its counts."""

    name: str

    def count(self, texts: Texts) -> np.ndarray:
        """Return the number of tokens of each text, (n,) int64."""
        ...


def token_counter(spec: str) -> TokenCounter:
    """Return the counter "whitespace" (words between white space) or that of a `tokenizers` JSON file, by its path.

    Raises:
        GemixError: the file is not there or holds no tokenizer.

    """
    return WhitespaceCounter() if spec == "whitespace" else TokenizersCounter(Path(spec))


class WhitespaceCounter:
    """The number of `str.split()` pieces."""

    name = "whitespace"

    def count(self, texts: Texts) -> np.ndarray:
        """Return the number of words of each text, (n,) int64."""
        if not can_compile():
            return np.array([len(text.split()) for text in text_list(texts)], np.int64)
        from gemix.tokens.words_kernel import count_words

        offsets, data = text_buffers(texts)
        return count_words(data, offsets)


class TokenizersCounter:
    """A tokenizer from a `tokenizers` JSON file; special tokens are not counted, nothing is truncated or padded."""

    def __init__(self, path: Path) -> None:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise GemixError(
                f"token counter {path}: {error.strerror}; give 'whitespace' or a tokenizer.json"
            ) from error
        self.name = f"tokenizers:{path.name}#{hashlib.sha256(data).hexdigest()}"
        self._path = path
        self._tokenizer = _load(path, data)

    def count(self, texts: Texts) -> np.ndarray:
        """Return the number of tokens of each text, (n,) int64.

        Raises:
            GemixError: the tokenizer fails on a text (one without an unknown token, for example).

        """
        counts: list[int] = []
        for group in sized_groups(text_list(texts), _PIECE):
            try:
                encodings = self._tokenizer.encode_batch_fast(group, add_special_tokens=False)
            except Exception as error:  # the library raises plain Exception
                raise GemixError(f"token counter {self._path}: {error}") from error
            counts.extend(map(len, encodings))
        return np.array(counts, np.int64)


def _load(path: Path, data: bytes) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # the library raises plain Exception
        raise GemixError(f"token counter {path}: not a tokenizers JSON file ({error})") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
