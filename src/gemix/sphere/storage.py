"""Arrays as safetensors beside a JSON file that describes them and holds their checksum and a schema number."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise

SCHEMA: Final = 1  # raised whenever what is written can no longer be read as before


def save_arrays(folder: Path, arrays: dict[str, NDArray[Any]], config: dict[str, Any]) -> None:
    """Write model.safetensors, then config.json with its SHA-256: a pair that does not match is never loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    payload = serialise({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    config = {"schema": SCHEMA} | config | {"sha256": hashlib.sha256(payload).hexdigest()}
    _replace(folder / "model.safetensors", payload)
    _replace(folder / "config.json", (json.dumps(config, indent=2) + "\n").encode())


def load_arrays(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `save_arrays` wrote. Raises ValueError naming the folder when it is missing, damaged or too new."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        _check_schema(config.get("schema"))
        payload = (folder / "model.safetensors").read_bytes()
        if hashlib.sha256(payload).hexdigest() != config["sha256"]:
            raise ValueError("model.safetensors does not match the checksum in config.json")
        return parse(payload), config
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise ValueError(f"no usable model in {folder}: {error}") from error


def _check_schema(found: Any) -> None:
    if not isinstance(found, int):
        raise ValueError("it carries no schema number, as models before this version; fit it anew")
    if found > SCHEMA:
        raise ValueError(f"its schema is {found} and this gemix reads up to {SCHEMA}; use a newer gemix")


def _replace(path: Path, payload: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
