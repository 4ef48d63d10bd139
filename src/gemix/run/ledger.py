"""run.json: which stage was done with what, so that a stage runs again only when something it depends on changed."""

import hashlib
import json
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

_SCHEMA: Final = 3  # of run.json
_RECORDED_PACKAGES: Final = (
    "numpy", "numba", "scipy", "scikit-learn", "pyarrow", "onnxruntime", "tokenizers", "sentence-transformers", "torch",
    "fasttext-community",
)  # fmt: skip


@dataclass(slots=True)
class Stage:
    """What a stage depends on and what it leaves behind.

    Attributes:
        name: the command's name.
        schema: raised whenever equal settings and inputs would give other bytes.
        settings: JSON values that decide the outcome.
        inputs: content hashes of what it reads, by name.
        outputs: paths relative to the run folder; all must exist, unchanged, for the stage to be current.

    """

    name: str
    schema: int
    settings: dict[str, Any]
    inputs: dict[str, str]
    outputs: list[str] = field(default_factory=list)

    def key(self) -> str:
        """Return the hash of everything that decides the outcome; another version of gemix alone changes nothing."""
        parts = [self.name, self.schema, self.settings, self.inputs, self.outputs]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Ledger:
    """The run.json of a run folder."""

    def __init__(self, folder: Path) -> None:
        """Read the run folder's run.json, if there is one.

        Raises:
            GemixError: it is not readable JSON, or of another schema.

        """
        self.folder = folder
        self.path = folder / "run.json"
        self.content: dict[str, Any] = {"schema": _SCHEMA, "stages": {}, "files": {}}
        if not self.path.exists():
            return
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            schema = content.get("schema", content.get("format"))
            if isinstance(schema, int) and schema > _SCHEMA:
                raise GemixError(f"{self.path} was written by a newer gemix (schema {schema}): update gemix")
            if schema == 2:
                raise GemixError(
                    f"{folder} was made by gemix 0.1, whose domains went by their names: make it anew by `gemix run "
                    f"--config {folder / 'config.yaml'} --out NEW`; its student stays usable as it is"
                )
            if schema != _SCHEMA:
                raise ValueError(f"schema {schema}, this gemix writes {_SCHEMA}")
            self.content = {"schema": _SCHEMA, "stages": dict(content["stages"]), "files": dict(content["files"])}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise GemixError(f"cannot use {self.path}: {error}. Remove it to start the run over.") from error

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the settings that each finished stage was run with, by stage."""
        return {name: record["config"] for name, record in self.content["stages"].items() if record.get("config")}

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

    def record(self, stage: Stage, seconds: float, facts: dict[str, Any], config: dict[str, Any] | None = None) -> None:
        """Note that a stage is done, with the hashes of its outputs and what the user had set, and write run.json."""
        self.content["stages"][stage.name] = {
            "key": stage.key(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "schema": stage.schema,
            "settings": stage.settings,
            "config": config or {},
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
def timed() -> Iterator[list[float]]:
    """Yield a list that holds the block's wall time in seconds once it is left."""
    start, out = time.perf_counter(), [0.0]
    yield out
    out[0] = time.perf_counter() - start
