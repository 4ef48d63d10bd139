"""What a reader hands out: batches of rows, each with a text or with the reason why it has none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
    """Consecutive rows of one shard; the arrays have one entry per physical row and hold valid UTF-8.

    Attributes:
        first_row: 1-based (a JSON lines file's line number).
        ids: strings, the id column as text, or "shard name:row" where it is missing, null or the row is bad; no null.
        texts: strings or large strings; null exactly where `reasons` is not.
        reasons: strings, values of `Reason`; null for a good row.
        extras: the other columns of each row ({} for a bad row); None as a whole unless asked for.

    """

    first_row: int
    ids: pa.Array
    texts: pa.Array
    reasons: pa.Array
    extras: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    @property
    def good_texts(self) -> pa.Array:
        """The texts of the good rows."""
        return self.texts.drop_null() if self.texts.null_count else self.texts


def make_batch(
    shard_name: str,
    first_row: int,
    ids: pa.Array | Sequence[Any],
    texts: pa.Array | Sequence[Any],
    extras: list[dict[str, Any]] | None = None,
) -> Batch:
    """Return the batch of rows whose columns hold these values.

    Args:
        shard_name: for rows without an id.
        first_row: number of the first row.
        ids: strings in an Arrow array, or values of any kind.
        texts: valid strings in an Arrow array, or values of any kind: a Reason makes its row a bad one.
        extras: other columns of each row; taken over, and emptied where the row is bad.

    """
    texts, reasons = _texts_and_reasons(texts)
    if extras is not None and reasons.null_count < len(reasons):
        extras = [{} if reason else extra for extra, reason in zip(extras, reasons.is_valid().to_pylist(), strict=True)]
    return Batch(first_row, _known_ids(ids, reasons, shard_name, first_row), texts, reasons, extras)


def _texts_and_reasons(texts: pa.Array | Sequence[Any]) -> tuple[pa.Array, pa.Array]:
    """Return the usable texts, null elsewhere, and why the others are not usable."""
    reasons: list[Reason | None] | None = None
    if not isinstance(texts, pa.Array):
        if not all(type(text) is str for text in texts):
            reasons = list(map(_reason, texts))
            texts = [None if reason else text for text, reason in zip(texts, reasons, strict=True)]
        texts = pa.array(texts, pa.large_string())
    empty = pc.or_(pc.equal(pc.binary_length(texts), 0), pc.utf8_is_space(texts))
    if pc.any(empty).as_py():
        reasons = reasons or [None] * len(texts)
        for i in np.flatnonzero(empty.fill_null(False)):
            reasons[i] = Reason.EMPTY_TEXT
        texts = pc.if_else(empty, None, texts)
    elif texts.null_count == 0:
        return texts, pa.nulls(len(texts), pa.string())
    if reasons is None:
        reasons = [None] * len(texts)
    for i in np.flatnonzero(texts.is_null()):
        reasons[i] = reasons[i] or Reason.MISSING_TEXT
    return texts, pa.array(reasons, pa.string())


def _reason(text: Any) -> Reason | None:
    if isinstance(text, Reason):
        return text
    if text is None:
        return Reason.MISSING_TEXT
    return None if isinstance(text, str) else Reason.TEXT_NOT_STRING


def _known_ids(ids: pa.Array | Sequence[Any], reasons: pa.Array, shard_name: str, first_row: int) -> pa.Array:
    if not isinstance(ids, pa.Array):
        ids = pa.array([value if type(value) is str else _id(value) for value in ids], pa.string())
    unknown = pc.or_(pc.or_(reasons.is_valid(), ids.is_null()), pc.equal(pc.binary_length(ids), 0).fill_null(True))
    rows = np.flatnonzero(unknown)
    if not len(rows):
        return ids
    names = pa.array([f"{shard_name}:{first_row + row}" for row in rows.tolist()], ids.type)
    return pc.replace_with_mask(ids, unknown, names)


def _id(value: Any) -> str | None:
    """Return a string, UUID or finite number as text; None, so that the row number serves, for all else."""
    if isinstance(value, str | UUID):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return None
    return str(value)
