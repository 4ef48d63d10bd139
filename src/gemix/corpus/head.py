"""What the beginning of a file of JSON lines says: whether it is one, and which columns it has."""

from typing import Final

from gemix.corpus.compression import read_head
from gemix.corpus.formats import Shard
from gemix.corpus.jsonl import BOM, parse_line
from gemix.runtime.errors import GemixError

HEAD_BYTES: Final = 1 << 18


def is_spread_json(shard: Shard) -> bool:
    """Return whether this is a file that may hold any JSON, by its name, and holds objects over several lines."""
    if not shard.format.startswith(".json") or shard.format.startswith(".jsonl"):
        return False
    try:
        return _is_spread(_lines(shard, HEAD_BYTES)[0])
    except (OSError, GemixError):
        return False  # whoever reads it will say why not


def look_at_lines(shard: Shard, size: int = HEAD_BYTES) -> set[str] | str | None:
    """Return the columns of the first rows; a sentence if it is no JSON lines; None if the rows do not say.

    Read are about `size` bytes of what the file holds.

    Raises:
        OSError: it cannot be read.
        GemixError: it is not compressed as its name says.

    """
    lines, whole = _lines(shard, size)
    if lines and lines[0].startswith(b"["):
        return "a JSON array; write one document a line"
    if _is_spread(lines):
        return "JSON objects over several lines; write one document a line"
    rows = [row for line in lines if isinstance(row := parse_line(line), dict)]
    return {key for row in rows for key in row} if rows or whole else None


def _lines(shard: Shard, size: int) -> tuple[list[bytes], bool]:
    """Return the first lines that are not blank, without white space around them, and whether they are all.

    The last is not whole where the file goes on.
    """
    head, whole = read_head(shard, size)
    return [line.strip() for line in head.removeprefix(BOM).split(b"\n") if line.strip()], whole


def _is_spread(lines: list[bytes]) -> bool:
    return len(lines) > 1 and lines[0] == b"{"
