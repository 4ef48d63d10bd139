"""Texts of the corpus, made harmless to read: one line, no control characters, cut short."""

import re
from typing import Final

# Characters of a document that are shown. The taxonomy keeps one more: what it cut off shows, too.
EXCERPT: Final = 299
# Control characters (terminals obey some), line separators, and overrides of the writing direction.
_CONTROL: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+")


def plain(text: str, most: int = EXCERPT) -> str:
    """Return `text` as one line of at most `most` characters; what is cut off shows as an ellipsis."""
    # The cut before the substitution bounds its work, whatever the length of the text.
    line = _CONTROL.sub(" ", text[: 4 * most]).strip()
    return line if len(line) <= most and len(text) <= 4 * most else line[: most - 1].rstrip() + "…"
