"""The words of documents, as a hashed student reads them, and what the teacher thinks of each alone."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.window import Window
from gemix.student.characters import fold_letters
from gemix.student.contexts import Contexts

# Each takes the embedder a fraction of a document's time.
MAX_WORDS: Final = 50_000
_LONGEST: Final = 40  # characters; beyond it are hashes and addresses


class Glossary(NamedTuple):
    """Words and the teacher's opinion of them.

    Attributes:
        words: m different words in lower case.
        frequencies: share of the documents that each is in, (m,).
        responsibilities: of the teacher for the word alone, (m, K) float64.
        contexts: the words as they stand in documents, where the embedder can say what it makes of a token.

    """

    words: Sequence[str]
    frequencies: NDArray[np.float64]
    responsibilities: NDArray[np.float64]
    contexts: Contexts | None = None


def frequent_words(
    texts: Sequence[str], window: Window, limit: int = MAX_WORDS
) -> tuple[list[str], NDArray[np.float64]]:
    """Return the words of two or more texts, the most frequent first, and the share of the texts that each is in.

    Runs of scripts without spaces hold no words and are left out.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(fold_letters(window(text)).split()))
    kept = sorted((-n, word) for word, n in counts.items() if n > 1 and len(word) <= _LONGEST)[:limit]
    return [word for _, word in kept], np.array([-n for n, _ in kept], np.float64) / max(len(texts), 1)


def leanings(glossary: Glossary) -> NDArray[np.float32]:
    """Return what a word adds to the logits of a document, up to a common factor, (m, K).

    The teacher's log-odds of the word, log g less its mean over domains and then over words, so that they favour no
    domain; times 1 / (1 + f / 0.05), because a word of half the documents, f = 0.5, says little about any of them
    (smooth inverse frequency, Arora et al. 2017).
    """
    logits = np.log(np.maximum(glossary.responsibilities, 1e-300))
    logits -= logits.mean(axis=1, keepdims=True)
    logits -= logits.mean(axis=0)
    damped: NDArray[Any] = logits / (1.0 + glossary.frequencies / 0.05)[:, None]
    return damped.astype(np.float32)
