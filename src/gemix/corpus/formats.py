"""Shards, and what the end of a name says of a file: the one place that decides which files are read and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Compression = Literal["", "gz", "zst", "bz2"]

PARQUET: Final = ".parquet"
_LINES: Final = (".jsonl", ".ndjson", ".json")
_PACKED: Final[dict[str, Compression]] = {"": "", ".gz": "gz", ".zst": "zst", ".zstd": "zst", ".bz2": "bz2"}
# What the end of a name, in lower case, says of the compression.
FORMATS: Final[dict[str, Compression]] = {
    **{lines + packed: kind for lines in _LINES for packed, kind in _PACKED.items()},
    PARQUET: "",
}
ENDINGS: Final = f"{', '.join(_LINES)} (each also with .gz, .zst, .zstd or .bz2 behind it), {PARQUET}"


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """One file of the corpus.

    `name` is unique: the POSIX path below the inputs' common folder without the format suffix ("sub/part-000").
    `path` is as the user gave it, so that messages show what was typed. It may be a URL's (`gemix.runtime.storage`).
    """

    name: str
    path: Path

    @property
    def format(self) -> str:
        """The format suffix in lower case, one of `FORMATS`."""
        return suffix_of(self.path.name) or ""

    @property
    def is_parquet(self) -> bool:
        """Whether it is Parquet; else it is JSON lines."""
        return self.format == PARQUET

    @property
    def compression(self) -> Compression:
        """How its JSON lines are compressed; "" where they are not."""
        return FORMATS[self.format]


def suffix_of(file: str) -> str | None:
    """Return the format suffix of a file's name in lower case; None for a file that is not read."""
    lower = file.lower()
    return next((suffix for suffix in FORMATS if lower.endswith(suffix) and len(lower) > len(suffix)), None)
