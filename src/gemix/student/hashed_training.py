"""From texts and the teacher's responsibilities to a hashed student."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.buffers import Texts, text_buffers
from gemix.corpus.window import Window
from gemix.progress import progress
from gemix.student.characters import characters
from gemix.student.hashed_kernel import Bags, Reading, read_bags
from gemix.student.hashed_kernel_training import State, all_logits, one_epoch
from gemix.student.hashed_student import HashedReader, HashedStudent
from gemix.student.soften import soften
from gemix.student.words import Glossary, leanings

MAX_BITS: Final = 18
MAX_WEIGHTS: Final = 1 << 26  # 128 MB as int16: beyond 256 domains, words share buckets more
_MIN_BITS: Final = 10
# Of the factor that suits the words' leanings best where nothing is learned on top.
_SHARE_OF_LEANINGS: Final = 0.5


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


def train_hashed(
    texts: Texts,
    responsibilities: NDArray[Any],
    validation: NDArray[np.bool_],
    domains: list[str],
    *,
    window: Window,
    seed: int = 0,
    glossary: Glossary | None = None,
    recipe: Recipe | None = None,
) -> HashedStudent:
    """Train a student; the same arguments give the same bytes.

    A first training leaves the validation documents out: they say after how many epochs to stop, and at which
    temperature its probabilities are calibrated. The second, on all documents, takes both from it.

    Args:
        texts: n of them.
        responsibilities: the teacher's, (n, K).
        validation: documents for stopping and calibration, (n,), but not all; all documents serve where there are none.
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
    learned, kept_back = everything[~validation], everything[validation] if validation.any() else everything
    prior = _prior(glossary, bags, targets, learned, reading)
    offsets = _logits(*prior, bags, everything)
    with progress("distill", unit="epochs") as advance:
        trial = _Training(bags, offsets, targets, learned, bits, seed, recipe)
        epochs = trial.until_worse(kept_back, advance)
        temperature = calibrate(trial.logits(kept_back), responsibilities[kept_back])
        del trial  # with K in the hundreds, each holds gigabytes
        final = _Training(bags, offsets, targets, everything, bits, seed, recipe)
        for _ in range(epochs):
            final.epoch()
            advance(1)
    training = recipe._asdict() | {
        "seed": seed,
        "documents": len(targets),
        "words": len(glossary.words) if glossary else 0,
        "epochs": epochs,
        "validation_documents": int(validation.sum()),
        "calibration_temperature": temperature,
    }
    weights, bias = final.state.weights + prior[0], (final.state.bias + prior[1]).astype(np.float64)
    reader = HashedReader(window, bits, table)
    return HashedStudent.quantised(weights / np.float32(temperature), bias / temperature, domains, reader, training)


def _prior(
    glossary: Glossary | None, bags: Bags, targets: NDArray[np.float32], rows: NDArray[np.int64], reading: Reading
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weights (buckets, K) and bias (K,) of a student that knows single words only; zeros without a glossary.

    One factor for all words and the bias are fitted to the targets of the documents `rows`.
    """
    k = targets.shape[1]
    weights, none = np.zeros((1 << reading.bits, k), np.float32), np.zeros(k, np.float32)
    if glossary is None or not glossary.words:
        return weights, none
    # Each word is read as the student reads it. Of two in one bucket the more frequent, which comes first, is kept.
    own = read_bags(text_buffers(glossary.words), reading)
    whole = np.flatnonzero(np.diff(own.ends) == 1)[::-1]
    weights[own.buckets[own.ends[whole]]] = leanings(glossary)[whole]
    factor, bias = _fit_factor(_logits(weights, none, bags, rows).astype(np.float64), targets[rows])
    weights *= np.float32(_SHARE_OF_LEANINGS * factor)
    return weights, bias.astype(np.float32)


def _fit_factor(logits: NDArray[np.float64], targets: NDArray[np.float32]) -> tuple[float, NDArray[np.float64]]:
    """Return a > 0 and b, (K,), for which softmax(a logits + b) has the least cross-entropy to the targets."""
    from scipy.optimize import minimize

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        factor = np.exp(parameters[0])
        z = factor * logits + parameters[1:]
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        totals = p.sum(axis=1, keepdims=True)
        slope = (p / totals - targets) / len(z)
        value = (np.log(totals[:, 0]) - (targets * z).sum(axis=1)).mean()
        return float(value), np.concatenate([[factor * (slope * logits).sum()], slope.sum(axis=0)])

    start = np.zeros(1 + logits.shape[1])
    start[0] = -np.log(max(float(logits.std()), 1e-6))
    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return float(np.exp(found[0])), found[1:]


def _logits(
    weights: NDArray[np.float32], bias: NDArray[np.float32], bags: Bags, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    out = np.empty((len(rows), len(bias)), np.float32)
    all_logits(weights, bias, *bags, rows, out)
    return out


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
        return _logits(self.state.weights, self.state.bias, self.bags, rows) + self.offsets[rows]

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
