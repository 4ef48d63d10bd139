"""Labels into JSON lines: each line keeps its bytes, the new keys come before its last brace."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from gemix.corpus.bad_rows import DAMAGE
from gemix.corpus.compression import read_chunks
from gemix.corpus.jsonl import Line, line_groups, parse_line
from gemix.corpus.rows import Reason, make_batch
from gemix.labels.documents import LabelRows
from gemix.labels.exchange.columns import column_is_taken
from gemix.labels.exchange.convert import Advance, Labels
from gemix.labels.exchange.lines import names_of, numbers, open_lines
from gemix.runtime.errors import GemixError

_ROWS: Final = 1024
_NO_OBJECT: Final = object()
_NO_JSON: Final = (Reason.BAD_JSON, Reason.NOT_AN_OBJECT, Reason.INVALID_UTF8)


def join_lines(labels: Labels, columns: Sequence[str], path: Path, advance: Advance) -> None:
    """Write the shard of `labels` with its labels in `columns`: number, name and probability of the domain.

    A blank line stays blank. A damaged file ends where the damage begins: there is nothing to copy.

    Raises:
        GemixError: a line has one of the columns already, is too long to copy, or does not fit its label.

    """
    shard = labels.shard
    read_id = _IdReader(str(shard.path), labels.id_key, columns)
    keys = [msgspec.json.encode(name) + b":" for name in columns]
    encode = msgspec.json.Encoder().encode
    rows = LabelRows(labels.shard, labels.folder)
    row = 1
    with open_lines(path, shard.format) as file:
        for lines in line_groups(read_chunks(shard), _ROWS):
            ids = [read_id(line, row + i) for i, line in enumerate(lines)]
            table = rows.take(len(lines))
            reasons = table["reason"].to_pylist()
            texts = [Reason.MISSING_TEXT if reason else "-" for reason in reasons]  # of bad rows the id is their place
            known = [None if value is _NO_OBJECT else value for value in ids]
            rows.check(table, make_batch(shard.name, row, known, texts).ids)
            domains = zip(
                table["domain"].to_pylist(),
                names_of(table["domain"], labels.names),
                numbers(table["probability"]),
                strict=True,
            )
            copies = []
            for line, document, label, reason in zip(lines, ids, domains, reasons, strict=True):
                if isinstance(line, Reason):
                    copies.append(b"" if line in DAMAGE else b"\n")
                elif document is _NO_OBJECT or reason in _NO_JSON:
                    copies.append(bytes(line) + b"\n")
                else:
                    pairs = (key + encode(value) for key, value in zip(keys, label, strict=True))
                    copies.append(splice(line, b",".join(pairs)) + b"\n")
            file.write(b"".join(copies))
            row += len(lines)
            advance(len(lines))
    rows.end()


def splice(line: bytes | bytearray, pairs: bytes) -> bytes:
    """Return a JSON object with more pairs at its end; all its bytes stay."""
    body = bytes(line).rstrip(b" \t\r\n")
    inner = body[:-1]
    comma = b"" if inner.rstrip(b" \t\r\n").endswith(b"{") else b","
    return inner + comma + pairs + b"}" + line[len(body) :]


class _IdReader:
    """Reads the id of a line and sees to it that the new columns are not there yet."""

    def __init__(self, path: str, id_key: str, columns: Sequence[str]) -> None:
        self._path = path
        self._id_key = id_key
        self._columns = columns
        keys = [("id", id_key, None), *((f"new{i}", name, msgspec.UNSET) for i, name in enumerate(columns))]
        row: Any = msgspec.defstruct(
            "Row", [(field, Any, default) for field, _, default in keys], rename={field: key for field, key, _ in keys}
        )
        self._decode = msgspec.json.Decoder(row).decode

    def __call__(self, line: Line, row: int) -> Any:
        """Return the value of the id column; `_NO_OBJECT` for what is no JSON object."""
        if isinstance(line, Reason):
            if line is Reason.LINE_TOO_LONG:
                raise GemixError(f"{self._path}:{row}: the line has 2 GiB or more and cannot be copied")
            return _NO_OBJECT
        try:
            found = self._decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return self._read_leniently(line, row)
        for i, name in enumerate(self._columns):
            if getattr(found, f"new{i}") is not msgspec.UNSET:
                raise column_is_taken(f"{self._path}:{row}", name)
        return found.id

    def _read_leniently(self, line: bytes | bytearray, row: int) -> Any:
        record = parse_line(line)
        if isinstance(record, Reason):
            return _NO_OBJECT
        for name in self._columns:
            if name in record:
                raise column_is_taken(f"{self._path}:{row}", name)
        return record.get(self._id_key)
