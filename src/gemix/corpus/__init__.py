"""Shards in: which files make up a corpus, and how they are read."""

from typing import TYPE_CHECKING, Final

from gemix.runtime.lazy import offered

if TYPE_CHECKING:
    from gemix.corpus.reader import read_batches
    from gemix.corpus.rows import Batch, Reason
    from gemix.corpus.seed import SeedSample, sample_seed
    from gemix.corpus.shards import Shard, resolve_shards
    from gemix.corpus.window import Window

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
