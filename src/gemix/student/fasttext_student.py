"""The paper's student: a linear classifier on averaged word vectors (fastText, Joulin et al. 2016)."""

import logging
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.buffers import Texts, text_buffers, text_list
from gemix.runtime.atomic import atomic_path
from gemix.runtime.compiled import can_compile
from gemix.runtime.errors import GemixError
from gemix.student.base import MODELS, write_config
from gemix.student.normaliser import Normaliser

if TYPE_CHECKING:
    from gemix.student.fasttext_kernel import FastTextKernel

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


class FastTextStudent:
    """A fastText model with its normaliser and the names of its labels (see `gemix.student.base.Student`)."""

    kind: ClassVar[str] = "fasttext"

    def __init__(
        self, model: Path, domains: list[str], normaliser: Normaliser, training: dict[str, Any], *, trained: Any = None
    ) -> None:
        """Load a model.

        Args:
            model: the .bin file.
            domains: names by label.
            normaliser: what was done to the texts that it learned from.
            training: parameters, for config.json.
            trained: the model as fastText holds it, if the file does not stay.

        Raises:
            GemixError: the file is missing, no fastText model, or one with labels that are no numbers.

        """
        self.domains = domains
        self.normaliser = normaliser
        self.training = training
        self._file = model
        self._trained = trained
        self._model = _load(model)
        try:
            self._numbers = np.array([int(label.removeprefix(_PREFIX)) for label in self._model.labels], np.int32)
        except ValueError as error:
            raise GemixError(f"{model} is not a fastText model of domains: {error}") from error

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
        import fasttext

        try:
            with tempfile.TemporaryDirectory(prefix="gemix-") as folder:
                path = Path(folder) / "train.txt"
                with open(path, "w", encoding="utf-8") as file:
                    file.writelines(f"{_PREFIX}{label} {line}\n" for label, line in examples)
                model = fasttext.train_supervised(str(path), verbose=0, **parameters)
                path.unlink()
                model.save_model(str(path))
                return cls(path, domains, normaliser, parameters, trained=model)
        except OSError as error:
            where = error.filename or tempfile.gettempdir()
            raise GemixError(
                f"cannot write the student's training file in {where} (TMPDIR chooses another place): "
                f"{error.strerror or error}"
            ) from error
        except (RuntimeError, ValueError) as error:
            raise GemixError(f"the student cannot be trained on these documents: {error}") from error

    @classmethod
    def from_files(cls, folder: Path, config: dict[str, Any]) -> Self:
        """Load the model of a folder whose `config` has been checked; see `gemix.student.load_student`."""
        normaliser = Normaliser.from_config(config["normaliser"])
        student = cls(folder / _MODEL, config["domains"], normaliser, config.get("training", {}))
        numbers = student._numbers
        if not len(numbers) or min(numbers) < 0 or max(numbers) >= len(student.domains):
            raise GemixError(f"{folder / _MODEL} has labels without a name in config.json")
        return student

    def predict(self, texts: Texts, top: int = 1) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return domains and probabilities of raw texts; see `gemix.student.base.Student`.

        Where fastText says nothing (not one known word) the domains are the most frequent ones, with probability 0.
        """
        if isinstance(self._model, FastTextBinding):
            lines: Any = list(map(self.normaliser, text_list(texts)))
        else:
            from gemix.student.normaliser_kernel import normalise_buffers

            lines = normalise_buffers(self.normaliser, text_buffers(texts))
        labels, probabilities = self._model.predict(lines, top)
        labels = np.where(labels < 0, np.arange(labels.shape[1]), labels)  # fastText sorts labels by frequency
        # fastText adds 1e-5 before it takes a logarithm: probabilities may exceed 1.
        return self._numbers[labels], np.clip(probabilities, 0.0, 1.0)

    def save(self, folder: Path) -> None:
        """Write model.bin, then config.json with its checksum."""
        with atomic_path(folder / _MODEL) as tmp:
            if self._trained is not None:
                self._trained.save_model(str(tmp))
            else:
                shutil.copyfile(self._file, tmp)
        write_config(folder, self)


class FastTextBinding:
    """A model that fastText itself runs: where no kernel can be compiled, or for files that are not read here.

    Attributes:
        labels: K names with their prefix, the most frequent first.

    """

    def __init__(self, path: Path) -> None:
        import fasttext

        try:
            self._model = fasttext.load_model(str(path))
        except (ValueError, RuntimeError, MemoryError) as error:
            raise GemixError(f"{path} is not a fastText model: {error}") from error
        self.labels: list[str] = self._model.get_labels()
        self._index = {label: i for i, label in enumerate(self.labels)}

    def predict(self, lines: list[str], top: int = 1) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the `top` most probable labels and their probabilities; see `FastTextKernel.predict`."""
        shape = (len(lines), min(top, len(self.labels)))
        labels, probabilities = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
        for i, (names, values) in enumerate(zip(*self._model.predict(lines, k=shape[1]), strict=True)):
            labels[i, : len(names)] = [self._index[name] for name in names]
            probabilities[i, : len(names)] = values
        return labels, probabilities


def _load(path: Path) -> "FastTextBinding | FastTextKernel":
    if not can_compile():
        return FastTextBinding(path)
    from gemix.student.fasttext_file import UnsupportedModelError
    from gemix.student.fasttext_kernel import FastTextKernel

    try:
        return FastTextKernel.read(path)
    except UnsupportedModelError as error:
        logging.getLogger(__name__).warning("fastText itself predicts, which takes longer: %s", error)
        return FastTextBinding(path)
