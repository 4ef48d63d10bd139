"""One reader for every format."""

from collections.abc import Iterator

from gemix.corpus.jsonl import read_jsonl
from gemix.corpus.parquet import read_parquet
from gemix.corpus.rows import Batch, Reason
from gemix.corpus.shards import Shard

__all__ = ["Batch", "Reason", "read_batches"]


def read_batches(
    shard: Shard,
    *,
    text_key: str = "text",
    id_key: str = "id",
    with_extras: bool = False,
    batch_rows: int = 1024,
) -> Iterator[Batch]:
    """Yield the rows of a shard in order, at most `batch_rows` and about 32 MB of input at a time.

    Every physical row keeps its slot: one without a usable text has `texts[i] = None` and a reason.
    A compressed file that is cut off or corrupt ends with one row of reason `truncated` or `corrupt`.

    Raises:
        GemixError: the file cannot be read, is not in the format that its name says, or (Parquet) is corrupt or has
            no column `text_key`.

    """
    read = read_parquet if shard.format == ".parquet" else read_jsonl
    return read(shard, text_key, id_key, with_extras, batch_rows)
