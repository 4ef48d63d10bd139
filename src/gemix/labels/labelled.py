"""The labelled corpus: every shard with a sidecar and a marker that still stand, and the names of the domains."""

import csv
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from gemix.corpus.shards import Shard
from gemix.labels.markers import Marker, marker_path, read_marker, sidecar_path
from gemix.labels.totals import sum_markers
from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.fingerprint import file_sha256
from gemix.runtime.storage import is_file, local_copy, read_bytes

_THREADS: Final = 16  # at checking files, most of which is waiting for a disk or a store


@dataclass(frozen=True)
class LabelledCorpus:
    """Shards with their markers, and the documents and tokens of every domain, by its number."""

    folder: Path
    shards: list[Shard]
    markers: dict[str, Marker]
    names: list[str]
    documents: list[int]
    tokens: list[int]

    @property
    def rows(self) -> int:
        """Rows of all shards, good and bad."""
        return sum(marker.rows for marker in self.markers.values())

    @property
    def settings(self) -> dict[str, str]:
        """What the labels were made with: text_key, id_key, counter."""
        return next(iter(self.markers.values())).settings

    @property
    def contents(self) -> list[list[str]]:
        """Name, hash of the documents and hash of the labels of every shard: equal where both are."""
        markers = [(shard.name, self.markers[shard.name]) for shard in self.shards]
        return [[name, marker.input.xxh3, marker.sha256] for name, marker in markers]


def open_labels(shards: Sequence[Shard], folder: Path) -> LabelledCorpus:
    """Check that the labels in `folder` are those of `shards` as they are now.

    Raises:
        GemixError: a shard has no labels, was changed after labelling, or its sidecar is damaged; labels of different
            students or settings; no names for the domains.

    """
    markers: dict[str, Marker] = {}
    faults: list[str] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for shard, found in zip(shards, pool.map(lambda shard: _check(shard, folder), shards), strict=True):
            if isinstance(found, Marker):
                markers[shard.name] = found
            else:
                faults.append(f"{shard.path}: {found}")
    if faults:
        raise GemixError(
            f"{len(faults):,} of {len(shards):,} files have no valid labels in {folder}:\n  "
            + first_faults(faults)
            + "\nLabel them again (`gemix run` or `gemix label`), and give the same inputs as then."
        )
    totals = sum_markers(markers)
    names, source = domain_names(folder)
    if len(names) != len(totals.documents):
        raise GemixError(f"{source} names {len(names)} domains, the labels in {folder} have {len(totals.documents)}")
    return LabelledCorpus(folder, list(shards), markers, names, totals.documents, totals.tokens)


def read_sidecar(folder: Path, shard: Shard, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the columns of a shard's sidecar in pieces.

    Raises:
        GemixError: it cannot be read.

    """
    path = sidecar_path(folder, shard.name)
    try:
        with local_copy(path) as copy, pq.ParquetFile(copy) as file:
            yield from file.iter_batches(columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise GemixError(f"cannot read {path}: {error}") from error


def other_row(shard: Shard, row: int, document: str, sidecar: Path, label: str) -> GemixError:
    """Return the error of a row whose label is another document's; both are ids."""
    return GemixError(
        f"{shard.path}:{row}: this row (id {document!r}) is not what the same row of {sidecar} is about "
        f"(id {label!r}); label the file again"
    )


def _check(shard: Shard, folder: Path) -> Marker | str:
    """Return the marker of the shard's labels, or what is wrong with them."""
    path = marker_path(folder, shard.name)
    marker = read_marker(path)
    sidecar = sidecar_path(folder, shard.name)
    if marker is None and is_file(path):
        return f"{path} is damaged, or of another version of gemix"
    if marker is None or not is_file(sidecar):
        return f"no labels ({sidecar} and its marker)"
    if marker.input.name != shard.path.name or not marker.input.matches(shard.path):
        return "the file is not the one that was labelled"
    if file_sha256(sidecar) != marker.sha256:
        return f"{sidecar} is not the sidecar that its marker describes"
    return marker


class _Domain(msgspec.Struct):
    id: int
    name: str


class _Taxonomy(msgspec.Struct):
    """What is read of taxonomy.json; `gemix.taxonomy` needs more than the base install."""

    domains: list[_Domain]


def domain_names(folder: Path) -> tuple[list[str], Path]:
    """Return the names of the domains of a folder of labels, by number, and the file that they come from.

    Raises:
        GemixError: no file with names beside the labels, or one that cannot be used.

    """
    places = (folder / "domains.csv", folder.parent / "domains.csv", folder.parent / "taxonomy.json")
    try:
        path = next((path for path in places if is_file(path)), None)
    except OSError as error:
        raise GemixError(f"cannot read {folder}: {error.strerror or error}") from error
    if path is None:
        raise GemixError(f"no names for the domains: none of {', '.join(map(str, places))} is there")
    try:
        domains = _from_csv(path) if path.suffix == ".csv" else _from_taxonomy(path)
    except (OSError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
        raise GemixError(f"cannot read {path}: {error}") from error
    names = [name for _, name in domains]
    if [number for number, _ in domains] != list(range(len(domains))) or len(set(names)) < len(names):
        raise GemixError(f"{path} does not list the domains 0, 1, 2, ... each with a name of its own")
    return names, path


def _from_csv(path: Path) -> list[tuple[int, str]]:
    lines = io.StringIO(read_bytes(path).decode(), newline="")
    return [(int(row["domain"]), row["name"]) for row in csv.DictReader(lines)]


def _from_taxonomy(path: Path) -> list[tuple[int, str]]:
    return [(domain.id, domain.name) for domain in msgspec.json.decode(read_bytes(path), type=_Taxonomy).domains]
