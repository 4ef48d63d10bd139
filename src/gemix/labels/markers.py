"""JSON markers beside sidecars: what was labelled with what. A sidecar without its marker does not count."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Literal

import msgspec

from gemix.corpus.bad_rows import BadRows
from gemix.corpus.shards import Shard
from gemix.labels.counts import ColumnCounts
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import FileFingerprint, file_sha256, file_stat
from gemix.runtime.storage import is_file, read_bytes
from gemix.tokens.estimate import Counted

# The counts of a marker that have one entry per domain. Probabilities and their squares are summed in millionths.
PER_DOMAIN = ("documents", "tokens", "bytes", "confidence", "confidence_squares")


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One labelled shard. Lists of counts have one entry per domain; `sha256` is that of the sidecar.

    `tokens` are those of the documents that were counted, whose sums `counted` holds; None: all were. Groups of columns
    hold tokens in the same way.

    `schema` is the version of sidecar and marker together. Of the input only the modification time can differ between
    two runs over equal files: it is what makes the look at an unchanged input cheap.
    """

    schema: Literal[4]
    input: FileFingerprint
    model: str
    settings: dict[str, str]
    rows: int
    bad: BadRows
    documents: list[int]
    tokens: list[int]
    bytes: list[int]
    confidence: list[int]
    confidence_squares: list[int]
    sha256: str
    counted: Counted | None = None
    by_source: ColumnCounts | None = None
    by_month: ColumnCounts | None = None


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
        return msgspec.json.decode(read_bytes(path), type=Marker)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror}") from error


def trusted_marker(
    shard: Shard,
    out: Path,
    *,
    model: str,
    settings: dict[str, str],
    name: str | None = None,
    file_name: str | None = None,
) -> Marker | None:
    """Return the marker of a shard whose labels still stand, or None if they have to be made again.

    They stand if model and settings are equal, the sidecar has the bytes that the marker names (its sha256, always
    computed) and the input is the same: size and modification time, or else size and content (XXH3, computed only
    if the time differs; the marker then takes the new time).

    A part of a shard has a sidecar of its own `name` and a `file_name` of its own in the marker, and no content hash:
    its labels stand as long as the file is not even touched.

    Raises:
        GemixError: input, sidecar or marker cannot be read.

    """
    path = marker_path(out, name or shard.name)
    marker = read_marker(path)
    if marker is None or (marker.model, marker.settings) != (model, settings):
        return None
    if marker.input.name != (file_name or shard.path.name):
        return None
    now = file_stat(shard.path)  # before the hash: a later change shows
    if now.mtime_ns != marker.input.mtime_ns and not marker.input.xxh3:
        return None
    if not marker.input.matches(shard.path):
        return None
    sidecar = sidecar_path(out, name or shard.name)
    if not is_file(sidecar) or file_sha256(sidecar) != marker.sha256:
        return None
    if now.mtime_ns != marker.input.mtime_ns:
        marker = msgspec.structs.replace(marker, input=msgspec.structs.replace(marker.input, mtime_ns=now.mtime_ns))
        write_marker(path, marker)
    return marker


def merge_markers(markers: Sequence[Marker], *, input: FileFingerprint, sha256: str) -> Marker:
    """Return the marker of a shard from those of its parts, in order (at least one): every count is their sum."""
    bad = BadRows()
    for marker in markers:
        bad.merge(marker.bad)
    return msgspec.structs.replace(
        markers[0],
        input=input,
        rows=sum(marker.rows for marker in markers),
        bad=bad,
        sha256=sha256,
        counted=sum_counted(markers),
        by_source=merge_columns([marker.by_source for marker in markers]),
        by_month=merge_columns([marker.by_month for marker in markers]),
        **{name: sum_lists([getattr(marker, name) for marker in markers]) for name in PER_DOMAIN},
    )


def sum_counted(markers: Sequence[Marker]) -> Counted | None:
    """Return the sums over the documents that were counted, of markers of one setting; None: all documents were."""
    found = [marker.counted for marker in markers if marker.counted is not None]
    return reduce(add, found) if found else None


def sum_lists(lists: Sequence[list[int]]) -> list[int]:
    """Return the sums, entry by entry, of lists of one length."""
    return [sum(counts) for counts in zip(*lists, strict=True)]


def merge_columns(columns: Sequence[ColumnCounts | None]) -> ColumnCounts | None:
    """Return the sum of the counts by one column; None if nobody counted by it."""
    counted = [column for column in columns if column is not None]
    if not counted:
        return None
    total = ColumnCounts(counted[0].column)
    for column in counted:
        total.merge(column)
    return total.ordered()
