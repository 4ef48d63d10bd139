"""The part of a document that models read: teacher and student see the same characters."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """The first `characters` characters of a text after each run of white space became one space.

    Only the first `4 * characters` raw characters are looked at, so that a huge document costs no more than a long one.
    """

    characters: int

    def __call__(self, text: str) -> str:
        """Return the window of `text`."""
        return " ".join(text[: 4 * self.characters].split())[: self.characters]
