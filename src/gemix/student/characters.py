"""What each character is to a hashed student: a separator, white space, or a letter, its case folded.

The tables stay with the model: a later Python with another version of Unicode reads texts as the training did.
"""

import unicodedata
from enum import IntEnum
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PLANE: Final = 1 << 16  # characters that the tables cover; for those above, the kernel has rules of its own


class Kind(IntEnum):
    """What a character does to the words around it.

    Letters of a script that writes words without spaces between them form no words but n-grams: of one and two
    characters where a character carries meaning (Chinese, Japanese), of two and three where it is a mere sound (Thai).
    """

    SEPARATOR = 0
    SPACE = 1
    LETTER = 2
    IDEOGRAPH = 3
    SYLLABLE = 4


_IDEOGRAPHS: Final = ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA", "BOPOMOFO")
_SYLLABLES: Final = ("THAI", "LAO", "KHMER", "MYANMAR", "TAI ", "NEW TAI ")


class Characters(NamedTuple):
    """Tables by code point, below 65,536.

    Attributes:
        kinds: (65536,) uint8, a `Kind`.
        folds: (65536,) uint16, the letter after case folding.

    """

    kinds: NDArray[np.uint8]
    folds: NDArray[np.uint16]


@cache
def characters() -> Characters:
    """Return the tables by this Python's version of Unicode.

    Letters are the categories L, M (Thai vowels and many others are marks) and N. What folds to two characters ("ß") is
    left alone, or in lower case. Accents stay: "é" is one letter, "e" with a combining accent two, and neither is "e".
    """
    kinds, folds = np.zeros(PLANE, np.uint8), np.zeros(PLANE, np.uint16)
    for code in range(PLANE):
        character = chr(code)
        folds[code] = code
        if character.isspace():
            kinds[code] = Kind.SPACE
        elif unicodedata.category(character)[0] in "LMN":
            kinds[code] = _letter(unicodedata.name(character, ""))
            folds[code] = next(ord(fold) for fold in _folds(character) if len(fold) == 1 and ord(fold) < PLANE)
    kinds.flags.writeable = folds.flags.writeable = False
    return Characters(kinds, folds)


def fold_letters(text: str) -> str:
    """Return the text, each letter of words in lower case and a blank for every other character."""
    return text.translate(_translation())


@cache
def _translation() -> dict[int, int]:
    kinds, folds = characters()
    return dict(enumerate(folds.tolist())) | dict.fromkeys(np.flatnonzero(kinds != Kind.LETTER).tolist(), ord(" "))


def _folds(character: str) -> tuple[str, ...]:
    """Return the ways to fold case, the best first: that which makes one of "Σ", "σ" and "ς" may be two characters."""
    return character.casefold(), character.lower(), character


def _letter(name: str) -> Kind:
    if name.startswith(_IDEOGRAPHS):
        return Kind.IDEOGRAPH
    return Kind.SYLLABLE if name.startswith(_SYLLABLES) else Kind.LETTER
