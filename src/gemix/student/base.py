"""What every student offers, and how one is loaded."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.atomic import write_json
from gemix.errors import GemixError
from gemix.student.normaliser import Normaliser

CONFIG: Final = "config.json"
MODEL: Final = "model.bin"
_VERSION: Final = 1


class Student(Protocol):
    """A fast classifier that learned the teacher's domains.

    Attributes:
        kind: "fasttext".
        domains: names; the position is the label.
        normaliser: what it does to a text first.

    """

    kind: ClassVar[str]
    domains: list[str]
    normaliser: Normaliser

    def predict(self, texts: Sequence[str], top: int = 1) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the `top` most probable domains of each raw text and their probabilities, both (n, top), descending.

        There are fewer columns where the student knows fewer domains.
        """

    def save(self, folder: Path) -> None:
        """Write model.bin and config.json to `folder`, each atomically."""


def load_student(folder: Path) -> Student:
    """Load a student of any kind.

    Raises:
        GemixError: a file is missing, damaged, of another version or does not belong to the other.

    """
    from gemix.student.fasttext_student import FastTextStudent

    config = read_config(folder)
    if config["kind"] != FastTextStudent.kind:
        raise GemixError(f"{folder} holds a student of the unknown kind {config['kind']!r}; update gemix")
    return FastTextStudent.from_files(folder, config)


def student_fingerprint(folder: Path) -> str:
    """Return the SHA-256 of all that decides predictions: the model and how texts are normalised, not the names.

    Raises:
        GemixError: as in `load_student`, as far as the files alone can tell.

    """
    config = read_config(folder)
    parts = [config["kind"], config["normaliser"], len(config["domains"]), config["sha256"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def write_config(folder: Path, student: Student, training: dict[str, Any]) -> None:
    """Write config.json beside the model that is already in `folder`."""
    config = {
        "version": _VERSION,
        "kind": student.kind,
        "domains": student.domains,
        "normaliser": student.normaliser.to_config(),
        "training": training,
        "sha256": _sha256(folder / MODEL),
    }
    write_json(folder / CONFIG, config)


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.json after checking it, and the model's checksum against it.

    Raises:
        GemixError: see `load_student`.

    """
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
    except OSError as error:
        raise GemixError(f"no student in {folder}: cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise GemixError(f"{path} is not a student's configuration: {error}") from error
    if _sha256(folder / MODEL) != config["sha256"]:
        raise GemixError(f"{folder / MODEL} is damaged or not the model that {path} describes; train the student again")
    return config


def _sha256(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
