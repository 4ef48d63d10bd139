"""Words in their contexts: what the teacher's model makes of each, on average over the places where it stands."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.window import Window
from gemix.runtime.progress import progress
from gemix.student.characters import fold_letters
from gemix.student.evaluate import held_out, id_hashes

MAX_DOCUMENTS: Final = 2_500  # more change nothing that could be measured, and each takes as long as to embed it
_PARTS: Final = 5
_SHRINKAGE: Final = 0.5  # tokens without a meaning that each word has besides its own
_WORD: Final = re.compile(r"\S+")


class Contexts(NamedTuple):
    """The vectors of the tokens of m words, added up over each part of the documents by itself.

    What is learned from a document must not be what that document said: it is shown the words as the other parts
    have them.

    Attributes:
        sums: (parts, m, d) float32.
        counts: tokens, (parts, m) int64.
        directions: kappa_k mu_k of the teacher, (K, d).

    """

    sums: NDArray[np.float32]
    counts: NDArray[np.int64]
    directions: NDArray[Any]

    def leanings(self, parts: Sequence[int]) -> NDArray[np.float32]:
        """Return what each word adds to the logits of a document, up to a common factor, (m, K).

        The vector of a text is the mean of those of its tokens, and its logits are linear in it. So a word adds the
        products of its tokens' mean, less the mean of all tokens, with the directions, less their mean.

        Args:
            parts: of the documents, to take the words from.

        """
        sums = self.sums[list(parts)].sum(axis=0)
        counts = self.counts[list(parts)].sum(axis=0)
        sums -= counts[:, None].astype(np.float32) * (sums.sum(axis=0) / np.float32(max(counts.sum(), 1)))
        towards = (self.directions - self.directions.mean(axis=0)).astype(np.float32)
        leanings: NDArray[np.float32] = sums @ towards.T
        leanings /= (counts + _SHRINKAGE)[:, None].astype(np.float32)
        return leanings


def parts_of(ids: Sequence[str]) -> NDArray[np.int8]:
    """Return the part of each document, (n,): 0 for the validation documents, else 1 to 4, by a hash of the id."""
    parts = (1 + id_hashes(ids, "part") % (_PARTS - 1)).astype(np.int8)
    parts[held_out(ids, purpose="validation")] = 0
    return parts


def read_contexts(
    ids: Sequence[str],
    texts: Sequence[str],
    words: Sequence[str],
    window: Window,
    embed_tokens: Callable[[Sequence[str]], Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]]],
    directions: NDArray[Any],
) -> Contexts:
    """Return the words as they stand in the documents, of which at most 2,500 are read: the first by a hash of the id.

    Args:
        ids: n of them.
        texts: n of them.
        words: m of them, in lower case (see `frequent_words`).
        window: what the student reads of a text.
        embed_tokens: yields for each text the character at which each token begins and the token's vector.
        directions: kappa_k mu_k of the teacher, (K, d).

    """
    parts = parts_of(ids)
    chosen = np.argsort(id_hashes(ids, ""), kind="stable")[:MAX_DOCUMENTS].tolist()
    shown = [window(texts[i]) for i in chosen]
    index = {word: i for i, word in enumerate(words)}
    counts = np.zeros((_PARTS, len(words)), np.int64)
    sums: NDArray[np.float32] | None = None
    with progress("words in context", len(chosen)) as advance:
        for i, text, (starts, vectors) in zip(chosen, shown, embed_tokens(shown), strict=True):
            if sums is None:
                sums = np.zeros((_PARTS, len(words), vectors.shape[1]), np.float32)
            place = np.full(len(text), -1)
            for found in _WORD.finditer(fold_letters(text)):
                place[found.start() : found.end()] = index.get(found.group(), -1)
            known = place[starts]
            np.add.at(sums[parts[i]], known[known >= 0], vectors[known >= 0])
            np.add.at(counts[parts[i]], known[known >= 0], 1)
            advance(1)
    assert sums is not None, "there are words, so there are documents"
    return Contexts(sums, counts, directions)
