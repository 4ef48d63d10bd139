"""What a command would read, for `--dry-run`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gemix.corpus.shards import Shard

_NAMED: Final = 20


def print_files(
    shards: "Sequence[Shard]", text_key: str = "text", id_key: str = "id", source_key: str | None = None
) -> None:
    """Look into the files of a corpus and print which they are, how large, and which columns they have.

    Raises:
        GemixError: as `gemix.corpus.check.check_shards`.

    """
    from gemix.corpus.check import check_shards
    from gemix.runtime.fingerprint import file_stat

    columns = check_shards(shards, text_key, id_key, source_key)
    sizes = [file_stat(shard.path).size for shard in shards]
    print(f"{len(shards):,} input files, {sum(sizes) / 1e6:,.1f} MB")
    for shard, size in list(zip(shards, sizes, strict=True))[:_NAMED]:
        print(f"  {shard.path}  {size / 1e6:,.1f} MB")
    if len(shards) > _NAMED:
        print(f"  and {len(shards) - _NAMED:,} more")
    print(f"columns: {', '.join(sorted(columns))}")
    if id_key not in columns:
        print(f"no column {id_key!r}: a document is called by its file and row")
