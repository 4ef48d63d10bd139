"""Inputs in, shards out: which files make up the corpus and what each is called."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from gemix.runtime.errors import GemixError
from gemix.runtime.storage import find, is_remote, to_path

FORMATS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """One file of the corpus.

    `name` is unique: the POSIX path below the inputs' common folder without the format suffix ("sub/part-000").
    `path` is as the user gave it, so that messages show what was typed. It may be a URL's (`gemix.runtime.storage`).
    """

    name: str
    path: Path

    @property
    def format(self) -> str:
        """The format suffix in lower case, one of `FORMATS`."""
        return _suffix(self.path.name) or ""


def resolve_shards(inputs: Sequence[str | Path]) -> list[Shard]:
    """Return the shards that files, folders (searched recursively) and glob patterns name, sorted by name.

    Each may be local or a URL that fsspec knows (s3://, gs://, hf://, ...).

    A glob stands for the paths it matches. Inside folders and globs only files in a known format count; hidden files,
    hidden folders and temporary files (`*.tmp-*`) do not. A file that several inputs name is one shard.

    Raises:
        GemixError: nothing matched, a named file in an unknown format, two files with one shard name, unreadable.

    """
    if not inputs:
        raise GemixError("no input: give files, folders or globs")
    found: dict[str, Path] = {}  # absolute path -> path as given
    folders: list[str] = []
    for item in inputs:
        before = len(folders)
        for root, path in _expand(item):
            folders.append(_absolute(root))
            found.setdefault(_absolute(path), path)
        if len(folders) == before:
            raise GemixError(f"{item}: no file in a format that gemix reads ({', '.join(FORMATS)})")
    common = os.path.commonpath(folders)
    named: dict[str, Path] = {}
    for absolute, path in found.items():
        name = Path(os.path.relpath(absolute, common)).as_posix()
        name = name[: -len(_suffix(name) or "")]
        _check_readable(path, name)
        if name in named:
            raise GemixError(
                f"two files have the shard name {name!r}: {named[name]} and {path}; rename or leave out one"
            )
        named[name] = path
    return sorted(Shard(name, path) for name, path in named.items())


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


def _expand(item: str | Path) -> Iterator[tuple[Path, Path]]:
    """Yield (folder that names are relative to, file) for one input."""
    path = to_path(item)
    if is_remote(path):
        yield from _expand_remote(path)
    elif path.is_file():
        if _suffix(path.name) is None:
            raise GemixError(f"{path}: unknown format; gemix reads {', '.join(FORMATS)}")
        yield path.parent, path
    elif path.is_dir():
        yield from ((path, file) for file in _walk(path))
    elif path.exists():
        raise GemixError(f"{path}: neither a file nor a folder")
    elif glob.has_magic(str(item)):
        for match in map(Path, sorted(glob.glob(str(item), recursive=True))):
            if match.is_dir():
                yield from ((match, file) for file in _walk(match))
            elif match.is_file() and _counts(match.name):
                yield match.parent, match
    else:
        raise GemixError(f"{path}: no such file or folder")


def _expand_remote(path: Path) -> Iterator[tuple[Path, Path]]:
    try:
        folder, files = find(path)
    except OSError as error:
        _raise(error)
    for file in files:
        if file == path and _suffix(file.name) is None:
            raise GemixError(f"{path}: unknown format; gemix reads {', '.join(FORMATS)}")
        inside = file.relative_to(folder).parts
        if _counts(file.name) and not any(part.startswith(".") for part in inside):
            yield folder, file


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the corpus files below `folder`; links to folders are followed, each folder once."""
    seen: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        seen.add(os.path.realpath(root))
        folders[:] = [f for f in sorted(folders) if not f.startswith(".")]
        folders[:] = [f for f in folders if os.path.realpath(os.path.join(root, f)) not in seen]
        yield from (Path(root, file) for file in _only_data(files))


def _only_data(files: Iterable[str]) -> list[str]:
    return sorted(file for file in files if _counts(file))


def _counts(file: str) -> bool:
    return not file.startswith(".") and ".tmp-" not in file and _suffix(file) is not None


def _suffix(file: str) -> str | None:
    lower = file.lower()
    return next((suffix for suffix in FORMATS if lower.endswith(suffix) and len(lower) > len(suffix)), None)


def _check_readable(path: Path, name: str) -> None:
    try:
        name.encode()
        if not is_remote(path):
            with open(path, "rb"):
                pass
    except UnicodeEncodeError:
        raise GemixError(f"{str(path)!a}: the file name is not valid UTF-8") from None
    except OSError as error:
        _raise(error)


def _raise(error: OSError) -> NoReturn:
    raise GemixError(f"cannot read {error.filename}: {error.strerror}") from error
