"""Documents with their labels in them: the same files, rows and order, three more columns."""

from dataclasses import dataclass, replace
from pathlib import Path

from gemix.corpus.shards import Shard
from gemix.labels.exchange.columns import column_is_taken, label_columns
from gemix.labels.exchange.convert import Advance, Labels
from gemix.labels.exchange.join_lines import join_lines
from gemix.labels.exchange.join_parquet import join_parquet
from gemix.runtime.storage import local_copy


@dataclass(frozen=True)
class Join:
    """The file of the corpus, in its own format, with the columns `<key>`, `<key>_name` and `<key>_probability`.

    All that was there stays as it is: in JSON lines byte for byte, in Parquet value for value. Rows without a label
    have null in the new columns; lines that are no JSON object cannot hold any and stay what they are.
    """

    key: str = "domain"

    @property
    def folders(self) -> list[str]:
        """Return where they lie."""
        return [""]

    def files(self, shard: Shard) -> list[str]:
        """Return the one file."""
        return [(Path(shard.name).parent / shard.path.name).as_posix()]

    def write(self, labels: Labels, paths: list[Path], advance: Advance) -> None:
        """Write it.

        Raises:
            GemixError: the documents have a column of one of these names, or do not fit their labels.

        """
        columns = label_columns(self.key)
        for column in columns:
            if column in (labels.text_key, labels.id_key):
                raise column_is_taken(labels.shard.path, column)
        join = join_parquet if labels.shard.is_parquet else join_lines
        with local_copy(labels.shard.path) as copy:
            join(replace(labels, shard=Shard(labels.shard.name, copy)), columns, paths[0], advance)
