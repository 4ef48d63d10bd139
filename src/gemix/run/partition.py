"""partition.parquet: the domain of every document of the seed sample, whoever decided it."""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gemix.runtime.errors import GemixError

SCHEMA: Final = pa.schema(
    [
        ("shard", pa.string()),
        ("row", pa.int64()),
        ("id", pa.string()),
        ("domain", pa.int32()),
        ("confidence", pa.float32()),
    ]
)


class Assignment(NamedTuple):
    """The domains of n documents.

    Attributes:
        domains: their numbers, (n,) int32.
        confidence: how sure the one who decided is, (n,) float32 from 0 to 1.

    """

    domains: NDArray[np.int32]
    confidence: NDArray[np.float32]


def save_assignment(path: Path, documents: pa.Table, assignment: Assignment) -> None:
    """Write the domains of documents, which are named by the columns shard, row and id, in their order."""
    table = documents.select(["shard", "row", "id"])
    table = table.append_column("domain", pa.array(assignment.domains, pa.int32()))
    table = table.append_column("confidence", pa.array(assignment.confidence, pa.float32()))
    pq.write_table(table.cast(SCHEMA), path, compression="zstd")


def load_assignment(path: Path, documents: pa.Table | None = None) -> Assignment:
    """Read the domains, in the order of the file; `documents`, if given, must be the same ones in the same order.

    Raises:
        GemixError: it is missing or damaged, or is about other documents.

    """
    try:
        table = pq.read_table(path, schema=SCHEMA)
    except (OSError, pa.ArrowException) as error:
        raise GemixError(f"cannot read {path}: {error}; `gemix fit` makes it") from error
    if documents is not None and not all(
        table[name].combine_chunks().equals(documents[name].combine_chunks()) for name in ("shard", "row")
    ):
        raise GemixError(f"{path} is not about the documents of the seed sample: run `gemix fit` again")
    return Assignment(table["domain"].to_numpy(), table["confidence"].to_numpy())
