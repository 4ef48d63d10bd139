"""One reader for every format."""

from collections.abc import Iterator, Sequence
from typing import Any

from gemix.corpus.formats import Shard
from gemix.corpus.jsonl import read_jsonl
from gemix.corpus.parquet import read_parquet
from gemix.corpus.rows import Batch, Reason
from gemix.runtime.storage import is_remote, local_copy

__all__ = ["Batch", "Reason", "read_batches"]


def read_batches(
    shard: Shard,
    *,
    text_key: str = "text",
    id_key: str = "id",
    with_extras: bool | Sequence[str] = False,
    batch_rows: int = 1024,
    row_groups: tuple[int, int] | None = None,
) -> Iterator[Batch]:
    """Yield the rows of a shard in order, at most `batch_rows` and about 32 MB of input at a time.

    Every physical row keeps its slot: one without a usable text has `texts[i] = None` and a reason.
    A compressed file that is cut off or corrupt ends with one row of reason `truncated` or `corrupt`.
    `with_extras` asks for the other columns: True for all, or the names of those that are needed.
    Of a Parquet shard `row_groups` are the first to read and the one to stop before; None reads all.

    Raises:
        GemixError: the file cannot be read, is not in the format that its name says, or (Parquet) is corrupt or has
            no column `text_key`.

    """
    if is_remote(shard.path):
        options = {"text_key": text_key, "id_key": id_key, "with_extras": with_extras, "batch_rows": batch_rows}
        return _read_remote(shard, options | {"row_groups": row_groups})
    if shard.is_parquet:
        return read_parquet(shard, text_key, id_key, with_extras, batch_rows, row_groups)
    return read_jsonl(shard, text_key, id_key, with_extras, batch_rows)


def _read_remote(shard: Shard, options: dict[str, Any]) -> Iterator[Batch]:
    with local_copy(shard.path) as copy:
        yield from read_batches(Shard(shard.name, copy), **options)
