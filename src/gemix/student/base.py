"""What every student offers, and the files of its folder."""

import hashlib
import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.buffers import Texts
from gemix.runtime.atomic import write_json
from gemix.runtime.errors import GemixError
from gemix.runtime.storage import fetch, is_remote, read_bytes

CONFIG: Final = "config.json"
# The file of the model by kind; config.json stands beside it.
MODELS: Final = {"hashed": "model.safetensors", "fasttext": "model.bin"}
EVALUATION: Final = "evaluation.json"
_VERSION: Final = 1
_copies: Final[dict[tuple[str, bytes], "tempfile.TemporaryDirectory[str]"]] = {}  # they go when the process ends


class Reader(Protocol):
    """How a student reads a text: the same way in training and in use."""

    def to_config(self) -> dict[str, Any]:
        """Return JSON that describes it whole."""


class Student(Protocol):
    """A fast classifier that learned the teacher's domains.

    Attributes:
        kind: "hashed" or "fasttext".
        domains: keys; the position is the label, and `gemix.student.names` has what people call them.
        training: how it was trained, for the record.

    """

    kind: ClassVar[str]
    domains: list[str]
    training: dict[str, Any]

    @property
    def normaliser(self) -> Reader:
        """What it does to a text first."""

    def predict(self, texts: Texts, top: int = 1) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the `top` most probable domains of each raw text and their probabilities, both (n, top), descending.

        There are fewer columns where the student knows fewer domains. Threads may call it side by side.
        """

    def save(self, folder: Path) -> None:
        """Write the model and config.json to `folder`, each atomically, and remove a model of another kind."""


def local_student(folder: Path) -> Path:
    """Return a folder of this machine with the student: `folder` itself, or a copy for as long as this process lives.

    Of a URL config.json is read every time. It holds the checksum of the model: another student is fetched anew.

    Raises:
        GemixError: there is none, it cannot be read, or its files do not belong together.

    """
    if not is_remote(folder):
        return folder
    try:
        config = read_bytes(folder / CONFIG)
        if (str(folder), config) not in _copies:
            copy = tempfile.TemporaryDirectory(prefix="gemix-student-")
            here = Path(copy.name)
            (here / CONFIG).write_bytes(config)
            for name in (*MODELS.values(), EVALUATION, "names.json"):
                with suppress(FileNotFoundError):
                    fetch(folder / name, here / name)
            try:
                read_config(here)
            except GemixError as error:
                raise GemixError(str(error).replace(copy.name, str(folder))) from error
            _copies[str(folder), config] = copy
    except OSError as error:
        raise GemixError(f"no student in {folder}: cannot read {error.filename}: {error.strerror or error}") from error
    return Path(_copies[str(folder), config].name)


def student_fingerprint(folder: Path) -> str:
    """Return the SHA-256 of all that decides predictions: the model and how texts are normalised, not the names.

    Raises:
        GemixError: as in `read_config`.

    """
    config = read_config(folder)
    parts = [config["kind"], config["normaliser"], len(config["domains"]), config["sha256"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def write_config(folder: Path, student: Student) -> None:
    """Write config.json beside the model that is already in `folder`, and remove models of other kinds."""
    config = {
        "version": _VERSION,
        "kind": student.kind,
        "domains": student.domains,
        "normaliser": student.normaliser.to_config(),
        "training": student.training,
        "sha256": _sha256(folder / MODELS[student.kind]),
    }
    write_json(folder / CONFIG, config)
    for kind, name in MODELS.items():
        if kind != student.kind:
            (folder / name).unlink(missing_ok=True)


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json after checking it, and the model's checksum against it.

    Raises:
        GemixError: a file is missing, damaged, of another version or does not belong to the other.

    """
    folder = local_student(folder)
    path = folder / CONFIG
    try:
        config = json.loads(path.read_bytes())
        if config["version"] != _VERSION:
            raise GemixError(f"{path} has version {config['version']}, this version of gemix reads {_VERSION}")
        domains = config["domains"]
        if not (isinstance(domains, list) and domains and all(isinstance(name, str) for name in domains)):
            raise ValueError("domains must be a list of names")
        missing = {"kind", "normaliser", "sha256"} - config.keys()
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        if config["kind"] not in MODELS:
            raise GemixError(f"{folder} holds a student of the unknown kind {config['kind']!r}; update gemix")
    except OSError as error:
        raise GemixError(f"no student in {folder}: cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise GemixError(f"{path} is not a student's configuration: {error}") from error
    model = folder / MODELS[config["kind"]]
    if _sha256(model) != config["sha256"]:
        raise GemixError(f"{model} is damaged or not the model that {path} describes; train the student again")
    return config


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
