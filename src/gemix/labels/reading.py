"""How the documents of a corpus are read and counted while they are labelled."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from gemix.tokens.counter import TokenCounter, token_counter


@dataclass(frozen=True)
class Reading:
    """What, beside input and student, decides the labels and counts of a shard.

    Attributes:
        text_key: Column of the text.
        id_key: Column of the id.
        source_key: Column to count by, beside the domain.
        date_key: Column of the date, to count by month.
        counter: Counts the tokens of whole texts, see `gemix.tokens.counter.token_counter`.

    """

    text_key: str = "text"
    id_key: str = "id"
    source_key: str | None = None
    date_key: str | None = None
    counter: str = "whitespace"

    @cached_property
    def token_counter(self) -> TokenCounter:
        """The loaded counter.

        Raises:
            GemixError: it cannot be loaded.

        """
        return token_counter(self.counter)

    @property
    def settings(self) -> dict[str, str]:
        """What the markers say of it; the counter by what it is, not by where it lies."""
        values: dict[str, Any] = asdict(self) | {"counter": self.token_counter.name}
        return {key: value for key, value in values.items() if value is not None}

    @property
    def extras(self) -> list[str]:
        """The columns that are read beside text and id."""
        return [key for key in (self.source_key, self.date_key) if key is not None]
