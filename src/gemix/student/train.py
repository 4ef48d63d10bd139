"""From the teacher's opinion of the seed documents to a student."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemix.corpus.atomic import write_json
from gemix.corpus.window import Window
from gemix.errors import GemixError
from gemix.progress import progress
from gemix.student.evaluate import Evaluation, evaluate, held_out
from gemix.student.fasttext_student import FastTextStudent
from gemix.student.normaliser import Normaliser

# No domain gives more documents than this many times its equal share: the most typical ones are kept.
QUOTA: Final = 1.5
# Each document is read several times, every time with other words left out and with a label drawn from the teacher's
# softened opinion: worth 5.6 points of agreement on web pages (docs/student.md).
DROPPED_WORDS: Final = 0.6
TEMPERATURE: Final = 5.0
MAX_COPIES: Final = 20
_LINES: Final = 400_000  # copies become fewer when there are more documents than this many lines allow


def train_student(
    documents: pa.Table,
    responsibilities: NDArray[Any],
    scores: NDArray[np.float64],
    domains: list[str],
    folder: Path,
    *,
    window: Window,
    seed: int = 0,
) -> Evaluation:
    """Train a student on nine tenths of the documents, measure it on the others, and write it to `folder`.

    The student that is written is the one that was measured. Files: model.bin, config.json, evaluation.json.

    Args:
        documents: n rows with id and text (strings); the text is what the teacher read.
        responsibilities: the teacher's, (n, K).
        scores: influence scores (see `gemix.taxonomy.influence_scores`), (n,): the most typical documents of a domain
            go first.
        domains: K names.
        folder: made if it is not there.
        window: what student and teacher read of a text.
        seed: of the word dropout, the labels drawn, and the model.

    Raises:
        GemixError: fewer than two documents, or a folder that cannot be written.

    """
    texts, ids = documents["text"].to_pylist(), documents["id"].to_pylist()
    if len(set(ids)) < 2:
        raise GemixError("a student needs at least two documents: one to learn from and one to be measured on")
    test = held_out(ids)
    labels = responsibilities.argmax(axis=1)
    rows = select_training(labels, scores, np.flatnonzero(~test), len(domains))
    normaliser = Normaliser(window)
    words = [normaliser(texts[row]).split() for row in rows]
    copies = int(np.clip(_LINES // len(rows), 3, MAX_COPIES))
    with progress("distill", total=copies * len(rows), unit="lines") as advance:
        random = np.random.default_rng(seed)
        lines = noisy_copies(words, soften(responsibilities[rows]), copies, DROPPED_WORDS, random)
        student = FastTextStudent.train(_counted(lines, advance), domains, normaliser, seed)
    student.training |= {"documents": len(rows), "copies": copies, "dropped_words": DROPPED_WORDS}
    student.training |= {"temperature": TEMPERATURE, "quota": QUOTA}
    evaluation = evaluate(student, [texts[i] for i in np.flatnonzero(test)], responsibilities[test], len(rows))
    student.save(folder)
    write_json(folder / "evaluation.json", evaluation.model_dump())
    return evaluation


def select_training(
    labels: NDArray[np.intp], scores: NDArray[np.float64], rows: NDArray[np.intp], n_domains: int
) -> NDArray[np.intp]:
    """Return the rows to learn from, ascending: of every domain the highest scores, at most QUOTA times an equal share.

    Args:
        labels: the teacher's domains, (n,).
        scores: influence scores, (n,).
        rows: candidates.
        n_domains: K.

    """
    quota = int(np.ceil(QUOTA * len(rows) / n_domains))
    chosen = []
    for k in range(n_domains):
        members = rows[labels[rows] == k]
        chosen.append(members[np.argsort(-scores[members], kind="stable")[:quota]])
    return np.sort(np.concatenate(chosen))


def soften(responsibilities: NDArray[Any]) -> NDArray[np.float64]:
    """Return softmax(log g / TEMPERATURE), (n, K): nearly certain opinions become graded ones (Hinton et al. 2015)."""
    logits = np.log(np.maximum(responsibilities.astype(np.float64), 1e-38)) / TEMPERATURE
    logits -= logits.max(axis=1, keepdims=True)
    soft = np.exp(logits)
    return soft / soft.sum(axis=1, keepdims=True)


def noisy_copies(
    words: Sequence[list[str]],
    opinions: NDArray[np.float64],
    copies: int,
    dropped: float,
    random: np.random.Generator,
) -> Iterator[tuple[int, str]]:
    """Yield (label, line) for every document `copies` times, in a new order each time.

    Args:
        words: of each document, n lists.
        opinions: probabilities from which a copy's label is drawn, (n, K).
        copies: passes over the documents.
        dropped: probability of leaving a word out.
        random: source of orders, labels and drops.

    """
    bars = opinions.cumsum(axis=1)
    for _ in range(copies):
        for row in random.permutation(len(words)):
            label = min(int(np.searchsorted(bars[row], random.random() * bars[row, -1])), bars.shape[1] - 1)
            kept = random.random(len(words[row])) >= dropped
            yield label, " ".join(word for word, keep in zip(words[row], kept, strict=True) if keep)


def _counted(lines: Iterator[tuple[int, str]], advance: Callable[[float], None]) -> Iterator[tuple[int, str]]:
    for line in lines:
        yield line
        advance(1)
