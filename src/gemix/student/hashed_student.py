"""The default student: a linear classifier on hashed words."""

from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.buffers import Texts, fixed, text_buffers
from gemix.corpus.window import Window
from gemix.runtime.atomic import atomic_path
from gemix.runtime.compiled import can_compile
from gemix.runtime.errors import GemixError
from gemix.student.base import MODELS, write_config
from gemix.student.characters import PLANE, Characters

# Names what the kernel does with a text: a model made by other rules is refused, not misread.
RULES: Final = "hashed lower-case words; n-grams where words have no spaces"
_MODEL: Final = MODELS["hashed"]
_ROWS: Final = 32767
_CACHE_LINE: Final = 64


class HashedReader(NamedTuple):
    """How a hashed student reads a text (see `gemix.student.base.Reader`).

    Attributes:
        window: what it reads of a text.
        bits: words fall into 2^bits buckets.
        characters: what counts as a letter, and how its case is folded.

    """

    window: Window
    bits: int
    characters: Characters

    def to_config(self) -> dict[str, Any]:
        """Return the JSON part of the description; the tables of characters stand in the model file."""
        return {"rules": RULES, "window": self.window.characters, "bits": self.bits}


class HashedStudent:
    """A softmax over domains of the sum of one row of weights a word (see `gemix.student.base.Student`).

    Logits are scale n^(-3/4) sum_i rows[bucket_i] + bias for the n words of a text.
    """

    kind: ClassVar[str] = "hashed"

    def __init__(
        self,
        rows: NDArray[np.int16],
        bias: NDArray[np.float64],
        scale: float,
        domains: list[str],
        normaliser: HashedReader,
        training: dict[str, Any],
    ) -> None:
        """Keep the weights: rows (2^bits, K) in units of `scale`, bias (K,)."""
        if not can_compile():
            raise GemixError("the hashed student needs numba: pip install numba")
        from gemix.student.hashed_kernel import Reading, Weights

        self.domains = domains
        self.normaliser = normaliser
        self.training = training
        self._weights = Weights(fixed(_aligned(rows)), fixed(bias), float(scale))
        self._reading = Reading.of(normaliser.characters, normaliser.window.characters, normaliser.bits)

    @classmethod
    def quantised(
        cls,
        weights: NDArray[np.float32],
        bias: NDArray[np.float64],
        domains: list[str],
        normaliser: HashedReader,
        training: dict[str, Any],
    ) -> Self:
        """Round float weights (2^bits, K) to int16 in common units, small enough for no sum to overflow 32 bits."""
        words = 2 * normaliser.window.characters + 2  # the most that a window can hold
        scale = float(np.abs(weights).max()) / min(_ROWS, (2**31 - 1) // words) or 1.0
        return cls(np.rint(weights / scale).astype(np.int16), bias, scale, domains, normaliser, training)

    @classmethod
    def from_files(cls, folder: Path, config: dict[str, Any]) -> Self:
        """Load the model of a folder whose `config` has been checked; see `gemix.student.load_student`."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = folder / _MODEL
        window, bits = _read_rules(config["normaliser"], path)
        domains = config["domains"]
        try:
            tensors = load_file(path)
        except (SafetensorError, OSError) as error:
            raise GemixError(f"{path} is not a hashed student: {error}") from error
        shapes = {
            "rows": (np.int16, (1 << bits, len(domains))),
            "bias": (np.float64, (len(domains),)),
            "scale": (np.float64, (1,)),
            "kinds": (np.uint8, (PLANE,)),
            "folds": (np.uint16, (PLANE,)),
        }
        for name, (dtype, shape) in shapes.items():
            if name not in tensors or tensors[name].dtype != dtype or tensors[name].shape != shape:
                raise GemixError(f"{path} is not a hashed student of {len(domains)} domains: {name} does not fit")
        reader = HashedReader(Window(window), bits, Characters(tensors["kinds"], tensors["folds"]))
        scale = float(tensors["scale"][0])
        return cls(tensors["rows"], tensors["bias"], scale, domains, reader, config.get("training", {}))

    def predict(self, texts: Texts, top: int = 1) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return domains and probabilities of raw texts; see `gemix.student.base.Student`."""
        from gemix.student.hashed_kernel import predict

        return predict(text_buffers(texts), self._reading, self._weights, min(top, len(self.domains)))

    def save(self, folder: Path) -> None:
        """Write model.safetensors, then config.json with its checksum."""
        from safetensors.numpy import save

        tensors: dict[str, NDArray[Any]] = {
            "rows": self._weights.rows,
            "bias": self._weights.bias,
            "scale": np.array([self._weights.scale]),
            "kinds": self._reading.kinds,
            "folds": self._reading.folds,
        }
        with atomic_path(folder / _MODEL) as tmp:
            tmp.write_bytes(save(tensors))  # not save_file: a full disk must be an OSError
        write_config(folder, self)


def _aligned(rows: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return a copy that begins with a cache line: then fewer rows lie in one more than they must."""
    room = np.empty(rows.nbytes + _CACHE_LINE, np.uint8)
    start = -room.ctypes.data % _CACHE_LINE
    copy = room[start : start + rows.nbytes].view(np.int16).reshape(rows.shape)
    copy[:] = rows
    return copy


def _read_rules(config: Any, path: Path) -> tuple[int, int]:
    """Return window and bits."""
    try:
        rules, window, bits = config["rules"], config["window"], config["bits"]
    except (KeyError, TypeError) as error:
        raise GemixError(f"{path}: config.json does not say how texts are read: {config!r}") from error
    if rules != RULES:
        raise GemixError(f"{path} reads texts by the rules {rules!r}, this version of gemix by {RULES!r}")
    if not (isinstance(window, int) and window >= 1 and isinstance(bits, int) and 1 <= bits <= 30):
        raise GemixError(f"{path}: config.json has window {window!r} and bits {bits!r}, which cannot be")
    return window, bits
