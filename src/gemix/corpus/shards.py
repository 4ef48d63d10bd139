"""Inputs in, shards out: which files make up the corpus and what each is called."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from gemix.corpus.formats import ENDINGS, FORMATS, Shard, suffix_of
from gemix.corpus.head import is_spread_json
from gemix.corpus.walk import PassedOver, expand
from gemix.runtime.errors import GemixError, first_faults
from gemix.runtime.storage import is_remote, to_path

__all__ = ["Shard", "refuse_overlap", "resolve_shards"]

_OUTPUTS: Final = (".parquet", ".json")  # the labels of a shard and their marker are its name and this
# What the longest name of a file may have, in bytes; what a temporary output has around the name of its shard.
_LONGEST: Final = 255
_AROUND: Final = len(".") + max(map(len, FORMATS)) + len(".tmp-4194304-01234567")


def resolve_shards(inputs: Sequence[str | Path]) -> list[Shard]:
    """Return the shards that files, folders (searched recursively) and glob patterns name, sorted by name.

    Each may be local or a URL that fsspec knows (s3://, gs://, hf://, ...).

    A glob stands for the paths it matches. Inside folders and globs only files in a known format count; files and
    folders whose name begins with _ or a dot, and temporary files (`*.tmp-*`), do not, nor a JSON file of one object.
    What is passed over is said on standard error. A file is one shard, whatever inputs and links lead to it.

    Raises:
        GemixError: nothing matched, a named file in an unknown format, two files with one shard name or with outputs
            that would be in each other's way, a name too long for outputs, unreadable files.

    """
    if not inputs:
        raise GemixError("no input: give files, folders or globs")
    passed = PassedOver()
    found, common = _find(inputs, passed)
    shards = []
    for absolute, path in found:
        name = Path(os.path.relpath(absolute, common)).as_posix()
        shards.append(Shard(name[: -len(suffix_of(name) or "")], path))
    passed.look_for_logs(path for _, path in found)
    passed.tell()
    shards.sort()
    _check(shards)
    return shards


def _find(inputs: Sequence[str | Path], passed: PassedOver) -> tuple[list[tuple[str, Path]], str]:
    """Return absolute path and path as given of every file, each once, and the folder that holds all inputs."""
    ways: dict[str, list[tuple[bool, str, Path]]] = {}  # by real path: is it a link, absolute path, path as given
    folders: list[str] = []
    for item in inputs:
        before = len(folders)
        for root, path in expand(item, passed):
            folders.append(_absolute(root))
            absolute, real = _absolute(path), _absolute(path, os.path.realpath)
            if path == to_path(item) or real in ways or not is_spread_json(Shard("", path)):
                ways.setdefault(real, []).append((absolute != real, absolute, path))
            else:
                passed.unread[str(path)] = "one JSON object over several lines, not a document a line"
                folders.pop()
        if len(folders) == before:
            raise GemixError(
                "\n".join([f"{item}: no file in a format that gemix reads: {ENDINGS}", *passed.describe()])
            )
    found = []
    for names in ways.values():
        (_, absolute, path), *others = sorted(names, key=lambda way: way[:2])
        found.append((absolute, path))
        passed.links |= {str(other) for _, place, other in others if place != absolute}
    passed.unread = {path: why for path, why in passed.unread.items() if os.path.realpath(path) not in ways}
    return found, os.path.commonpath(folders)


def refuse_overlap(shards: Sequence[Shard], inputs: Sequence[str | Path], out: Path) -> None:
    """Make sure that what is written to `out` cannot be taken for input the next time.

    Raises:
        GemixError: `out` lies inside an input folder, or holds one of the shards.

    """
    target = _absolute(out, os.path.realpath)
    for item in inputs:
        folder = to_path(item)
        if (is_remote(folder) or folder.is_dir()) and _is_inside(target, _absolute(folder, os.path.realpath)):
            raise GemixError(f"--out {out} lies inside the input folder {item}; choose a folder outside it")
    for shard in shards:
        if _is_inside(_absolute(shard.path, os.path.realpath), target):
            raise GemixError(f"--out {out} holds the input file {shard.path}; choose another folder")


def _absolute(path: Path, resolve: Callable[[Path], str] = os.path.abspath) -> str:
    """Return what two names of one file or folder have in common; of a URL, a path that no local one has."""
    return "/" + str(path).replace("://", ":/").rstrip("/") if is_remote(path) else resolve(path)


def _is_inside(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def _check(shards: Sequence[Shard]) -> None:
    """Make sure that all files can be opened, and that what is made of each can have a name of its own.

    Raises:
        GemixError: which cannot, all of them.

    """
    faults = []
    named: dict[str, Path] = {}
    for shard in shards:
        if shard.name in named:
            faults.append(
                f"two files have the shard name {shard.name!r}: {named[shard.name]} and {shard.path}; "
                "rename or leave out one"
            )
        named[shard.name] = shard.path
        if fault := _fault(shard):
            faults.append(fault)
    for shard in shards:
        for folder in map(str, PurePosixPath(shard.name).parents):
            for output in _OUTPUTS:
                if folder.endswith(output) and (other := named.get(folder.removesuffix(output))) is not None:
                    faults.append(
                        f"{other} and {shard.path}: the labels of the first would have the name of the folder that "
                        f"those of the second lie in, {folder}; rename or leave out one"
                    )
    if faults:
        raise GemixError(first_faults(faults))


def _fault(shard: Shard) -> str | None:
    """Return why a file cannot be worked with."""
    try:
        size = len(PurePosixPath(shard.name).name.encode())
        if not is_remote(shard.path):
            with open(shard.path, "rb"):
                pass
    except UnicodeEncodeError:
        return f"{str(shard.path)!a}: the file name is not valid UTF-8"
    except OSError as error:
        return f"cannot read {shard.path}: {error.strerror}"
    if size + _AROUND > _LONGEST:
        return (
            f"{shard.path}: {size} bytes before the ending, so that the names of its labels would be too long; rename "
            f"it to at most {_LONGEST - _AROUND}"
        )
    return None
