"""Files that lie elsewhere (s3://, gs://, hf://, ...): one room for what is different about them.

A path is a `pathlib.Path`, or for a URL the path of universal_pathlib, which has its methods over fsspec but is nothing
that `open` takes.

- An input is copied to a temporary file, read there as any other, and deleted: one pass over the network, whatever is
  read twice. There must be room for one file a process.
- An output is made in a temporary file and sent in one piece. An object store has no rename and needs none: an object
  of a single PUT, or of a multipart upload, is there when the request has succeeded, and not before.
"""

import errno
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from gemix.runtime.errors import GemixError

_PIECE: Final = 1 << 26  # bytes asked for at a time
# What stores call that which is another when a file is another; the first that is given counts.
_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "blob_id", "last_commit", "LastModified", "mtime", "created")


def to_path(item: str | Path) -> Path:
    """Return the path of a local name or of a URL.

    Raises:
        GemixError: a URL whose package is not installed, or of a kind that nobody knows.

    """
    scheme, _, rest = str(item).partition("://")
    if not isinstance(item, str):
        return item
    if not rest:
        return Path(item)
    if scheme == "file":
        return Path(rest)
    try:
        from upath import UPath

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that nobody has tested it with this kind of store
            path: Any = UPath(item, use_listings_cache=False)  # what another machine writes is seen at once
        _ = path.fs
    except ImportError as error:
        raise GemixError(f"{item}: {error}; pip install {_packages(scheme)}") from error
    except ValueError as error:
        raise GemixError(f"{item}: {error}") from error
    return path


def _packages(scheme: str) -> str:
    """Return what has to be installed for URLs of this kind."""
    own = '"gemix[remote]"'  # it brings s3fs
    try:
        from fsspec.registry import known_implementations  # type: ignore[import-untyped]
    except ImportError:
        return own
    package = known_implementations.get(scheme, {}).get("class", "").partition(".")[0]
    return own if package in ("", "fsspec", "s3fs") else f"{own} {package}"


def is_remote(path: Path) -> bool:
    """Return whether this is the path of a URL."""
    return not isinstance(path, os.PathLike)


def remote_stat(path: Path) -> tuple[int, int]:
    """Return size, and a number made of the ETag, or of what else the store says of the content (`_VERSIONS`).

    Raises:
        OSError: it is not there or cannot be reached.

    """
    with _faults(path):
        info = _fs(path).info(_key(path))
    said = [info[key] for key in _VERSIONS if info.get(key) is not None]
    version = blake2b(str(said[:1]).encode(), digest_size=8).digest()
    return int(info["size"] or 0), int.from_bytes(version) >> 1


def is_file(path: Path) -> bool:
    """Return whether there is such a file.

    Raises:
        OSError: of a URL it cannot be told.

    """
    if not is_remote(path):
        return path.is_file()
    with _faults(path):
        return bool(_fs(path).isfile(_key(path)))


def read_bytes(path: Path) -> bytes:
    """Return the content of a small file.

    Raises:
        OSError: it cannot be read (FileNotFoundError: it is not there).

    """
    if not is_remote(path):
        return path.read_bytes()
    with _faults(path):
        return bytes(_fs(path).cat_file(_key(path)))


def fetch(path: Path, to: Path) -> None:
    """Copy the file of a URL to a file of this machine.

    Raises:
        OSError: it cannot be read (FileNotFoundError: it is not there), or there is no room for it.

    """
    with _faults(path):
        _fs(path).get_file(_key(path), str(to))


@contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """Yield a file of this machine with the content of `path` and its name: itself, or a copy for as long as the block.

    Raises:
        GemixError: it cannot be read, or there is no room for it.

    """
    if not is_remote(path):
        yield path
        return
    with _copy(path, lambda copy: fetch(path, copy)) as copy:
        yield copy


@contextmanager
def partial_copy(path: Path, ranges: Sequence[tuple[int, int]], size: int) -> Iterator[Path]:
    """Yield a file of this machine that has these ranges of bytes of a URL's file, and holes between them.

    Raises:
        GemixError: they cannot be read, or there is no room for them.

    """

    def fill(copy: Path) -> None:
        with open(copy, "wb") as file:
            file.truncate(size)
            for start, end in ranges:
                file.seek(start)
                for at in range(start, end, _PIECE):
                    with _faults(path):
                        file.write(_fs(path).cat_file(_key(path), start=at, end=min(at + _PIECE, end)))

    with _copy(path, fill) as copy:
        yield copy


@contextmanager
def _copy(path: Path, fill: Callable[[Path], None]) -> Iterator[Path]:
    """Yield a temporary file, filled, with the name of a URL's file; errors inside the block name the URL."""
    with tempfile.TemporaryDirectory(prefix="gemix-") as folder:
        copy = Path(folder, path.name)
        try:
            fill(copy)
        except OSError as error:
            raise GemixError(f"cannot read {path}: {error.strerror}") from error
        try:
            yield copy
        except GemixError as error:
            raise GemixError(str(error).replace(str(copy), str(path))) from error


@contextmanager
def open_binary(path: Path) -> Iterator[Any]:
    """Yield a file to read from here and there; of a URL only what is read is fetched.

    Raises:
        OSError: it cannot be read.

    """
    if not is_remote(path):
        with open(path, "rb") as file:
            yield file
        return
    with _faults(path), _fs(path).open(_key(path), "rb", cache_type="none") as file:
        yield file


def exists(folder: Path) -> bool:
    """Return whether there is such a folder; a store has those that something is in.

    Raises:
        OSError: of a URL it cannot be told.

    """
    if not is_remote(folder):
        return folder.exists()
    with _faults(folder):
        return bool(_fs(folder).exists(_key(folder)))


def remove_tree(folder: Path) -> None:
    """Delete a folder with all that is in it, as far as that can be done."""
    if not is_remote(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    with suppress(OSError), _faults(folder):
        _fs(folder).rm(_key(folder), recursive=True)


@contextmanager
def upload(path: Path) -> Iterator[Path]:
    """Yield a temporary file of this machine; on success it is sent to `path`, whole or not at all.

    Raises:
        OSError: it cannot be sent.

    """
    with tempfile.TemporaryDirectory(prefix="gemix-") as folder:
        tmp = Path(folder, path.name)
        yield tmp
        with _faults(path):
            _fs(path).put_file(str(tmp), _key(path))


def find(path: Path) -> tuple[Path, list[Path]]:
    """Return the folder that names are relative to, and the files that a URL stands for: one, a glob's, or a folder's.

    Raises:
        OSError: it cannot be listed.

    """
    with _faults(path):
        fs, key = _fs(path), _key(path)
        if any(c in key for c in "*?["):
            keys = sorted(fs.glob(key))
            files = [found for found in keys if fs.isfile(found)]
            folder = os.path.commonpath([os.path.dirname(found) for found in files]) if files else key
            return _sibling(path, folder), [_sibling(path, found) for found in files]
        if fs.isfile(key):
            return path.parent, [path]
        return path, [_sibling(path, found) for found in sorted(fs.find(key))]


def names_below(folder: Path, suffix: str) -> list[str]:
    """Return the files below a folder whose name ends so, as POSIX paths from there.

    Raises:
        OSError: a URL cannot be listed.

    """
    if not is_remote(folder):
        return [path.relative_to(folder).as_posix() for path in folder.rglob(f"*{suffix}")]
    with _faults(folder):
        keys = _fs(folder).find(_key(folder))
    return [os.path.relpath(key, _key(folder)) for key in keys if key.endswith(suffix)]


def _sibling(path: Any, key: str) -> Path:
    return path.__class__(path.fs.unstrip_protocol(key), **path.storage_options)


def _fs(path: Any) -> Any:
    return path.fs


def _key(path: Any) -> str:
    return str(path.path)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """Make an OSError of whatever a store's client raises."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path)) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error) or type(error).__name__, str(path)) from error
    except Exception as error:  # of botocore, aiohttp, google, ...: no base class is theirs alone
        raise OSError(None, f"{type(error).__name__}: {error}", str(path)) from error
