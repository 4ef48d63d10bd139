"""What is wrong with the files of a corpus, all of it at once, before any work on them begins."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from gemix.corpus.formats import Shard
from gemix.corpus.head import HEAD_BYTES, look_at_lines
from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.storage import open_binary

# How far columns are looked for that the first rows of all files lack.
_FILES: Final = 64
_FURTHER_BYTES: Final = 1 << 24
_THREADS: Final = 16  # at looking into files, most of which is waiting for a disk or a store


def check_shards(
    shards: Sequence[Shard],
    text_key: str = "text",
    id_key: str = "id",
    source_key: str | None = None,
    others: Sequence[Shard] = (),
) -> set[str]:
    """Look into every file, at the footer of Parquet or the first rows of JSON lines; return the columns found there.

    Args:
        shards: The files.
        text_key: Column of the text.
        id_key: Column of the id; the usual one, "id", may be missing.
        source_key: Column to count by.
        others: More files of the corpus, where a column that none of `shards` has is looked for, too.

    Raises:
        GemixError: files that are not what their names say, or Parquet without the text, each with the reason; a column
            that no file has.

    """
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(zip(shards, pool.map(_look, shards), strict=True))
    faults = [f"{shard.path}: {what}" for shard, what in found if isinstance(what, str)]
    columns: set[str] = set()
    if not faults:
        columns = {name for _, names in found if isinstance(names, set) for name in names}
        wanted = {"--text-key": text_key, "--id-key": None if id_key == "id" else id_key, "--source-key": source_key}
        keys = {option: key for option, key in wanted.items() if key is not None}
        if columns and not columns.issuperset(keys.values()):
            unknown = [shard for shard, names in found if names is None]
            _refuse_misspelt(keys, columns, unknown, [*shards, *others])
        faults = [
            f"{shard.path}: no column {text_key!r}; it has {', '.join(map(repr, sorted(names))) or 'none'}"
            for shard, names in found
            if shard.is_parquet and isinstance(names, set) and text_key not in names
        ]
    if faults:
        number = f"{len(faults):,} of {len(shards):,} files" if len(shards) > 1 else "the file"
        raise GemixError(f"{number} cannot be read:\n  {first_faults(faults)}")
    return columns


def _refuse_misspelt(
    keys: Mapping[str, str], columns: set[str], unknown: Sequence[Shard], shards: Sequence[Shard]
) -> None:
    """Look further into files, first into those that have told no column, for one that is not there.

    Raises:
        GemixError: no file has a column, as far as can be seen.

    """
    known = set(columns)
    for shard in list(dict.fromkeys([*unknown, *shards]))[:_FILES]:
        names = _look(shard, _FURTHER_BYTES)
        if isinstance(names, set):
            known |= names
        if (names is None and shard in unknown) or known.issuperset(keys.values()):
            return
    for option, key in keys.items():
        if key not in known:
            raise GemixError(f"{option} {key}: no document has this column{_nearest(key, known)}")


def _look(shard: Shard, size: int = HEAD_BYTES) -> set[str] | str | None:
    """Return the columns of a file, or what is wrong with it; None if its first rows say nothing, or cannot be read.

    A disk or a network that fails is no fault of the file: it may work by the time that the file is read.
    """
    try:
        if not shard.is_parquet:
            return look_at_lines(shard, size)
        with open_binary(shard.path) as file:
            return set(pq.read_schema(file).names)
    except GemixError as error:
        return str(error).removeprefix(f"{shard.path}: ")
    except (pa.ArrowException, OSError) as error:
        fails = isinstance(error, OSError) and error.errno is not None  # Arrow's own have no number
        return None if fails else (getattr(error, "strerror", None) or str(error)).strip().partition("\n")[0]


def _nearest(key: str, columns: set[str]) -> str:
    by_fold = {name.casefold(): name for name in sorted(columns)}
    near = get_close_matches(key.casefold(), list(by_fold), 1, 0.0)
    named = ", ".join(map(repr, sorted(columns)[:20]))
    return f"; the nearest is {by_fold[near[0]]!r} (there are {named})" if near else ""
