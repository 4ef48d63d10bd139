"""Shards in: which files make up a corpus, and how they are read."""

from typing import Final

from gemix.runtime.lazy import offered

_FILES: Final = {
    "Batch": "rows",
    "Reason": "rows",
    "SeedSample": "seed",
    "Shard": "shards",
    "Window": "window",
    "read_batches": "reader",
    "resolve_shards": "shards",
    "sample_seed": "seed",
}
__all__ = ["Batch", "Reason", "SeedSample", "Shard", "Window", "read_batches", "resolve_shards", "sample_seed"]
__getattr__ = offered(__name__, _FILES)
