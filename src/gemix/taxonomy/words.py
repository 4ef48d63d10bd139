"""Texts as numbers: their words, in scripts without spaces their characters, and which of them say nothing.

Addresses, numbers and single letters are no words. The function words of each text's language are marked (lists of
stopwords-iso), and so is what repeats another text: copies, and passages that five texts share, such as banners,
footers and signatures, in all texts but the first.
"""

import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from stopwordsiso import langs, stopwords

Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Between two words that make no phrase: punctuation, a number, a single letter, the end of a text.
BREAK: Final = -1
_MAX_WORDS: Final = 1_000  # of a text; later ones say little that is new
_PASSAGE: Final = 8  # words that follow one another by chance in few texts only
_PASSAGE_TEXTS: Final = 5
# Of a text's words, as many function words tell its language: a share, and a number.
_LANGUAGE_SHARE: Final = 0.1
_LANGUAGE_WORDS: Final = 2
_ADDRESS: Final = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+|\b(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|html?|php)\b\S*")
# Han, kana, Thai, Lao, Burmese, Khmer: scripts that put no space between words.
_UNSPACED: Final = (
    "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f\u3041-\u309f\u30a1-\u30ff"
    "\u0e01-\u0e4e\u0e81-\u0ecd\u1000-\u103f\u1780-\u17d3"
)
_UNSPACED_LANGUAGES: Final = ("ja", "th", "zh")
_HIRAGANA: Final = re.compile("[\u3041-\u309f]+")
_UNIT: Final = re.compile(f"[{_UNSPACED}]")
_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of texts, one behind the other, a break behind each text.

    Attributes:
        ids: of every word, or BREAK, (T,).
        texts: the text that each is of, (T,), ascending.
        is_function: whether it is a function word of its text's language, (T,).
        is_repeated: whether it stands in a passage that an earlier text has, (T,).
        vocabulary: the V different words.
        is_unit: whether each is a character of a script without spaces, (V,).

    """

    ids: Ids
    texts: Ids
    is_function: Flags
    is_repeated: Flags
    vocabulary: list[str]
    is_unit: Flags


def read_words(texts: Sequence[str]) -> Words:
    """Return the words of texts, in lower case, the first 1,000 of each."""
    numbers: dict[str, int] = {}
    known: dict[str, list[int]] = {}  # what stands between two spaces is taken apart once
    parts = []
    for text in texts:
        part: list[int] = []
        for chunk in text[: 8 * _MAX_WORDS].split():
            found = known.get(chunk)
            if found is None:
                found = known[chunk] = [numbers.setdefault(word, len(numbers)) for word in _apart(chunk)]
            part += found
        parts.append(part[:_MAX_WORDS])
    lengths = np.array([len(part) + 1 for part in parts], dtype=np.int64)
    ids = np.full(int(lengths.sum()), BREAK, dtype=np.int64)
    owners = np.repeat(np.arange(len(parts)), lengths)
    for end, part in zip(np.cumsum(lengths).tolist(), parts, strict=True):
        ids[end - 1 - len(part) : end - 1] = part
    is_unit = np.array([is_unspaced(word) for word in numbers], dtype=bool)
    is_break = np.array([len(word) == 1 and not is_unspaced(word) for word in numbers], dtype=bool)
    ids[np.append(is_break, True)[ids]] = BREAK
    repeated = _shared_passages(ids, owners, np.append(is_unit, False)[ids]) | _copies(texts)[owners]
    return Words(ids, owners, _function_words(ids, owners, numbers), repeated, list(numbers), is_unit)


def _apart(chunk: str) -> list[str]:
    """Return the words of a text without spaces, and what breaks a phrase."""
    return _pattern().findall(_ADDRESS.sub(".", unicodedata.normalize("NFC", chunk).lower()))


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    """Match a character of a script without spaces, a word of two or more letters, or what breaks a phrase.

    Combining marks belong to their letter, of which Hindi has many; they are no letters to `re`.
    """
    marks = "".join(
        re.escape(chr(code)) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M"
    )
    letter = rf"[^\W\d_{_UNSPACED}]"
    return re.compile(rf"[{_UNSPACED}][{marks}]*|{letter}(?:{letter}+|[{marks}]+)+|[^\s-]")


def _copies(texts: Sequence[str]) -> Flags:
    """Return which texts equal an earlier one."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(text, i) != i for i, text in enumerate(texts)], dtype=bool)


def _shared_passages(ids: Ids, owners: Ids, is_unit: Flags) -> Flags:
    """Return which words stand in a passage of eight (16 characters without spaces) that five texts share."""
    flags = np.zeros(len(ids), dtype=bool)
    count = len(ids) - 2 * _PASSAGE
    if count < 1:
        return flags
    hashes = (ids.astype(np.uint64) + np.uint64(2)) * _FACTOR
    hashes ^= hashes >> np.uint64(29)
    reach = 1
    while reach < _PASSAGE:  # the hash of eight words is that of two fours, and so on
        hashes = hashes[:-reach] * _FACTOR ^ (hashes[reach:] + (hashes[:-reach] >> np.uint64(32)))
        reach *= 2
    longer = hashes[:-_PASSAGE] * _FACTOR ^ hashes[_PASSAGE:]
    lengths = np.where(is_unit[:count], 2 * _PASSAGE, _PASSAGE)
    hashes = np.where(is_unit[:count], longer[:count], hashes[:count])
    starts = np.flatnonzero(owners[:count] == owners[np.arange(count) + lengths - 1])
    if not len(starts):
        return flags
    order = starts[np.argsort(hashes[starts], kind="stable")]
    is_new = np.append(True, hashes[order[1:]] != hashes[order[:-1]])
    group = np.cumsum(is_new) - 1
    is_other_text = np.append(True, owners[order[1:]] != owners[order[:-1]]) | is_new
    shared = np.bincount(group[is_other_text]) >= _PASSAGE_TEXTS
    first = owners[order[is_new]]
    repeated = order[shared[group] & (owners[order] != first[group])]
    ends = np.zeros(len(ids) + 1, dtype=np.int64)
    np.add.at(ends, repeated, 1)
    np.add.at(ends, repeated + lengths[repeated], -1)
    return np.cumsum(ends[:-1]) > 0


def _function_words(ids: Ids, owners: Ids, numbers: dict[str, int]) -> Flags:
    """Return which words are function words of the language of their text: the one with most of them in it.

    A text that does not tell its language is taken for English.
    """
    lists = _stop_lists()
    is_listed = np.zeros((len(lists), len(numbers) + 1), dtype=bool)  # the last is no word
    for number, words in enumerate(lists):
        is_listed[number, [numbers[word] for word in words if word in numbers]] = True
    texts = int(owners[-1]) + 1 if len(owners) else 0
    is_word = ids != BREAK
    lengths = np.bincount(owners[is_word], minlength=texts)
    hits = np.array([np.bincount(owners[listed[ids]], minlength=texts) for listed in is_listed])
    told = hits.max(axis=0) >= np.maximum(_LANGUAGE_SHARE * lengths, _LANGUAGE_WORDS)
    language = np.where(told, hits.argmax(axis=0), sorted(langs()).index("en"))
    return is_listed[language[owners], ids]


@lru_cache(maxsize=1)
def _stop_lists() -> list[set[str]]:
    """Return the words of every list, those with apostrophes in their parts, as texts are read."""
    return [{part for word in stopwords(code) for part in _apart(word)} for code in sorted(langs())]


def is_unspaced(term: str) -> bool:
    """Return whether a term is of a script that puts no space between words."""
    return _UNIT.match(term) is not None


def is_content(term: str) -> bool:
    """Return whether a term of a script without spaces may name something: no list has it, and it is not all kana."""
    return not _HIRAGANA.fullmatch(term) and not any(term in words for words in _unspaced_lists())


@lru_cache(maxsize=1)
def _unspaced_lists() -> list[set[str]]:
    return [{unicodedata.normalize("NFC", word) for word in stopwords(code)} for code in _UNSPACED_LANGUAGES]
