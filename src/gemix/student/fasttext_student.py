"""The paper's student: a linear classifier on averaged word vectors (fastText, Joulin et al. 2016)."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import fasttext
import numpy as np
from numpy.typing import NDArray

from gemix.corpus.atomic import atomic_path
from gemix.errors import GemixError
from gemix.student.base import MODEL, write_config
from gemix.student.normaliser import Normaliser

_PREFIX: Final = "__label__"
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


class FastTextStudent:
    """A fastText model with its normaliser and the names of its labels (see `gemix.student.base.Student`)."""

    kind: ClassVar[str] = "fasttext"

    def __init__(self, model: Any, domains: list[str], normaliser: Normaliser, training: dict[str, Any]) -> None:
        self.domains = domains
        self.normaliser = normaliser
        self.training = training
        self._model = model
        self._index = {label: int(label.removeprefix(_PREFIX)) for label in model.get_labels()}

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
            GemixError: too few words, or no space for the training file.

        """
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
        normaliser = Normaliser.from_config(config["normaliser"])
        try:
            model = fasttext.load_model(str(folder / MODEL))
            student = cls(model, config["domains"], normaliser, config.get("training", {}))
        except (ValueError, RuntimeError, MemoryError) as error:
            raise GemixError(f"{folder / MODEL} is not a fastText model of domains: {error}") from error
        if not student._index or max(student._index.values()) >= len(student.domains):
            raise GemixError(f"{folder / MODEL} has labels without a name in config.json")
        return student

    def predict(self, texts: Sequence[str], top: int = 1) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return domains and probabilities of raw texts; see `gemix.student.base.Student`."""
        top = min(top, len(self._index))
        if not texts:
            return np.empty((0, top), np.int32), np.empty((0, top), np.float32)
        rows, probabilities = self._model.predict([self.normaliser(text) for text in texts], k=top)
        labels = [[self._index[label] for label in row] for row in rows]
        # fastText adds 1e-5 before it takes a logarithm: probabilities may exceed 1.
        return np.array(labels, np.int32), np.clip(np.array(probabilities, np.float32), 0.0, 1.0)

    def save(self, folder: Path) -> None:
        """Write model.bin, then config.json with its checksum."""
        with atomic_path(folder / MODEL) as tmp:
            self._model.save_model(str(tmp))
        write_config(folder, self, self.training)
