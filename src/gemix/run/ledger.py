"""run.json: which stage was done with what, so that a stage runs again only when something it depends on changed."""

import fcntl
import hashlib
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from gemix.corpus.shards import Shard
from gemix.runtime.atomic import write_json
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import content_hash, file_stat
from gemix.runtime.version import __version__

_FORMAT: Final = 2
_RECORDED_PACKAGES: Final = (
    "numpy", "numba", "scipy", "scikit-learn", "pyarrow", "onnxruntime", "tokenizers", "sentence-transformers", "torch",
    "fasttext-community",
)  # fmt: skip


@dataclass(slots=True)
class Stage:
    """What a stage depends on and what it leaves behind.

    Attributes:
        name: the command's name.
        settings: JSON values that decide the outcome.
        inputs: content hashes of what it reads, by name.
        outputs: paths relative to the run folder; all must exist, unchanged, for the stage to be current.

    """

    name: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    outputs: list[str] = field(default_factory=list)

    def key(self) -> str:
        """Return the hash of everything that decides the outcome, gemix's own version included."""
        parts = [_FORMAT, __version__, self.name, self.settings, self.inputs, self.outputs]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Ledger:
    """The run.json of a run folder."""

    def __init__(self, folder: Path) -> None:
        """Read the run folder's run.json, if there is one.

        Raises:
            GemixError: it is not readable JSON of this format.

        """
        self.folder = folder
        self.path = folder / "run.json"
        self.content: dict[str, Any] = {"format": _FORMAT, "stages": {}, "files": {}}
        if self.path.exists():
            try:
                content = json.loads(self.path.read_text(encoding="utf-8"))
                if content["format"] != _FORMAT:
                    raise ValueError(f"format {content['format']}, this gemix writes {_FORMAT}")
                self.content = {"format": _FORMAT, "stages": dict(content["stages"]), "files": dict(content["files"])}
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise GemixError(f"cannot use {self.path}: {error}. Remove it to start the run over.") from error

    def hash_of(self, path: Path) -> str:
        """Return a file's content hash; unchanged size and time mean unchanged content, as for make."""
        known = self.content["files"].get(str(path))
        stat = file_stat(path)
        if known is None or (known["size"], known["mtime_ns"]) != (stat.size, stat.mtime_ns):
            known = {"size": stat.size, "mtime_ns": stat.mtime_ns, "xxh3": content_hash(path)}
            self.content["files"][str(path)] = known
        return str(known["xxh3"])

    def hashes_of(self, shards: list[Shard]) -> dict[str, str]:
        """Return the content hash of every shard by its name."""
        return {shard.name: self.hash_of(shard.path) for shard in shards}

    def output_hashes(self, stage: str) -> dict[str, str]:
        """Return the recorded hashes of a finished stage's outputs by relative path.

        Raises:
            GemixError: the stage has not been run in this folder.

        """
        record = self.content["stages"].get(stage)
        if record is None:
            raise GemixError(f"{self.folder} has no finished {stage} stage; run `gemix {stage}` or `gemix run` first")
        return dict(record["outputs"])

    def is_current(self, stage: Stage) -> bool:
        """Return whether the stage is recorded with the same key, came to its end, and its outputs are as it left them.

        A stage whose facts say `unfinished` has its outputs, but something that it may still get by trying again.
        """
        record = self.content["stages"].get(stage.name)
        if record is None or record["key"] != stage.key() or record["facts"].get("unfinished"):
            return False
        try:
            return all(self.hash_of(self.folder / path) == digest for path, digest in record["outputs"].items())
        except GemixError:
            return False

    def record(self, stage: Stage, seconds: float, facts: dict[str, Any]) -> None:
        """Note that a stage is done, with the hashes of its outputs, and write run.json."""
        self.content["stages"][stage.name] = {
            "key": stage.key(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "settings": stage.settings,
            "inputs": stage.inputs,
            "outputs": {path: self.hash_of(self.folder / path) for path in stage.outputs},
            "versions": versions(),
            "facts": facts,
        }
        write_json(self.path, self.content)


def versions() -> dict[str, str]:
    """Return the versions of gemix, Python and the packages that results depend on."""
    found = {"gemix": __version__, "python": platform.python_version()}
    for name in _RECORDED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process: two runs in one folder would overwrite each other.

    Raises:
        GemixError: another process holds it, or the folder cannot be written.

    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise GemixError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise GemixError(f"another gemix process is working in {folder}") from error
        yield
    finally:
        os.close(handle)


@contextmanager
def timed() -> Iterator[list[float]]:
    """Yield a list that holds the block's wall time in seconds once it is left."""
    start, out = time.perf_counter(), [0.0]
    yield out
    out[0] = time.perf_counter() - start
