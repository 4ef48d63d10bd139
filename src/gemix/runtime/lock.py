"""Who works in an output folder: one run alone, or the ranks of one job together; never two jobs at once."""

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from gemix.runtime.errors import GemixError
from gemix.runtime.storage import is_remote

LOCK: Final = ".lock"
GRACE: Final = 1.0  # seconds; for so long what the file says may be older than the lock
PATIENCE: Final = 30.0  # seconds that the workers of a killed run get to finish what they have in hand


class _Holder(msgspec.Struct, frozen=True):
    """The run that holds the lock, or held it last; `job` is None for a run that wants nobody beside it."""

    host: str
    pid: int
    job: str | None


@contextmanager
def folder_lock(folder: Path, job: str | None = None) -> Iterator[int | None]:
    """Hold an output folder while the block runs, alone or with others of the same `job`.

    The lock is the kernel's (flock): it ends with its last process, however that ends, and asks no clock. A process
    that inherits the descriptor keeps it held until it, too, is gone.

    Args:
        folder: Where output is written; made if it is not there.
        job: What ranks that work there together have in common; None for a run that works alone.

    Yields:
        The descriptor of the lock, or None where the file system has no locks, which is said on standard error.

    Raises:
        GemixError: another run is at work there (the message names its host and process), or `folder` cannot be
            written.

    """
    if is_remote(folder):
        _warn(folder)
        yield None
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise GemixError(f"cannot write {folder}: {error.strerror}") from error
    try:
        start = time.monotonic()
        while not (locked := _try(handle, _Holder(socket.gethostname(), os.getpid(), job))):
            if locked is None:
                break
            holder = _read(handle)
            patience = PATIENCE if holder is None or _leaves_soon(holder, job) else GRACE
            if time.monotonic() - start > patience:
                raise GemixError(_refusal(folder, holder, job))
            time.sleep(0.02)
        if not locked:
            _warn(folder)
        yield handle if locked else None
    finally:
        os.close(handle)


def _warn(folder: Path) -> None:
    print(f"{folder}: there are no locks here; see to it that no other run works in it", file=sys.stderr)


def _try(handle: int, us: _Holder) -> bool | None:
    """Return whether the folder is ours now; None if there are no locks here."""
    try:
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(handle, 0)
            os.pwrite(handle, msgspec.json.encode(us) + b"\n", 0)
            if us.job is None:
                return True
        if us.job is not None:
            # Where it was exclusive it is let go for a moment, so look who was in between.
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            holder = _read(handle)
            if holder is not None and holder.job == us.job:
                return True
            fcntl.flock(handle, fcntl.LOCK_UN)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return False


def _read(handle: int) -> _Holder | None:
    try:
        return msgspec.json.decode(os.pread(handle, 1 << 16, 0), type=_Holder)
    except (msgspec.DecodeError, OSError):
        return None


def _leaves_soon(holder: _Holder, job: str | None) -> bool:
    """Return whether it pays to wait: for a rank of our job that is about to let us in, or workers without a parent."""
    if holder.job is not None:
        return holder.job == job
    if holder.host != socket.gethostname():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _refusal(folder: Path, holder: _Holder | None, job: str | None) -> str:
    who = f"process {holder.pid} on {holder.host}" if holder else "another process"
    what, why = f"{who} is", ""
    if holder and holder.job is not None:
        what = f"{who} and perhaps other ranks are"
        why = ", with other settings, content or world size than here" if job is not None else ""
    return f"{what} at work in {folder}{why}; wait until that is done or stop it, or choose another folder"
