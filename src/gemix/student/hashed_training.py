"""From texts and the teacher's responsibilities to a hashed student."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.buffers import Texts, text_buffers
from gemix.corpus.window import Window
from gemix.runtime.progress import progress
from gemix.student.beginning import Beginning
from gemix.student.characters import characters
from gemix.student.hashed_kernel import Bags, Reading, read_bags
from gemix.student.hashed_kernel_training import State, document_logits, one_epoch
from gemix.student.hashed_student import HashedReader, HashedStudent
from gemix.student.soften import soften
from gemix.student.words import Glossary

MAX_BITS: Final = 18
MAX_WEIGHTS: Final = 1 << 26  # 128 MB as int16: beyond 256 domains, words share buckets more
_MIN_BITS: Final = 10


class Recipe(NamedTuple):
    """How a hashed student is trained; the defaults are measured (docs/student.md).

    Attributes:
        temperature: of the softened responsibilities that are the targets.
        rate: AdaGrad's step size.
        decay: L2 penalty of a word's weights per visit.
        max_epochs: passes over the documents at most.
        patience: passes without a better validation loss after which to stop.

    """

    temperature: float = 10.0
    rate: float = 0.5
    decay: float = 1e-4
    max_epochs: int = 40
    patience: int = 3


def bits_for(n_domains: int) -> int:
    """Return log2 of the number of buckets: 18, or as many as keep the weights within 2^26."""
    return max(_MIN_BITS, min(MAX_BITS, (MAX_WEIGHTS // n_domains).bit_length() - 1))


# Long by what its docstring says of the arguments.
def train_hashed(
    texts: Texts,
    responsibilities: NDArray[Any],
    parts: NDArray[Any],
    domains: list[str],
    *,
    window: Window,
    seed: int = 0,
    glossary: Glossary | None = None,
    recipe: Recipe | None = None,
) -> HashedStudent:
    """Train a student; the same arguments give the same bytes.

    A first training leaves part 0 of the documents out, the validation documents: they say after how many epochs to
    stop, and at which temperature its probabilities are calibrated. The second, on all documents, takes both from it.

    Args:
        texts: n of them.
        responsibilities: the teacher's, (n, K).
        parts: of the documents, (n,), see `gemix.student.contexts.parts_of`. Some are not in part 0; where none is, all
            serve for validation.
        domains: K names.
        window: what the student reads of a text.
        seed: of the order of the documents.
        glossary: what the teacher thinks of single words: where the student begins.
        recipe: another than the default.

    """
    recipe = recipe or Recipe()
    k, table = len(domains), characters()
    bits = bits_for(k)
    reading = Reading.of(table, window.characters, bits)
    bags = read_bags(text_buffers(texts), reading)
    targets = soften(responsibilities, recipe.temperature).astype(np.float32)
    everything = np.arange(len(targets))
    learned = everything[parts != 0]
    kept_back = everything[parts == 0] if len(learned) < len(everything) else everything
    beginning = Beginning(glossary, bags, parts, reading, len(domains))
    rest = beginning.parts - {0} or beginning.parts
    beginning.fit(rest, targets)
    with progress("distill", unit="epochs") as advance:
        trial = _Training(bags, beginning.logits(rest), targets, learned, bits, seed, recipe)
        epochs = trial.until_worse(kept_back, advance)
        temperature = calibrate(trial.logits(kept_back), responsibilities[kept_back])
        del trial  # with K in the hundreds, each holds gigabytes
        final = _Training(bags, beginning.logits(beginning.parts), targets, everything, bits, seed, recipe)
        for _ in range(epochs):
            final.epoch()
            advance(1)
    training = recipe._asdict() | {
        "seed": seed,
        "documents": len(targets),
        "words": len(glossary.words) if glossary else 0,
        "epochs": epochs,
        "words_in_context": bool(glossary and glossary.contexts),
        "validation_documents": int((parts == 0).sum()),
        "calibration_temperature": temperature,
    }
    weights = final.state.weights + beginning.weights(beginning.parts)
    bias = (final.state.bias + beginning.bias).astype(np.float64)
    reader = HashedReader(window, bits, table)
    return HashedStudent.quantised(weights / np.float32(temperature), bias / temperature, domains, reader, training)


class _Training:
    """One training on some of the documents."""

    def __init__(
        self,
        bags: Bags,
        offsets: NDArray[np.float32],
        targets: NDArray[np.float32],
        rows: NDArray[np.int64],
        bits: int,
        seed: int,
        recipe: Recipe,
    ) -> None:
        self.bags, self.offsets, self.targets, self.rows, self.recipe = bags, offsets, targets, rows, recipe
        self.random = np.random.default_rng(seed)
        self.state = State.zero(1 << bits, targets.shape[1], 1e-6)

    def epoch(self) -> None:
        order = self.random.permutation(self.rows)
        rate, decay = np.float32(self.recipe.rate), np.float32(self.recipe.decay)
        one_epoch(self.state, *self.bags, self.offsets, self.targets, order, rate, decay)

    def logits(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return document_logits(self.state.weights, self.state.bias, self.bags, rows) + self.offsets[rows]

    def until_worse(self, validation: NDArray[np.int64], advance: Any) -> int:
        """Train until the cross-entropy on `validation` falls no more, restore its best state, return its epoch."""
        best, best_epoch, kept = np.inf, 0, self.state
        for epoch in range(1, self.recipe.max_epochs + 1):
            self.epoch()
            advance(1)
            loss = _cross_entropy(self.logits(validation).astype(np.float64), self.targets[validation])
            if loss < best:
                best, best_epoch = loss, epoch
                kept = State(*(part.copy() for part in self.state))
            elif epoch - best_epoch >= self.recipe.patience:
                break
        self.state = kept
        return best_epoch


def calibrate(logits: NDArray[Any], responsibilities: NDArray[Any]) -> float:
    """Return the T for which softmax(logits / T) has the least cross-entropy to the teacher (Guo et al. 2017).

    Args:
        logits: of documents that the student has not learned from, (n, K).
        responsibilities: the teacher's, (n, K).

    """
    from scipy.optimize import minimize_scalar

    scores = logits.astype(np.float64)
    found = minimize_scalar(
        lambda log_t: _cross_entropy(scores * np.exp(-log_t), responsibilities), bounds=(-6.0, 3.0), method="bounded"
    )
    return float(np.exp(found.x))


def _cross_entropy(logits: NDArray[np.float64], targets: NDArray[Any]) -> float:
    highest = logits.max(axis=1)
    normaliser = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    return float((normaliser - (targets * logits).sum(axis=1)).mean())
