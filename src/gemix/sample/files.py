"""The output files of a sample and the marker beside each."""

from pathlib import Path
from typing import Literal

import msgspec

from gemix.runtime.fingerprint import file_sha256

FORMATS = ("jsonl.zst", "parquet")


class FileMarker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is beside an output file: the sample it belongs to, its content by domain, its sha256."""

    schema: Literal[2]
    key: str
    documents: dict[int, int]
    tokens: dict[int, int]
    sha256: str


def file_path(out: Path, file: int, kind: str) -> Path:
    """Return where output file number `file` lies."""
    return out / f"part-{file:05d}.{kind}"


def file_marker_path(path: Path) -> Path:
    """Return where the marker of an output file lies."""
    return path.with_name(f"{path.name.partition('.')[0]}.json")


def trusted_file(path: Path, key: str) -> FileMarker | None:
    """Return the marker of an output file that is as it was written for the sample with this key, else None."""
    marker = read_file_marker(path)
    if marker is None or marker.key != key or not path.is_file() or file_sha256(path) != marker.sha256:
        return None
    return marker


def read_file_marker(path: Path) -> FileMarker | None:
    """Return the marker of an output file, None if there is none that can be read."""
    try:
        return msgspec.json.decode(file_marker_path(path).read_bytes(), type=FileMarker)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
