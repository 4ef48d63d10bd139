"""map.parquet: the documents of the map, which other tools open as they are."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gemix.report import layout, read
from gemix.report.text import plain
from gemix.run.folder import RunFolder
from gemix.run.ledger import Ledger
from gemix.runtime.atomic import atomic_path

MOST: Final = 20_000
FILE_NAME: Final = "map.parquet"
SCHEMA: Final = pa.schema(
    {
        "id": pa.string(),
        "x": pa.float32(),
        "y": pa.float32(),
        "domain": pa.int32(),
        "name": pa.string(),
        "excerpt": pa.string(),
    }
)
_VERSION: Final = 1
_NOTES: Final = b"gemix"  # key of the table's notes: how it was laid out, and the keys of what it was made from


def map_table(run: Path, most: int = MOST) -> tuple[pa.Table, str]:
    """Return the map of a run, and how it was laid out; make map.parquet where the one there is not of this run.

    The seed sample is in the order of a hash of the places, so its first `most` documents are a random sample that only
    the corpus and the seed decide. The layout takes time and depends on the embeddings alone: it is kept when the
    teacher or the names change.

    Args:
        run: the run folder.
        most: documents on the map.

    Returns:
        The table (`SCHEMA`), and "UMAP" or "PCA".

    Raises:
        GemixError: the run is not named yet, a file is damaged, umap-learn is missing, or the file cannot be written.

    """
    names = [domain.name for domain in read.taxonomy(run).domains]
    keys = _keys(run, most)
    path = run / FILE_NAME
    notes, old = _read(path)
    if old is not None and notes == {"method": notes.get("method"), **keys}:
        return old, str(notes["method"])
    documents, X = read.seed(run, ["id", "text"])
    documents, X = documents[:most], X[:most]
    if old is not None and notes.get("layout") == keys["layout"]:
        points, method = np.column_stack([old["x"], old["y"]]), str(notes["method"])
    else:
        points, method = layout.layout(X, read.settings(run).seed)
    labels = RunFolder(run).read_assignment().domains[: len(documents)]
    table = pa.table(
        [
            documents["id"],
            points[:, 0],
            points[:, 1],
            labels.astype(np.int32),
            [names[label] for label in labels],
            [plain(text.as_py()) for text in documents["text"]],
        ],
        schema=SCHEMA.with_metadata({_NOTES: json.dumps({"method": method, **keys})}),
    )
    with atomic_path(path) as tmp:
        pq.write_table(table, tmp, compression="zstd")
    return table, method


def _keys(run: Path, most: int) -> dict[str, str]:
    """Return fingerprints of what the points come from, and of what their domains and names come from."""
    paths, ledger = RunFolder(run), Ledger(run)
    settings = [_VERSION, most, read.settings(run).seed, layout.NEIGHBOURS, layout.MIN_DISTANCE, layout.DIMENSIONS]
    embedded = [ledger.hash_of(path) for path in (paths.seed, paths.embeddings / "seed.npy")]
    named = [ledger.hash_of(paths.partition), *read.taxonomy(run).names]
    return {"layout": _hash([*settings, *embedded]), "domains": _hash(named)}


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], pa.Table | None]:
    """Return the notes and the table of an earlier map; nothing where there is none that can be read."""
    try:
        table = pq.read_table(path)
        notes = json.loads(table.schema.metadata[_NOTES])
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException):
        return {}, None
    return (notes, table) if isinstance(notes, dict) and table.schema.equals(SCHEMA) else ({}, None)
