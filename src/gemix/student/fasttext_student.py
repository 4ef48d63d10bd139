"""The paper's student: a linear classifier on averaged word vectors (fastText, Joulin et al. 2016)."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemix.corpus.buffers import Texts, text_buffers, text_list
from gemix.runtime.atomic import atomic_path
from gemix.runtime.compiled import can_compile
from gemix.runtime.errors import GemixError
from gemix.student.base import MODELS, write_config
from gemix.student.normaliser import Normaliser

_PREFIX: Final = "__label__"
_MODEL: Final = MODELS["fasttext"]
# One thread: more would race and no two models would be equal.
_PARAMETERS: Final[dict[str, Any]] = {
    "lr": 1.0,
    "epoch": 1,  # each example is already a variation of its document
    "dim": 64,
    "wordNgrams": 1,
    "minCount": 2,
    "loss": "softmax",
    "thread": 1,
    "seed": 0,
}


def import_fasttext() -> Any:
    """Return the module `fasttext`.

    Raises:
        GemixError: it is not installed.

    """
    from gemix.embed.base import needs

    with needs("fasttext"):
        import fasttext
    return fasttext


class FastTextStudent:
    """A fastText model with its normaliser and the names of its labels (see `gemix.student.base.Student`)."""

    kind: ClassVar[str] = "fasttext"

    def __init__(self, model: Any, domains: list[str], normaliser: Normaliser, training: dict[str, Any]) -> None:
        """Keep a model.

        Args:
            model: as fastText holds it; its labels are the numbers of domains.
            domains: names by label.
            normaliser: what was done to the texts that it learned from.
            training: parameters, for config.json.

        Raises:
            ValueError: a label that is no number.

        """
        self.domains = domains
        self.normaliser = normaliser
        self.training = training
        self._model = model
        # The most frequent first.
        self._numbers = {label: int(label.removeprefix(_PREFIX)) for label in model.get_labels()}

    @classmethod
    def train(
        cls, examples: Iterable[tuple[int, str]], domains: list[str], normaliser: Normaliser, seed: int = 0
    ) -> Self:
        """Train in one pass over the examples; the same input gives the same model, byte for byte.

        Args:
            examples: (domain, what `normaliser` made of a text).
            domains: names by label.
            normaliser: kept with the model.
            seed: of the initial vectors.

        Raises:
            GemixError: fastText is not installed, too few words, or no space for the training file.

        """
        fasttext = import_fasttext()
        parameters = _PARAMETERS | {"seed": seed}
        try:
            with tempfile.TemporaryDirectory(prefix="gemix-") as folder:
                path = Path(folder) / "train.txt"
                with open(path, "w", encoding="utf-8") as file:
                    file.writelines(f"{_PREFIX}{label} {line}\n" for label, line in examples)
                model = fasttext.train_supervised(str(path), verbose=0, **parameters)
        except OSError as error:
            where = error.filename or tempfile.gettempdir()
            raise GemixError(
                f"cannot write the student's training file in {where} (TMPDIR chooses another place): "
                f"{error.strerror or error}"
            ) from error
        except (RuntimeError, ValueError) as error:
            raise GemixError(f"the student cannot be trained on these documents: {error}") from error
        return cls(model, domains, normaliser, parameters)

    @classmethod
    def from_files(cls, folder: Path, config: dict[str, Any]) -> Self:
        """Load the model of a folder whose `config` has been checked; see `gemix.student.load_student`."""
        fasttext = import_fasttext()
        path, domains = folder / _MODEL, config["domains"]
        normaliser = Normaliser.from_config(config["normaliser"])
        try:
            model = fasttext.load_model(str(path))
            student = cls(model, domains, normaliser, config.get("training", {}))
        except (ValueError, RuntimeError, MemoryError) as error:
            raise GemixError(f"{path} is not a fastText model of domains: {error}") from error
        numbers = student._numbers.values()
        if not numbers or min(numbers) < 0 or max(numbers) >= len(domains):
            raise GemixError(f"{path} has labels without a name in config.json")
        return student

    def predict(self, texts: Texts, top: int = 1) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return domains and probabilities of raw texts; see `gemix.student.base.Student`.

        Where fastText says nothing (not one known word) the domains are the most frequent ones, with probability 0.
        """
        lines = self._lines(texts)
        top = min(top, len(self._numbers))
        labels = np.tile(np.array(list(self._numbers.values())[:top], np.int32), (len(lines), 1))
        probabilities = np.zeros(labels.shape, np.float32)
        names, values = self._model.predict(lines, k=top)
        found = np.arange(top) < np.array(list(map(len, names)), int)[:, None]
        labels[found] = [self._numbers[name] for row in names for name in row]
        probabilities[found] = np.concatenate([np.empty(0, np.float32), *values])
        # fastText adds 1e-5 before it takes a logarithm: probabilities may exceed 1.
        return labels, np.clip(probabilities, 0.0, 1.0)

    def _lines(self, texts: Texts) -> list[str]:
        """Return what the normaliser makes of each text."""
        if not can_compile():
            return list(map(self.normaliser, text_list(texts)))
        from gemix.student.normaliser_kernel import normalise_buffers

        offsets, data = normalise_buffers(self.normaliser, text_buffers(texts))
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers).to_pylist()

    def save(self, folder: Path) -> None:
        """Write model.bin, then config.json with its checksum."""
        with atomic_path(folder / _MODEL) as tmp:
            self._model.save_model(str(tmp))
        write_config(folder, self)
