"""The files that folders and patterns stand for, and what is passed over on the way: nothing of it in silence."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NoReturn

from gemix.corpus.formats import ENDINGS, suffix_of
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say
from gemix.runtime.storage import find, is_remote, to_path

_LOG: Final = "_delta_log"
_NAMED: Final = 20


@dataclass
class PassedOver:
    """What lies among the inputs and is not read.

    Attributes:
        hidden: files and folders whose name begins with _ or a dot.
        unread: other files, with the reason.
        links: further names of files that are read under another one.
        logs: logs of Delta tables.

    """

    hidden: set[str] = field(default_factory=set)
    unread: dict[str, str] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)
    logs: set[str] = field(default_factory=set)

    def hide(self, path: str) -> None:
        """Note a file or folder whose name begins with _ or a dot."""
        self.hidden.add(path)
        if os.path.basename(path) == _LOG:
            self.logs.add(path)

    def look_for_logs(self, files: Iterable[Path]) -> None:
        """Note the logs of the tables that files are part of, also where only the files were asked for."""
        folders = {folder for file in files if not is_remote(file) for folder in file.parents}
        self.logs |= {str(folder / _LOG) for folder in folders if (folder / _LOG).is_dir()}

    def describe(self) -> list[str]:
        """Return what there is to say of it: a line for each kind, with names below where they matter."""
        said = []
        if self.unread:
            lines = [f"{path}: {reason}" for path, reason in sorted(self.unread.items())]
            said.append("\n  ".join([f"not read: {_count(len(lines), 'file')}", *_first(lines, _NAMED)]))
        if self.hidden:
            names = ", ".join(_first(sorted(self.hidden), 3))
            said.append(f"passed over, because of names that begin with _ or a dot: {names}")
        if self.links:
            names = ", ".join(_first(sorted(self.links), 3))
            said.append(f"links to files that are read once, under another name: {names}")
        said += [
            f"warning: {log} is the log of a Delta table, and gemix does not read it: files that the table has removed "
            "or replaced are read as long as they lie there"
            for log in sorted(self.logs)
        ]
        return said

    def tell(self) -> None:
        """Say it to the user."""
        for line in self.describe():
            say(line)


def expand(item: str | Path, passed: PassedOver) -> Iterator[tuple[Path, Path]]:
    """Yield (folder that names are relative to, file) for one input.

    Raises:
        GemixError: a file that is named and cannot be read, or nothing of that name.

    """
    path = to_path(item)
    if is_remote(path):
        yield from _expand_remote(path, passed)
    elif path.is_file():
        _refuse_unknown(path)
        yield path.parent, path
    elif path.is_dir():
        yield from ((path, file) for file in _walk(path, passed))
    elif path.exists():
        raise GemixError(f"{path}: neither a file nor a folder")
    elif glob.has_magic(str(item)):
        for match in map(Path, sorted(glob.glob(str(item), recursive=True))):
            if hidden := _hidden(match.parts, path.parts):
                passed.hide(str(Path(*match.parts[:hidden])))
            elif match.is_dir():
                yield from ((match, file) for file in _walk(match, passed))
            elif _counts(match, passed):
                yield match.parent, match
    else:
        raise GemixError(f"{path}: no such file or folder")


def _expand_remote(path: Path, passed: PassedOver) -> Iterator[tuple[Path, Path]]:
    try:
        folder, files = find(path)
    except OSError as error:
        unreadable(error)
    for file in files:
        if file == path:
            _refuse_unknown(path)
        inside = file.relative_to(folder).parts
        if hidden := _hidden(inside, path.parts):
            passed.hide(str(folder.joinpath(*inside[:hidden])))
        elif _counts(file, passed):
            yield folder, file


def _walk(folder: Path, passed: PassedOver) -> Iterator[Path]:
    """Yield the corpus files below `folder`; links to folders are followed, each folder once."""
    seen: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True, onerror=unreadable):
        seen.add(os.path.realpath(root))
        for name in [*folders, *files]:
            if _is_hidden(name):
                passed.hide(os.path.join(root, name))
        folders[:] = [f for f in sorted(folders) if not _is_hidden(f)]
        folders[:] = [f for f in folders if os.path.realpath(os.path.join(root, f)) not in seen]
        for name in sorted(files):
            if not _is_hidden(name) and _counts(Path(root, name), passed):
                yield Path(root, name)


def _is_hidden(name: str) -> bool:
    return name.startswith(("_", "."))


def _hidden(parts: tuple[str, ...], asked: tuple[str, ...]) -> int:
    """Return how many parts lead to the first hidden one that was not asked for as such, 0 if there is none."""
    for i, part in enumerate(parts, 1):
        if _is_hidden(part) and not any(fnmatchcase(part, name) for name in asked if name[0] == part[0]):
            return i
    return 0


def _counts(path: Path, passed: PassedOver) -> bool:
    """Return whether a file is one of the corpus, and note why not."""
    if suffix_of(path.name) is None:
        passed.unread[str(path)] = "no ending that gemix reads"
    elif ".tmp-" in path.name:
        passed.unread[str(path)] = "a temporary file"
    elif not is_remote(path) and path.exists() and not path.is_file():
        passed.unread[str(path)] = "neither a file nor a folder"
    else:
        return True
    return False


def _refuse_unknown(path: Path) -> None:
    if suffix_of(path.name) is None:
        raise GemixError(f"{path}: unknown format; gemix reads {ENDINGS}")


def unreadable(error: OSError) -> NoReturn:
    """Raise the error of a file or folder that cannot be read."""
    raise GemixError(f"cannot read {error.filename}: {error.strerror}") from error


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _first(names: list[str], number: int) -> list[str]:
    return names[:number] + ([f"and {len(names) - number:,} more"] if len(names) > number else [])
