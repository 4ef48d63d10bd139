"""A Parquet file that is large beside the rest of the corpus is labelled in parts, which make one sidecar."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from gemix.corpus.shards import Shard
from gemix.labels.markers import Marker, marker_path, merge_markers, sidecar_path, write_marker
from gemix.labels.sidecar import SidecarWriter
from gemix.runtime.atomic import atomic_path, write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import FileFingerprint, FileStat, file_sha256, file_stat, fingerprint
from gemix.runtime.storage import is_remote, local_copy, open_binary, partial_copy, read_bytes, remove_tree

# One part is a few seconds' to a minute's work: small enough to share a file out, large enough that footers and joins
# do not count.
PART_BYTES: Final = 1 << 28
# A smaller share of the corpus can be labelled whole in its turn. This also bounds how many footers a plan has to read.
SHARE_OF_CORPUS: Final = 256
FOLDER: Final = ".parts"
_TAIL: Final = 8  # bytes behind the footer
_HASH_SPEED: Final = 16  # against labelling


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive row groups of a Parquet shard: from `row_groups[0]` up to, not including, `row_groups[1]`."""

    shard: Shard
    row_groups: tuple[int, int]
    size: int

    @property
    def name(self) -> str:
        """What its sidecar and marker are called, as a shard's are by the shard's name."""
        return f"{FOLDER}/{self.shard.name}/{self.row_groups[0]:06}-{self.row_groups[1]:06}"

    @property
    def file_name(self) -> str:
        """What its marker says in place of the name of the file."""
        return f"{self.shard.path.name}#{self.row_groups[0]}-{self.row_groups[1]}"


@dataclass(frozen=True, slots=True)
class Content:
    """The content hash of a shard that is labelled in parts: its marker needs it, and it is a task of its own.

    `size` is what could be labelled in that time.
    """

    shard: Shard
    size: int

    @property
    def name(self) -> str:
        """What its file is called, less the suffix."""
        return f"{FOLDER}/{self.shard.name}/content"


Piece = Part | Content


def split(shards: Sequence[Shard], sizes: Mapping[Shard, int]) -> dict[Shard, list[Piece]]:
    """Return the pieces of those shards that are labelled in parts.

    It hangs on the files alone, not on who labels them: all launchers make the same parts, and find those of another.
    """
    total = sum(sizes[shard] for shard in shards)
    found: dict[Shard, list[Piece]] = {}
    for shard in shards:
        size = sizes[shard]
        if shard.is_parquet and size > max(2 * PART_BYTES, total / SHARE_OF_CORPUS):
            parts = _split(shard, size)
            if len(parts) > 1:
                found[shard] = [Content(shard, size // _HASH_SPEED), *parts]
    return found


def _split(shard: Shard, size: int) -> list[Piece]:
    try:
        with open_binary(shard.path) as source, pq.ParquetFile(source) as file:
            groups = [file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)]
    except (pa.ArrowException, OSError):
        return []  # it is labelled whole: that will say what is wrong
    scale = size / max(sum(groups), 1)  # the sizes of groups are those before compression
    parts: list[Piece] = []
    first, room = 0, 0.0
    for end, group in enumerate(groups, 1):
        room += group * scale
        if room >= PART_BYTES or end == len(groups):
            parts.append(Part(shard, (first, end), int(room)))
            first, room = end, 0.0
    return parts


@contextmanager
def part_copy(part: Part) -> Iterator[Path]:
    """Yield a file of this machine in which the part can be read: the shard, or of a URL its bytes and the footer.

    Raises:
        GemixError: it cannot be read.

    """
    path = part.shard.path
    if not is_remote(path):
        yield path
        return
    size = file_stat(path).size
    try:
        with open_binary(path) as source, pq.ParquetFile(source) as file:
            metadata = file.metadata
    except (pa.ArrowException, OSError) as error:
        raise GemixError(f"cannot read {path}: {error}") from error
    chunks = [metadata.row_group(i).column(j) for i in range(*part.row_groups) for j in range(metadata.num_columns)]
    starts = [
        chunk.data_page_offset if chunk.dictionary_page_offset is None else chunk.dictionary_page_offset
        for chunk in chunks
    ]
    ends = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
    footer = max(size - metadata.serialized_size - _TAIL, 0)
    with partial_copy(path, [(min(starts), max(ends)), (footer, size)], size) as copy:
        yield copy


def known_content(content: Content, out: Path) -> FileFingerprint | None:
    """Return the fingerprint of a shard from its file below `out` if that still holds."""
    try:
        known = msgspec.json.decode(read_bytes(out / f"{content.name}.json"), type=FileFingerprint)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    path = content.shard.path
    return known if (known.name, FileStat(known.size, known.mtime_ns)) == (path.name, file_stat(path)) else None


def hash_content(content: Content, out: Path) -> FileFingerprint:
    """Return the fingerprint of a shard, and leave it in its file below `out`.

    Raises:
        GemixError: the shard changed while it was read, or something cannot be read or written.

    """
    found = fingerprint(content.shard.path)
    refuse_change(content.shard, found)
    write_text(out / f"{content.name}.json", msgspec.json.encode(found).decode() + "\n")
    return found


def refuse_change(shard: Shard, before: FileFingerprint) -> None:
    """Make sure that a shard is the file that it was.

    Raises:
        GemixError: it is not.

    """
    if FileStat(before.size, before.mtime_ns) != file_stat(shard.path):
        raise GemixError(f"{shard.path} changed while it was read; label it again when it is complete")


def join(shard: Shard, source: FileFingerprint, markers: Mapping[str, Marker], out: Path) -> Marker:
    """Make one sidecar and one marker of those of all parts, byte for byte as if the shard had been labelled whole.

    Args:
        shard: What the parts are of.
        source: Its fingerprint.
        markers: Of the parts in order, by the names of the parts.
        out: Folder of the labels.

    Raises:
        GemixError: the shard changed meanwhile, a part cannot be read, or `out` cannot be written.

    """
    for marker in markers.values():
        if (marker.input.size, marker.input.mtime_ns) != (source.size, source.mtime_ns):
            raise GemixError(f"{shard.path} changed between the labelling of its parts; label it again")
    with atomic_path(sidecar_path(out, shard.name)) as tmp:
        with SidecarWriter(tmp) as writer:
            for name in markers:
                path = sidecar_path(out, name)
                try:
                    with local_copy(path) as copy, pq.ParquetFile(copy) as file:
                        for batch in file.iter_batches(use_threads=False):
                            writer.append(batch)
                except (pa.ArrowException, OSError) as error:
                    raise GemixError(f"cannot read {path}: {error}") from error
        sha256 = file_sha256(tmp)
        refuse_change(shard, source)
    marker = merge_markers(list(markers.values()), input=source, sha256=sha256)
    write_marker(marker_path(out, shard.name), marker)
    return marker


def remove_parts(shard: Shard, out: Path) -> None:
    """Delete what was left of a shard's parts, and folders that are empty then."""
    folder = out / FOLDER / shard.name
    remove_tree(folder)
    if is_remote(out):
        return
    with suppress(OSError):
        while folder.name != FOLDER:
            folder = folder.parent
            os.rmdir(folder)
