"""Text, id and a few other columns of JSON lines, from the bytes: no Python string, no value that nobody asked for.

The kernel knows plain JSON only. Whatever it does not know for certain is left to the parser in `jsonl`, which has the
last word: a batch is read here as a whole or not at all.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemix.corpus.json_kernel import Marked, Strings, Wanted, mark, scan
from gemix.runtime.groups import sized_groups

MAX_OTHERS: Final = 2  # columns beside text and id; the kernel is compiled once for all numbers of them
_GROUP_BYTES: Final = 1 << 18  # joined and read at a time, while the processor still has them at hand
_LONGEST: Final = 1 << 24  # line: a longer one would be in memory once more than it must
_NO_KEY: Final = np.frombuffer(b"\xff", np.uint8)  # is in no UTF-8


def parse_plain(
    lines: Sequence[bytes | bytearray], text_key: str, id_key: str, others: Sequence[str] = ()
) -> list[pa.Array] | None:
    """Return texts, ids and other columns, null where a key is missing or null; None if a line is not plain.

    Plain is a JSON object in UTF-8 whose text and others are strings or null and whose id is a string, null or an
    integer. There are at most two others; one that is the text or the id is null.
    """
    if max(map(len, lines)) > _LONGEST:
        return None
    keys = [np.frombuffer(key.encode(errors="surrogatepass"), np.uint8) for key in (text_key, id_key, *others)]
    unused = MAX_OTHERS - len(others)
    size = sum(map(len, lines))
    columns = [_strings(size, len(lines)) for _ in keys] + [_strings(0, len(lines))] * unused
    wanted = Wanted(tuple(keys + [_NO_KEY] * unused), tuple(columns))
    row = 0
    for group in sized_groups(lines, _GROUP_BYTES):
        data = np.frombuffer(b"\n".join([*group, b"\0"]), np.uint8)
        marks = np.ones(len(data) // 8 * 8 + 8, np.uint8)
        mark(data, marks)
        read = scan(Marked(data, marks.view(np.uint64)), wanted, row, row + len(group))
        if not read or not _is_utf8(data):
            return None
        row += len(group)
    kinds = [pa.large_string(), *[pa.string()] * (len(keys) - 1)]
    return [_array(column, kind) for column, kind in zip(columns, kinds, strict=False)]


def _strings(size: int, rows: int) -> Strings:
    return Strings(np.empty(size, np.uint8), np.zeros(rows + 1, np.int64), np.zeros(rows, np.bool_))


def _array(strings: Strings, kind: pa.DataType) -> pa.Array:
    ends = strings.ends if kind == pa.large_string() else strings.ends.astype(np.int32)
    there = None if strings.there.all() else pa.py_buffer(np.packbits(strings.there, bitorder="little"))
    data = strings.data[: strings.ends[-1]]
    if 2 * len(data) < len(strings.data):
        data = data.copy()  # the room that was left over is given back
    return pa.Array.from_buffers(kind, len(strings.there), [there, pa.py_buffer(ends), pa.py_buffer(data)])


def _is_utf8(data: NDArray[np.uint8]) -> bool:
    ends = pa.py_buffer(np.array([0, len(data)], np.int64))
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(data)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
