"""Output files appear whole or not at all: temporary name, fsync, rename."""

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gemix.runtime.errors import GemixError
from gemix.runtime.storage import is_remote, upload


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success fsync it and rename it to `path`, on any failure remove it.

    The file of a URL is made in a temporary file and sent, see `gemix.runtime.storage`. A link stays, and what it
    points to is replaced; a pipe or device is written into when all is there.

    Raises:
        GemixError: the folder cannot be written or the disk is full; `path` is untouched.

    """
    if is_remote(path):
        try:
            with upload(path) as tmp:
                yield tmp
        except OSError as error:
            raise GemixError(f"cannot write {path}: {error.strerror or error}") from error
        return
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        with tempfile.TemporaryDirectory(prefix="gemix-") as folder:
            tmp = Path(folder) / path.name
            yield tmp
            _pour(tmp, path)
        return
    # The number of a process says little on a folder that machines share: in containers many have the same.
    tmp = path.with_name(f".{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GemixError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield tmp
        with open(tmp, "rb") as file:
            os.fsync(file.fileno())
        os.replace(tmp, path)
        _fsync_folder(path.parent)
    except OSError as error:
        # Only faults of this file: an OSError about another path (a reader inside the block) keeps its own words.
        if error.filename not in (None, str(tmp), str(path), str(path.parent)):
            raise
        raise GemixError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            tmp.unlink()


def _pour(source: Path, path: Path) -> None:
    try:
        with open(source, "rb") as file, open(path, "wb") as sink:
            shutil.copyfileobj(file, sink)
    except OSError as error:
        raise GemixError(f"cannot write {path}: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as tmp:
        tmp.write_text(text, encoding="utf-8")


def keep_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically, unless the file holds it already: then it is not touched."""
    try:
        if not is_remote(path) and path.read_bytes() == text.encode():
            return
    except OSError:
        pass
    write_text(path, text)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed process left in `folder` (not below it)."""
    for tmp in folder.glob(".*.tmp-*"):
        tmp.unlink(missing_ok=True)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
