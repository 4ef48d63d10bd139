"""The one text normaliser of a student: training and serving read the same characters."""

import re
from dataclasses import dataclass
from typing import Any, Final

from gemix.corpus.window import Window
from gemix.runtime.errors import GemixError

# Names the rules below in saved models: a model made by other rules is refused, not misread.
RULES: Final = "lower-case words of letters and digits"
_WORDS: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Normaliser:
    """The window of a text, in lower case, as words of letters and digits with one space between them.

    What fastText reads as markup ("__label__", "</s>", a line break) cannot survive, whatever the text holds.
    """

    window: Window

    def __call__(self, text: str) -> str:
        """Return what the student reads of `text`: one line, valid UTF-8."""
        return " ".join(_WORDS.findall(self.window(text).lower()))

    def to_config(self) -> dict[str, Any]:
        """Return JSON from which `from_config` makes the same normaliser."""
        return {"rules": RULES, "window": self.window.characters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Normaliser":
        """Return the normaliser that `to_config` described.

        Raises:
            GemixError: it was made by other rules, or the description is damaged.

        """
        try:
            rules, characters = config["rules"], config["window"]
        except (KeyError, TypeError) as error:
            raise GemixError(f"the normaliser of the student is not described: {config!r}") from error
        if rules != RULES:
            raise GemixError(f"the student reads texts by the rules {rules!r}, this version of gemix by {RULES!r}")
        if not isinstance(characters, int) or characters < 1:
            raise GemixError(f"the student's window must be a positive number of characters, not {characters!r}")
        return cls(Window(characters))
