"""Names as keys: lower-case words of any script joined by hyphens, no two of them equal.

A name joins tables, heads columns and becomes part of a path, so it holds nothing that any of these could misread,
whoever proposed it.
"""

import re
import unicodedata
from collections.abc import Container, Sequence
from typing import Final

# Control characters and overrides of the writing direction, which could make a page read as what it is not.
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
MAX_CHARACTERS: Final = 32
_NAME_KEYWORDS: Final = 3
_STEM: Final = 5  # letters that forms of a word have in common


def slug(text: str) -> str:
    """Return the letters and digits of `text` as a name, cut after a whole word; "" where there are no letters."""
    kept = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in unicodedata.normalize("NFC", text))
    name = _fitting(kept.casefold().split(), MAX_CHARACTERS)
    return name if re.search(r"[^\W\d_]", name) else ""


def _fitting(words: Sequence[str], room: int) -> str:
    """Return the first words joined, as many as there is room for; a first word that is too long is cut."""
    name = words[0][:room] if words else ""
    for word in words[1:]:
        if len(name) + 1 + len(word) > room:
            break
        name = f"{name}-{word}"
    return name


def keyword_name(keywords: Sequence[str], fallback: str, taken: Container[str]) -> str:
    """Return the first three keywords, or as many as it takes for a name that is not taken, or else the fallback.

    What does not fit in 32 characters is passed over for the next keyword.
    """
    words = [name for name in map(slug, keywords) if name]
    least = min(_NAME_KEYWORDS, len(words))
    candidates = [_fitted(words, n) for n in range(least, len(words) + 1) if n]
    candidates += [_fitted([*words[: least - 1], *words[at:]], least) for at in range(least, len(words))]
    return next((name for name in candidates if name not in taken), fallback)


def _fitted(words: Sequence[str], count: int) -> str:
    """Return `count` of the words joined, or fewer, those first that leave the name short enough."""
    chosen = [words[0]]
    for word in words[1:]:
        if len(chosen) < count and sum(map(len, chosen)) + len(chosen) + len(word) <= MAX_CHARACTERS:
            chosen.append(word)
    return "-".join(chosen)


def keyword_names(keywords: Sequence[Sequence[str]], taken: Sequence[str] = ()) -> list[str]:
    """Name each domain by its first keywords, as many as it takes for no two names to be equal.

    Args:
        keywords: of every domain, heaviest first.
        taken: names that are not free.

    Returns:
        Names such as "recipe-sugar-oven", lower-case letters and hyphens, all different; "domain-03" for a domain
        without keywords of its own.

    """
    used = set(taken)
    names: list[str] = []
    for k, words in enumerate(keywords):
        # A fallback is free by construction: keywords hold no digits.
        names.append(keyword_name(words, numbered(k, len(keywords)), used))
        used.add(names[-1])
    return names


def claim(name: str, keywords: Sequence[str]) -> float:
    """Return the share of a name's words that begin like a word of the keywords: how well these bear it out."""
    words = name.split("-")
    known = [word for keyword in keywords for word in slug(keyword).split("-") if word]
    return sum(any(word[:_STEM] == other[:_STEM] for other in known) for word in words) / len(words)


def numbered(k: int, count: int) -> str:
    """Return the name of a domain of which nothing is known but its number, such as "domain-03"."""
    return f"domain-{k:0{max(2, len(str(count - 1)))}d}"


def tell_apart(name: str, keywords: Sequence[str], k: int, taken: Container[str]) -> str:
    """Return `name`, with a keyword that it does not hold behind it, or the number k, where it is taken.

    The name gives way to what is put behind it, so that both fit.
    """
    if name not in taken:
        return name
    words = name.split("-")
    for keyword in map(slug, keywords):
        added = "-".join(word for word in keyword.split("-") if word not in words)
        longer = _behind(words, added) if added else name
        if longer not in taken:
            return longer
    # A number after a name that ends in one could meet another name: count on until it does not.
    while (numbered_name := _behind(words, str(k))) in taken:
        k += 1
    return numbered_name


def _behind(words: Sequence[str], added: str) -> str:
    room = MAX_CHARACTERS - len(added) - 1
    return f"{_fitting(words, room)}-{added}" if room > 0 else added
