"""What a reader hands out: batches of rows, each with a text or with the reason why it has none."""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

BATCH_BYTES = 1 << 25  # a batch closes at this many bytes of input even if it has few rows


class Reason(StrEnum):
    """Why a row has no usable text."""

    BAD_JSON = "bad_json"
    NOT_AN_OBJECT = "not_an_object"
    INVALID_UTF8 = "invalid_utf8"
    MISSING_TEXT = "missing_text"
    EMPTY_TEXT = "empty_text"
    TEXT_NOT_STRING = "text_not_string"
    BLANK_LINE = "blank_line"
    LINE_TOO_LONG = "line_too_long"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of one shard; the lists have one entry per physical row.

    `first_row` is 1-based (a JSON lines file's line number). `texts[i]` is None exactly where `reasons[i]` is not.
    `ids[i]` is the id column as text, or "shard name:row" where it is missing, null or the row is bad.
    `extras[i]` holds the other columns ({} for a bad row); None as a whole unless asked for.
    Every string can be encoded as UTF-8.
    """

    first_row: int
    ids: list[str] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)
    reasons: list[Reason | None] = field(default_factory=list)
    extras: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def append(self, shard_name: str, row_id: Any, text: Any, extras: dict[str, Any]) -> None:
        """Add the next row from the values of its columns; a Reason in place of the text makes it a bad one."""
        reason = text if isinstance(text, Reason) else _reason(text)
        known_id = None if reason else _id(row_id)
        self.ids.append(known_id or f"{shard_name}:{self.first_row + len(self)}")
        self.texts.append(None if reason else text)
        self.reasons.append(reason)
        if self.extras is not None:
            self.extras.append({} if reason else extras)


def _reason(text: Any) -> Reason | None:
    if text is None:
        return Reason.MISSING_TEXT
    if not isinstance(text, str):
        return Reason.TEXT_NOT_STRING
    return Reason.EMPTY_TEXT if not text or text.isspace() else None


def _id(value: Any) -> str | None:
    """Return a string, UUID or finite number as text; None, so that the row number serves, for all else and for ""."""
    if isinstance(value, str | UUID):
        return str(value) or None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return None
    return str(value)
