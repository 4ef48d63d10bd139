"""The passage of a document that is typical of its domain: the one with most of the domain's keywords in it."""

import re
from collections.abc import Sequence
from typing import Final

from gemix.taxonomy.words import is_unspaced

CHARACTERS: Final = 300
_BEFORE: Final = 60  # characters that lead up to the first keyword
_STEM: Final = 5  # letters that forms of a word have in common


def excerpt(text: str, keywords: Sequence[str]) -> str:
    """Return at most 300 characters of a text, from where most different keywords follow; the first such place.

    Banners and footers hold no keywords, since what many documents share counts for none (see `gemix.taxonomy.words`).
    """
    if len(text) <= CHARACTERS:
        return text
    folded = text.lower()
    if len(folded) != len(text):  # of some letters, such as İ
        folded = text
    places = sorted((found.start(), k) for k, word in enumerate(keywords) for found in _pattern(word).finditer(folded))
    best, most = 0, 0
    for i, (at, _) in enumerate(places):
        start = _start(text, at)
        held = {k for place, k in places[i:] if place < start + CHARACTERS - 2}
        if len(held) > most:
            best, most = start, len(held)
    if not best:
        return text[:CHARACTERS]
    return "… " + text[best : best + CHARACTERS - 2]


def _pattern(keyword: str) -> re.Pattern[str]:
    if is_unspaced(keyword):
        return re.compile(re.escape(keyword))
    words = (re.escape(word[: max(_STEM, len(word) - 2)]) + r"\w*" for word in keyword.split())
    return re.compile(r"\b" + r"\W+".join(words))


def _start(text: str, at: int) -> int:
    """Return where the sentence or, if that is far, the word begins that leads up to a place."""
    first = max(0, at - _BEFORE)
    if not first:
        return 0
    before = text[first:at]
    sentence = max((found.end() for found in re.finditer(r"[.!?。！？]\s*", before)), default=0)
    return first + (sentence or before.find(" ") + 1)
