"""The labelled corpus: every shard with a sidecar and a marker that still stand, and the table of the domains."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gemix.corpus.shards import Shard
from gemix.labels.markers import Marker, marker_path, read_marker, sidecar_path
from gemix.labels.totals import sum_markers
from gemix.mix.domain_ids import domain_key
from gemix.mix.partition import FILE_NAME, Partition, read_partition
from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.fingerprint import file_sha256
from gemix.runtime.storage import is_file, local_copy

_THREADS: Final = 16  # at checking files, most of which is waiting for a disk or a store


@dataclass(frozen=True)
class LabelledCorpus:
    """Shards with their markers, and the documents and tokens of every domain, by its number.

    `rates` are the tokens a byte of the domains where only a sample of the documents was counted, else None.
    `names` are for people; `identity` is the fingerprint of what gave the domains their numbers, if it is known.
    """

    folder: Path
    shards: list[Shard]
    markers: dict[str, Marker]
    names: list[str]
    documents: list[int]
    tokens: list[int]
    identity: str | None = None
    rates: list[float] | None = None

    @property
    def keys(self) -> list[str]:
        """Keys of the domains, see `gemix.mix.domain_ids`."""
        return [domain_key(number) for number in range(len(self.names))]

    @property
    def rows(self) -> int:
        """Rows of all shards, good and bad."""
        return sum(marker.rows for marker in self.markers.values())

    @property
    def settings(self) -> dict[str, str]:
        """What the labels were made with: text_key, id_key, tokenizer."""
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
    table, source = domains_of(folder)
    if len(table.keys) != len(totals.documents):
        raise GemixError(f"{source} has {len(table.keys)} domains, the labels in {folder} {len(totals.documents)}")
    return LabelledCorpus(
        folder, list(shards), markers, table.names, totals.documents, totals.tokens, table.identity, totals.rates
    )


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


def tokens_of(table: pa.Table | pa.RecordBatch, rates: Sequence[float] | None) -> NDArray[np.int64]:
    """Return the tokens of documents, (n,): as counted, else bytes x their domain's tokens a byte; 0 without a label.

    Args:
        table: the columns domain, bytes and tokens of a sidecar.
        rates: of `LabelledCorpus`.

    """
    tokens = table["tokens"].fill_null(-1).to_numpy()
    if rates is None:
        return np.maximum(tokens, 0)
    sizes, domains = (table[name].fill_null(0).to_numpy() for name in ("bytes", "domain"))
    return np.where(tokens >= 0, tokens, np.rint(sizes * np.asarray(rates)[domains]).astype(np.int64))


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


def domains_of(folder: Path) -> tuple[Partition, Path]:
    """Return the table of the domains of a folder of labels, and the file that it comes from.

    Raises:
        GemixError: there is no domains.csv in the folder or beside it, or it cannot be used.

    """
    places = (folder / FILE_NAME, folder.parent / FILE_NAME)
    try:
        path = next((path for path in places if is_file(path)), None)
        if path is None:
            raise GemixError(
                f"no table of the domains of {folder}: neither {places[0]} nor {places[1]} is there; labelling writes "
                "it when all files are done (ranks: `gemix label ... --collect`)"
            )
        with local_copy(path) as copy:
            table = read_partition(copy)
    except OSError as error:
        raise GemixError(f"cannot read {folder}: {error.strerror or error}") from error
    except ValueError as error:
        raise GemixError(str(error)) from error
    if table.keys != [domain_key(number) for number in range(len(table.keys))]:
        raise GemixError(f"{path} does not list the domains 0, 1, 2, ... in order")
    return table, path
