"""Long texts in pieces: no tokenizer is handed more at a time, so that neither its time nor its memory runs away."""

import re
from collections.abc import Iterator
from typing import Final

_LONGEST: Final = 1 << 16  # characters of a piece
_BREAK: Final = re.compile(r"(?<=\S)(?=\s)")


def pieces(text: str, longest: int = _LONGEST) -> Iterator[str]:
    """Yield a text in pieces of at most `longest` characters, which together are the text.

    A piece ends before white space, where tokens end, too; a longer word is cut. A text has the same pieces wherever
    it is read.
    """
    start = 0
    while len(text) - start > longest:
        stop = start + longest
        # The last place in the second half of the piece: words are short, and the search is one of few characters.
        found = [match.start() for match in _BREAK.finditer(text, start + longest - min(longest // 2, 256), stop + 1)]
        end = found[-1] if found and found[-1] > start else stop
        yield text[start:end]
        start = end
    if start < len(text) or not text:
        yield text[start:]
