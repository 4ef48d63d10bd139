"""JSON markers beside sidecars: what was labelled with what. A sidecar without its marker does not count."""

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from gemix.corpus.atomic import write_text
from gemix.corpus.bad_rows import BadRows
from gemix.corpus.fingerprint import FileFingerprint, file_stat
from gemix.corpus.shards import Shard
from gemix.errors import GemixError


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One labelled shard. `documents` and `tokens` have one entry per domain; `sha256` is that of the sidecar.

    `schema` is the version of sidecar and marker together. Of the input only the modification time can differ between
    two runs over equal files: it is what makes the look at an unchanged input cheap.
    """

    schema: Literal[1]
    input: FileFingerprint
    model: str
    settings: dict[str, str]
    rows: int
    bad: BadRows
    documents: list[int]
    tokens: list[int]
    sha256: str


def sidecar_path(out: Path, name: str) -> Path:
    """Return where the labels of the shard with this name lie."""
    return out / f"{name}.parquet"


def marker_path(out: Path, name: str) -> Path:
    """Return where the marker of the shard with this name lies."""
    return out / f"{name}.json"


def write_marker(path: Path, marker: Marker) -> None:
    """Write a marker as indented JSON, atomically.

    Raises:
        GemixError: it cannot be written.

    """
    write_text(path, msgspec.json.format(msgspec.json.encode(marker), indent=2).decode() + "\n")


def read_marker(path: Path) -> Marker | None:
    """Return the marker, or None if there is none of this schema: then the shard counts as not labelled.

    Raises:
        GemixError: it is there but cannot be read.

    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Marker)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror}") from error


def trusted_marker(shard: Shard, out: Path, *, model: str, settings: dict[str, str]) -> Marker | None:
    """Return the marker of a shard whose labels still stand, or None if they have to be made again.

    They stand if model and settings are equal, the sidecar has the bytes that the marker names (its sha256, always
    computed) and the input is the same: size and modification time, or else size and content (blake2b, computed only
    if the time differs; the marker then takes the new time).

    Raises:
        GemixError: input, sidecar or marker cannot be read.

    """
    path = marker_path(out, shard.name)
    marker = read_marker(path)
    if marker is None or (marker.model, marker.settings) != (model, settings):
        return None
    now = file_stat(shard.path)  # before the hash: a later change shows
    if marker.input.name != shard.path.name or not marker.input.matches(shard.path):
        return None
    sidecar = sidecar_path(out, shard.name)
    if not sidecar.is_file() or file_sha256(sidecar) != marker.sha256:
        return None
    if now.mtime_ns != marker.input.mtime_ns:
        marker = msgspec.structs.replace(marker, input=msgspec.structs.replace(marker.input, mtime_ns=now.mtime_ns))
        write_marker(path, marker)
    return marker


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hex.

    Raises:
        GemixError: it cannot be read.

    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror}") from error
