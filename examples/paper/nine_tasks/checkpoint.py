"""Checkpoints: folders in the form of Hugging Face, from which a model is loaded without running code of theirs."""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from nine_tasks.fault import Fault, read_bytes

_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class Checkpoint:
    """What a folder holds.

    Attributes:
        path: The folder.
        model_type: Of config.json.
        end: Token id that ends a text, where config.json names one.
        parameters: Numbers in its tensors.
        weights: Its .safetensors files.

    """

    path: Path
    model_type: str
    end: int | None
    parameters: int
    weights: tuple[Path, ...]

    def fingerprint(self) -> str:
        """Return the blake2b-256 hash, in hex, of the files that decide its answers; reads all of them."""
        digest = hashlib.blake2b(digest_size=32)
        for path in (self.path / "config.json", self.path / "tokenizer.json", *self.weights):
            with open(path, "rb") as file:
                digest.update(f"{path.name} {hashlib.file_digest(file, hashlib.blake2b).hexdigest()}\n".encode())
        return digest.hexdigest()


def read_checkpoint(path: Path) -> Checkpoint:
    """Look at a folder; of the weights only the headers are read.

    Raises:
        Fault: it is no checkpoint: a file is missing or damaged, or its weights are a pickle.

    """
    if not path.is_dir():
        raise Fault(f"{path} is not a checkpoint: there is no such folder")
    for name in ("config.json", "tokenizer.json"):
        if not (path / name).exists():
            raise Fault(f"{path} is not a checkpoint: it has no {name}")
    config = _json(path / "config.json")
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise Fault(f"{path / 'config.json'} names no model_type")
    end = config.get("eos_token_id")
    end = end[0] if isinstance(end, list) and end else end
    weights = _weights(path)
    return Checkpoint(path, model_type, end if isinstance(end, int) else None, sum(map(_numbers, weights)), weights)


def _weights(path: Path) -> tuple[Path, ...]:
    if (path / "model.safetensors").exists():
        return (path / "model.safetensors",)
    if not (path / _INDEX).exists():
        pickles = sorted(path.glob("*.bin")) + sorted(path.glob("*.pt"))
        more = f"; {pickles[0].name} may be a pickle, which can run code: save it as safetensors" if pickles else ""
        raise Fault(f"{path} is not a checkpoint: it has no model.safetensors{more}")
    shards = _json(path / _INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise Fault(f"{path / _INDEX} has no weight_map")
    names = sorted({str(name) for name in shards.values()})
    for name in names:
        if Path(name).name != name or not (path / name).exists():
            raise Fault(f"{path} is not a whole checkpoint: {name} is missing")
    return tuple(path / name for name in names)


def _numbers(weights: Path) -> int:
    try:
        with safe_open(weights, "np") as tensors:
            return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise Fault(f"{weights} is damaged: {error}") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_bytes(path))
    except ValueError as error:
        raise Fault(f"{path} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise Fault(f"{path} is damaged: not an object")
    return value
