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
MAX_CHARACTERS: Final = 60
_NAME_KEYWORDS: Final = 3


def slug(text: str) -> str:
    """Return the letters and digits of `text` as a name, cut after a whole word; "" where there are no letters."""
    kept = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in unicodedata.normalize("NFC", text))
    words = kept.casefold().split()
    while len(words) > 1 and len("-".join(words)) > MAX_CHARACTERS:
        words.pop()
    name = "-".join(words)[:MAX_CHARACTERS]
    return name if re.search(r"[^\W\d_]", name) else ""


def keyword_name(keywords: Sequence[str], fallback: str, taken: Container[str]) -> str:
    """Return the first three keywords, or as many as it takes for a name that is not taken, or else the fallback."""
    slugs = [word.replace(" ", "-") for word in keywords]
    lengths = range(min(_NAME_KEYWORDS, len(slugs)), len(slugs) + 1)
    candidates = ["-".join(slugs[:n]) for n in lengths if n]
    return next((name for name in candidates if name not in taken), fallback)


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


def numbered(k: int, count: int) -> str:
    """Return the name of a domain of which nothing is known but its number, such as "domain-03"."""
    return f"domain-{k:0{max(2, len(str(count - 1)))}d}"


def tell_apart(name: str, keywords: Sequence[str], k: int, taken: Container[str]) -> str:
    """Return `name`, with keywords that it does not hold behind it, or the number k, where it is taken."""
    if name not in taken:
        return name
    words = set(name.split("-"))
    longer = name
    for keyword in keywords:
        added = [word for word in keyword.split() if word not in words]
        if not added:
            continue
        words.update(added)
        longer = f"{longer}-{'-'.join(added)}"
        if longer not in taken:
            return longer
    # A number after a name that ends in one could meet another name: count on until it does not.
    while f"{name}-{k}" in taken:
        k += 1
    return f"{name}-{k}"
