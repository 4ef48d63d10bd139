"""How two partitions of the same documents overlap: bytes in each pair of domains, by two folders of labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gemix.labels.labelled import domains_of
from gemix.labels.listed import sidecar_names
from gemix.labels.markers import sidecar_path
from gemix.labels.sidecar import SCHEMA
from gemix.mix.partition import Partition
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import progress
from gemix.runtime.storage import local_copy

_COLUMNS: Final = pa.schema([SCHEMA.field(name) for name in ("id", "domain", "bytes")])


@dataclass(frozen=True)
class Overlap:
    """What two partitions have in common.

    Attributes:
        old, new: the tables of their domains, K and L.
        bytes: (K, L) int64, bytes of text of the documents in both.
        documents: how many documents have a domain in both.
        old_alone, new_alone: documents with a domain in one of them only.
        first_alone: one of these, by its shard and id; "" without.

    """

    old: Partition
    new: Partition
    bytes: NDArray[np.int64]
    documents: int
    old_alone: int
    new_alone: int
    first_alone: str


def overlap_of(old: Path, new: Path) -> Overlap:
    """Return how the labels in two folders overlap. Documents join by shard and id; memory is that of one shard.

    Raises:
        GemixError: a folder has no labels or no table of domains, a shard has an id twice, or no document is in both.

    """
    tables = domains_of(old)[0], domains_of(new)[0]
    shards = [set(sidecar_names(folder)) for folder in (old, new)]
    shape = len(tables[0].keys), len(tables[1].keys)
    sizes, counts, first = np.zeros(shape, np.int64), np.zeros(3, np.int64), ""
    with progress("compare labels", len(shards[0] | shards[1]), "files") as advance:
        for name in sorted(shards[0] | shards[1]):
            joined, alone, example = _join(_labels(old, name, shards[0]), _labels(new, name, shards[1]), name)
            np.add.at(sizes, (joined["domain"].to_numpy(), joined["other"].to_numpy()), joined["bytes"].to_numpy())
            counts += [len(joined), *alone]
            first = first or example
            advance(1)
    if not counts[0]:
        raise GemixError(f"no document has labels in both {old} and {new}: are they of the same files?")
    documents, old_alone, new_alone = counts.tolist()
    return Overlap(tables[0], tables[1], sizes, documents, old_alone, new_alone, first)


def _labels(folder: Path, name: str, there: set[str]) -> pa.Table:
    """Return id, domain and bytes of the labelled rows of a shard; none where it is not among those that are there."""
    if name not in there:
        return _COLUMNS.empty_table()
    path = sidecar_path(folder, name)
    try:
        with local_copy(path) as copy:
            table = pq.read_table(copy, columns=_COLUMNS.names)
    except (pa.ArrowException, OSError) as error:
        raise GemixError(f"cannot read {path}: {error}") from error
    found = table.filter(pc.is_valid(table["domain"]))
    if pc.count_distinct(found["id"]).as_py() < len(found):
        raise GemixError(f"{path} has an id twice: documents join by their ids")
    return found


def _join(left: pa.Table, right: pa.Table, shard: str) -> tuple[pa.Table, list[int], str]:
    """Return the rows in both with the columns domain, other and bytes, how many are in one alone, and one of these."""
    right = right.select(["id", "domain"]).rename_columns(["id", "other"])
    joined = left.join(right, "id", join_type="inner")
    alone = [len(left) - len(joined), len(right) - len(joined)]
    more = left if alone[0] else right
    example = ""
    if sum(alone):
        odd = more.filter(pc.invert(pc.is_in(more["id"], joined["id"])))
        example = f"{shard}: {odd['id'][0].as_py()}"
    return joined, alone, example
