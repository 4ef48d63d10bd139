"""Text, id and a few other columns of JSON lines, typed: no value that nobody asked for, no Python string of a text.

msgspec finds the columns on each line and checks it; the texts stay the bytes that they are and lose their escapes all
together. A batch is read here as a whole or not at all: what is not plain is left to the parser in `jsonl`, which has
the last word.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from gemix.corpus.unescape_kernel import unescape
from gemix.runtime.groups import sized_groups

_GROUP_BYTES: Final = 1 << 18  # read at a time, while the processor still has them at hand
_LONGEST: Final = 1 << 24  # line: a longer one would be in memory once more than it must
_DIGITS: Final = 4300  # Python refuses longer integers
_TWO_DIGITS: Final = re.compile(rb"\d\d")
_TOO_LONG: Final = re.compile(rb"\d{%d}" % (_DIGITS + 1))
Columns = tuple[pa.Array, list[Any], list[tuple[Any, ...]]]


def plain_reader(
    text_key: str, id_key: str, others: Sequence[str] = ()
) -> Callable[[Sequence[bytes | bytearray]], Columns | None]:
    """Return what makes texts (null where missing or null), ids and rows of the others from lines; None if not plain.

    Plain is a JSON object in UTF-8 whose text is a string or null. All three keys differ, and msgspec knows them.
    """
    keys = [text_key, id_key, *others]
    kinds = [("text", msgspec.Raw, msgspec.Raw(b"null")), *((f"column{i}", Any, None) for i in range(1, len(keys)))]
    try:
        columns = msgspec.defstruct(
            "Columns", kinds, rename=dict(zip((kind[0] for kind in kinds), keys, strict=True)), gc=False
        )
    except ValueError:  # a key twice, or one that needs an escape or has no UTF-8
        return lambda lines: None
    decode = msgspec.json.Decoder(columns).decode

    def read(lines: Sequence[bytes | bytearray]) -> Columns | None:
        texts, rows = _Texts(lines), []
        for group in sized_groups(lines, _GROUP_BYTES):
            if any(map(_unsafe, group)) or not _is_utf8(b"\n".join(group)):
                return None
            try:
                found = [msgspec.structs.astuple(decode(line)) for line in group]
            except (msgspec.MsgspecError, ValueError, RecursionError):
                return None
            if not texts.add([row[0] for row in found]):
                return None
            rows += [row[1:] for row in found]
        return texts.array(), [row[0] for row in rows], [row[1:] for row in rows] if others else []

    return read


def _unsafe(line: bytes | bytearray) -> bool:
    """Return whether a line may hold what msgspec lets pass where nobody asked for it: an integer too long for Python.

    Such a one covers two neighbours of the characters that are looked at first.
    """
    size = len(line)
    if size <= _DIGITS:
        return False
    return size > _LONGEST or bool(_TWO_DIGITS.search(line[:: _DIGITS // 2]) and _TOO_LONG.search(line))


class _Texts:
    """The strings that pieces of JSON stand for, null for null."""

    def __init__(self, lines: Sequence[bytes | bytearray]) -> None:
        """Make room for the texts of these lines."""
        self._out = np.empty(sum(map(len, lines)), np.uint8)
        self._ends = np.zeros(len(lines) + 1, np.int64)
        self._there = np.zeros(len(lines), np.bool_)
        self._rows = 0

    def add(self, raw: list[msgspec.Raw]) -> bool:
        """Add some; return False if one is neither a string nor null."""
        data = np.frombuffer(b"".join(raw), np.uint8)
        stops = np.fromiter(map(len, raw), np.int64, len(raw)).cumsum()
        first = data[np.concatenate([np.zeros(1, np.int64), stops[:-1]])]
        there = first == ord('"')
        rows = slice(self._rows, self._rows + len(raw))
        self._there[rows] = there
        unescape(data, stops, there, self._out, self._ends[rows.start : rows.stop + 1])
        self._rows = rows.stop
        return bool((there | (first == ord("n"))).all())

    def array(self) -> pa.Array:
        """Return them all."""
        out = self._out[: self._ends[-1]]
        if 2 * len(out) < len(self._out):
            out = out.copy()  # the room that was left over is given back
        valid = None if self._there.all() else pa.py_buffer(np.packbits(self._there, bitorder="little"))
        buffers = [valid, pa.py_buffer(self._ends), pa.py_buffer(out)]
        return pa.Array.from_buffers(pa.large_string(), len(self._there), buffers)


def _is_utf8(data: bytes) -> bool:
    ends = pa.py_buffer(np.array([0, len(data)], np.int64))
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(data)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
