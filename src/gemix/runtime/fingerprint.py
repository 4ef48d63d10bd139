"""Is this still the same file? A cheap look (size, time) and a sure one (content hash)."""

import hashlib
from pathlib import Path

import msgspec
import xxhash

from gemix.runtime.errors import GemixError
from gemix.runtime.storage import is_remote, local_copy, remote_stat


class FileStat(msgspec.Struct, frozen=True):
    """Size in bytes and time of the last change in nanoseconds.

    For the file of a URL the time is a number that is another when the file is (`gemix.runtime.storage.remote_stat`).
    """

    size: int
    mtime_ns: int


class FileFingerprint(msgspec.Struct, frozen=True):
    """What a marker keeps of an input file. `xxh3` is the 128-bit XXH3 hash of its bytes, in hex."""

    name: str
    size: int
    mtime_ns: int
    xxh3: str

    def matches(self, path: Path) -> bool:
        """Return whether `path` still has this content: by size and time, and by hash if only the time differs."""
        now = file_stat(path)
        if now.size != self.size:
            return False
        return now.mtime_ns == self.mtime_ns or content_hash(path) == self.xxh3


def fingerprint(path: Path, copy: Path | None = None) -> FileFingerprint:
    """Return the fingerprint of a file; reads all of it, or all of a local copy of it.

    Raises:
        GemixError: it cannot be read.

    """
    stat = file_stat(path)  # before the hash: a later change shows
    return FileFingerprint(path.name, stat.size, stat.mtime_ns, content_hash(copy or path))


def file_stat(path: Path) -> FileStat:
    """Return the cheap look.

    Raises:
        GemixError: the file is not there or cannot be reached.

    """
    try:
        if is_remote(path):
            return FileStat(*remote_stat(path))
        stat = path.stat()
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror}") from error
    return FileStat(stat.st_size, stat.st_mtime_ns)


def content_hash(path: Path) -> str:
    """Return the 128-bit XXH3 hash of the file's bytes in hex, read in pieces.

    It tells a file from any other that comes about by accident, at the speed of memory. It is no defence against a file
    made up to have the same hash: who can write there can write the marker, too.

    Raises:
        GemixError: it cannot be read.

    """
    try:
        with local_copy(path) as copy, open(copy, "rb") as file:
            return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror}") from error


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hex.

    Raises:
        GemixError: it cannot be read.

    """
    try:
        with local_copy(path) as copy, open(copy, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror}") from error
