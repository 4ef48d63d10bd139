"""From texts and the teacher's responsibilities to a fastText student."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.window import Window
from gemix.runtime.progress import progress
from gemix.student.fasttext_student import FastTextStudent
from gemix.student.normaliser import Normaliser
from gemix.student.soften import soften

# No domain gives more documents than this many times its equal share: the most typical ones are kept.
QUOTA: Final = 1.5
# Each document is read several times, every time with other words left out and with a label drawn from the teacher's
# softened opinion: worth 5.6 points of agreement on web pages (docs/student.md).
DROPPED_WORDS: Final = 0.6
TEMPERATURE: Final = 5.0
MAX_COPIES: Final = 20
_LINES: Final = 400_000  # copies become fewer when there are more documents than this many lines allow


def train_fasttext(
    texts: Sequence[str],
    responsibilities: NDArray[Any],
    scores: NDArray[np.float64],
    domains: list[str],
    *,
    window: Window,
    seed: int = 0,
) -> FastTextStudent:
    """Train a student; the same arguments give the same bytes.

    Args:
        texts: n of them.
        responsibilities: the teacher's, (n, K).
        scores: influence scores (see `gemix.taxonomy.influence_scores`), (n,): the most typical documents of a domain
            go first.
        domains: K names.
        window: what student and teacher read of a text.
        seed: of the word dropout, the labels drawn, and the model.

    Raises:
        GemixError: too few words, or no space for the training file.

    """
    rows = select_training(responsibilities.argmax(axis=1), scores, len(domains))
    normaliser = Normaliser(window)
    words = [normaliser(texts[row]).split() for row in rows]
    copies = int(np.clip(_LINES // len(rows), 3, MAX_COPIES))
    with progress("distill", total=copies * len(rows), unit="lines") as advance:
        random = np.random.default_rng(seed)
        lines = noisy_copies(words, soften(responsibilities[rows], TEMPERATURE), copies, DROPPED_WORDS, random)
        student = FastTextStudent.train(_counted(lines, advance), domains, normaliser, seed)
    student.training |= {"documents": len(rows), "copies": copies, "dropped_words": DROPPED_WORDS}
    student.training |= {"temperature": TEMPERATURE, "quota": QUOTA}
    return student


def select_training(labels: NDArray[np.intp], scores: NDArray[np.float64], n_domains: int) -> NDArray[np.intp]:
    """Return the rows to learn from, ascending: of every domain the highest scores, at most QUOTA times an equal share.

    Args:
        labels: the teacher's domains, (n,).
        scores: influence scores, (n,).
        n_domains: K.

    """
    quota = int(np.ceil(QUOTA * len(labels) / n_domains))
    chosen = []
    for k in range(n_domains):
        members = np.flatnonzero(labels == k)
        chosen.append(members[np.argsort(-scores[members], kind="stable")[:quota]])
    return np.sort(np.concatenate(chosen))


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
