"""How many tokens texts have, by the tokenizer of a file, which goes by the fingerprint of that file."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.buffers import Texts, text_list
from gemix.runtime.errors import GemixError
from gemix.runtime.groups import sized_groups
from gemix.runtime.storage import is_remote, read_bytes, to_path
from gemix.tokens.pieces import pieces

_GROUP = 1 << 20  # characters handed to the tokenizer at a time, so that memory stays bounded
DIGITS = 16  # of the fingerprint


class TokenCounter:
    """Counts by one tokenizer; special tokens are not counted, nothing is truncated or padded.

    Attributes:
        fingerprint: of the file; it stands in every file that holds counts.

    """

    def __init__(self, spec: str | Path) -> None:
        """Load a tokenizer, see `read_tokenizer`.

        Raises:
            GemixError: it is not there or is none.

        """
        data = read_tokenizer(spec)
        self.fingerprint = hashlib.sha256(data).hexdigest()[:DIGITS]
        self._spec = str(spec)
        self._tokenizer = _load(self._spec, data)

    def count(self, texts: Texts) -> NDArray[np.int64]:
        """Return the number of tokens of each text, (n,) int64; a long text is counted piece by piece.

        Raises:
            GemixError: the tokenizer fails on a text (one without an unknown token, for example).

        """
        listed = text_list(texts)
        counts = np.zeros(len(listed), np.int64)
        parts = [(i, piece) for i, text in enumerate(listed) for piece in pieces(text)]
        done = 0
        for group in sized_groups([piece for _, piece in parts], _GROUP):
            try:
                encodings = self._tokenizer.encode_batch_fast(group, add_special_tokens=False)
            except Exception as error:  # the library raises plain Exception
                raise GemixError(f"the tokenizer {self._spec} fails: {error}") from error
            for (i, _), encoding in zip(parts[done : done + len(group)], encodings, strict=True):
                counts[i] += len(encoding)
            done += len(group)
        return counts


def tokenizer_file(spec: str | Path) -> Path | None:
    """Return the file or URL that `spec` names, None if it is a name on Hugging Face."""
    path = to_path(spec)
    is_file = path is spec or is_remote(path) or path.exists() or path.suffix == ".json"
    return path if is_file or str(spec).startswith((".", "/", "~")) else None


def read_tokenizer(spec: str | Path) -> bytes:
    """Return the bytes of a tokenizer.json: a file, that of a URL, or that of a name on Hugging Face.

    Raises:
        GemixError: it cannot be read or fetched.

    """
    path = tokenizer_file(spec)
    if path is not None:
        try:
            return read_bytes(path)
        except OSError as error:
            raise GemixError(f"cannot read the tokenizer {path}: {error.strerror or error}") from error
    from tokenizers import Tokenizer

    try:
        found: str = Tokenizer.from_pretrained(str(spec)).to_str(pretty=True)
    except Exception as error:  # the library raises plain Exception
        raise GemixError(
            f"the tokenizer {spec} is no file here, and cannot be fetched from Hugging Face "
            f"({str(error).splitlines()[0]}); give the path of a tokenizer.json"
        ) from error
    return found.encode()


def _load(spec: str, data: bytes) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # the library raises plain Exception
        raise GemixError(f"{spec} is no tokenizer.json: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a document that spells one is counted as the characters that it is
    return tokenizer
