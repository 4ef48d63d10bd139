"""Which documents nothing is trained on: by a hash of their words in lower case, so that copies are on one side.

It depends on nothing else: not on ids, seeds, tokenizers or the other documents. What is held out at a smaller share is
held out at a larger one.
"""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.errors import GemixError
from gemix.tokens.pieces import pieces


def text_place(text: str | bytes) -> float:
    """Return the hash of a text's words in lower case, uniform in [0, 1), in steps of 2^-53; of tokens, their hash."""
    state = hashlib.blake2b(digest_size=8, salt=b"tokenize:held")
    if isinstance(text, str):
        for part in _normal(text):
            state.update(part.encode())
    else:
        state.update(text)
    return (int.from_bytes(state.digest(), "big") >> 11) / (1 << 53)


def _normal(text: str) -> Iterator[str]:
    """Yield `" ".join(text.lower().split())` in pieces: the words of a long text take ten times its memory."""
    some = space = False
    for piece in pieces(text):
        if words := piece.lower().split():
            if some and (space or piece[0].isspace()):
                yield " "
            yield " ".join(words)
            some, space = True, piece[-1].isspace()
        else:
            space = space or bool(piece)


def is_held_out(text: str | bytes, share: float) -> bool:
    """Return whether a document is kept from training, where this share of all is."""
    return share > 0 and text_place(text) < share


def held_out(texts: Iterable[str], share: float) -> NDArray[np.bool_]:
    """Return which documents are kept from training, (n,) bool.

    Raises:
        GemixError: `share` is not between 0 and 1.

    """
    if not 0 <= share < 1:
        raise GemixError(f"the held-out share lies between 0 and 1, not at {share:g}")
    return np.array([is_held_out(text, share) for text in texts], bool)
