"""JSON lines: one row per physical line, whatever the line holds."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from gemix.corpus.compression import DamagedError, read_chunks
from gemix.corpus.formats import Shard
from gemix.corpus.rows import BATCH_BYTES, Batch, Reason, make_batch
from gemix.runtime.compiled import can_compile

MAX_LINE_BYTES = (1 << 31) - 1  # Arrow's limit for one string; also stops a file without line ends from filling memory
BOM = b"\xef\xbb\xbf"
_MANY: Final = 1 << 16  # blank lines handed on at a time
Line = bytes | bytearray | Reason
_decode = msgspec.json.Decoder().decode


def read_jsonl(
    shard: Shard, text_key: str, id_key: str, with_extras: bool | Sequence[str], batch_rows: int
) -> Iterator[Batch]:
    """Yield the batches of a JSON lines shard; see `gemix.corpus.reader.read_batches`."""
    others = list(dict.fromkeys(with_extras or ())) if with_extras is not True else None
    read_plain = None
    if others is not None and can_compile():
        from gemix.corpus.plain_json import plain_reader

        read_plain = plain_reader(text_key, id_key, others)
    first_row = 1
    for lines in line_groups(read_chunks(shard), batch_rows):
        whole = [line for line in lines if not isinstance(line, Reason)]
        plain = read_plain(whole) if read_plain and len(whole) == len(lines) else None
        if plain is None:
            yield _batch(shard, first_row, lines, text_key, id_key, bool(with_extras))
        else:
            texts, ids, rows = plain
            extras = [dict(zip(others or (), row, strict=True)) for row in rows] if others else None
            yield make_batch(shard.name, first_row, ids, texts, extras)
        first_row += len(lines)


def _batch(shard: Shard, first_row: int, lines: list[Line], text_key: str, id_key: str, with_extras: bool) -> Batch:
    ids: list[Any] = []
    texts: list[Any] = []
    extras: list[dict[str, Any]] | None = [] if with_extras else None
    for line in lines:
        record = line if isinstance(line, Reason) else parse_line(line)
        if isinstance(record, Reason):
            ids.append(None)
            texts.append(record)
            record = {}
        else:
            texts.append(record.pop(text_key, None))
            ids.append(record.pop(id_key, None))
        if extras is not None:
            extras.append(record)
    return make_batch(shard.name, first_row, ids, texts, extras)


def line_groups(chunks: Iterator[bytes], rows: int) -> Iterator[list[Line]]:
    """Yield the lines without their ends, at most `rows` and about 32 MB at a time.

    A Reason stands for a line that is blank, too long or cut off. Blank lines at the end of the file are no rows.
    """
    group: list[Line] = []
    size = 0
    for lines in _without_last_blanks(chunks):
        total = sum(map(len, lines))
        if len(group) + len(lines) < rows and size + total < BATCH_BYTES:
            group += lines
            size += total
            continue
        for line in lines:
            group.append(line)
            size += len(line)
            if len(group) >= rows or size >= BATCH_BYTES:
                yield group
                group, size = [], 0
    if group:
        yield group


def _without_last_blanks(chunks: Iterator[bytes]) -> Iterator[list[Line]]:
    blanks = 0
    for lines in _physical_lines(chunks):
        if isinstance(lines, int):
            blanks += lines
            continue
        if not blanks and not any(not line or line.isspace() for line in lines):
            yield lines
            continue
        kept: list[Line] = []
        for line in lines:
            if not line or line.isspace():
                blanks += 1
                continue
            while blanks:
                kept += [Reason.BLANK_LINE] * min(blanks, _MANY)
                blanks -= min(blanks, _MANY)
                if len(kept) >= _MANY:
                    yield kept
                    kept = []
            kept.append(line)
        yield kept


def _physical_lines(chunks: Iterator[bytes]) -> Iterator[list[Line] | int]:
    """Yield the lines that end in each chunk; of a chunk of nothing but blank lines, how many."""
    rest = bytearray()  # the line that the last chunk left open
    too_long = False
    start = True
    try:
        for chunk in chunks:
            if not (start or too_long) and chunk.isspace() and b"\n" in chunk and (not rest or rest.isspace()):
                yield chunk.count(b"\n")
                rest = bytearray(chunk[chunk.rfind(b"\n") + 1 :])
                continue
            first, *others = chunk.split(b"\n")
            rest += first
            if (start and len(rest) >= len(BOM)) or others:
                if start and rest.startswith(BOM):
                    del rest[: len(BOM)]
                start = False
            if len(rest) > MAX_LINE_BYTES:
                rest, too_long = bytearray(), True
            if others:
                yield [Reason.LINE_TOO_LONG if too_long else rest, *others[:-1]]
                rest, too_long = bytearray(others[-1]), False
    except DamagedError as damage:
        yield [damage.reason]
        return
    if too_long:
        yield [Reason.LINE_TOO_LONG]
    elif rest:
        yield [rest]


def parse_line(line: bytes | bytearray) -> dict[str, Any] | Reason:
    """Return the JSON object on a line, or why there is none. Of a repeated key the last value counts."""
    try:
        value = _decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = _parse_leniently(line)
    return value if isinstance(value, dict | Reason) else Reason.NOT_AN_OBJECT


def _parse_leniently(line: bytes | bytearray) -> Any:
    """Parse what strict JSON forbids but Python's own writer makes, NaN and Infinity (as null), or return a Reason."""
    try:
        value = json.loads(line.decode(), parse_constant=lambda _: None)
        msgspec.json.encode(value)  # finds escaped lone surrogates ("\\ud800"), which no UTF-8 file can hold
    except UnicodeError:
        return Reason.INVALID_UTF8
    except (ValueError, RecursionError):
        return Reason.BAD_JSON
    return value
