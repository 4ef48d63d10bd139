"""Which shards the labels in a folder are those of: what the corpus held when it was labelled last."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gemix.runtime.atomic import keep_text
from gemix.runtime.errors import GemixError
from gemix.runtime.records import Record, parse_record
from gemix.runtime.storage import names_below, read_bytes

FILE_NAME: Final = ".shards"


def sidecar_names(out: Path) -> list[str]:
    """Return the shard names of all sidecars in the folder `out`, sorted.

    Raises:
        GemixError: the folder cannot be listed.

    """
    try:
        names = names_below(out, ".parquet")
    except OSError as error:
        raise GemixError(f"cannot read {out}: {error.strerror or error}") from error
    visible = (name for name in names if not any(part.startswith(".") for part in name.split("/")))
    return sorted(name.removesuffix(".parquet") for name in visible)


class _Listed(Record):
    """`.shards`."""

    shards: list[str]


def write_listed(out: Path, names: Sequence[str]) -> None:
    """Note the names of all shards of the corpus that is labelled into the folder `out`.

    Raises:
        GemixError: it cannot be written.

    """
    keep_text(out / FILE_NAME, _Listed(shards=sorted(names)).to_json(indent=None))


def listed_names(out: Path) -> tuple[list[str], list[str], list[str]]:
    """Return names of shards: with labels, without them as yet, and with labels though they are in the corpus no more.

    Labels of a folder that says nothing of its corpus are all labels of it.

    Raises:
        GemixError: the folder cannot be listed or read.

    """
    found = sidecar_names(out)
    path = out / FILE_NAME
    try:
        listed = set(parse_record(read_bytes(path), _Listed, "a list of shards").shards)
    except FileNotFoundError:
        return found, [], []
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise GemixError(f"{path}: {error}") from error
    return (
        [name for name in found if name in listed],
        sorted(listed.difference(found)),
        [name for name in found if name not in listed],
    )
