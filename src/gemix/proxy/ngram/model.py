"""Expected log-probabilities of n-grams under models of mixtures.

A mixture w at budget D reads domain k, of T_k tokens, a_k = D w_k / T_k times.

**Part of a domain, a_k < 1.** The documents that are read are a random part of the domain's. With c_k occurrences of an
n-gram in d_k documents, the training text has sum_k a_k c_k of them on average, and one at all with the probability

    s = 1 - prod_k (1 - min(a_k, 1))^d_k.

Losses of models from average counts would be far too low: a rare n-gram that was read has a high probability, and one
that was not has a low one, but the logarithm of the average hides that. So the average is taken of the logarithm, over
the three things that can be: the n-gram was read, only its context h was (with the probability s_h), or neither:

    L(h, v) = s log(lambda r + (1 - lambda) exp L(h', v)) + (s_h - s) (log(1 - lambda) + L(h', v)) + (1 - s_h) L(h', v)

where h' is h without its first token, L is -log(vocabulary) where nothing is left, and

    r = (c / s) / ((n - c) / s_h + c / s),    c = sum_k a_k c_k,    n = sum_k a_k c_k(h),

is the share of v behind h where it was read. Where every domain is read whole or not at all, s and s_h are 0 or 1, and
exp L is exactly the interpolated model of the text that is read.

**More than a domain, a_k > 1.** Text is repeated. Of the n occurrences of a context, only sum_k min(a_k, 1) c_k(h) are
different text, each with the weight max(a_k, 1). Repetition shifts the shares of the domains, but it is no new
evidence. A context that was read is trusted by Kish's effective sample size (1965), the square of the sum of weights
over the sum of their squares,

    e = n^2 / (s_h sum_k a_k max(a_k, 1) c_k(h)),    lambda = e^gamma / (e^gamma + m)    (`gemix.proxy.ngram.smoothing`)

That is n / s_h without repetition, c_k(h) for a domain alone however often it is read, and continuous in between.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gemix.proxy.interface import Floats
from gemix.proxy.ngram import mixture_kernel as kernel
from gemix.proxy.ngram.smoothing import Smoothing

_BLOCK = 4096  # n-grams whose log-probabilities are in memory at a time
_TOGETHER = 64  # mixtures at most in one pass
_MEMORY = 1 << 29  # bytes of tables for them


@dataclass(frozen=True)
class MixtureModel:
    """The counts of n-grams in K domains.

    Attributes:
        grams: the n-grams, contexts first.
        events: their counts by domain.
        followed: counts by domain of the contexts with a token behind; as many rows as there are contexts.
        smoothing: trust in contexts.
        vocabulary: number of token ids.

    """

    grams: kernel.Grams
    events: kernel.Counts
    followed: kernel.Counts
    smoothing: Smoothing
    vocabulary: int

    @property
    def contexts(self) -> int:
        """Number of contexts."""
        return len(self.followed.starts) - 1

    def groups(self, passes: Floats) -> Iterator[tuple[int, Floats]]:
        """Yield (number of the first, passes) of as many mixtures as memory is meant for; `passes` is (K, n)."""
        bytes_each = 8 * len(kernel.Contexts._fields) * self.contexts
        together = int(np.clip(_MEMORY // bytes_each, 1, _TOGETHER))
        for first in range(0, passes.shape[1], together):
            yield first, np.ascontiguousarray(passes[:, first : first + together])

    def reading(self, passes: Floats) -> kernel.Reading:
        """Return what the kernel takes for mixtures that read domains so often, (K, n)."""
        with np.errstate(divide="ignore"):
            missing = np.log1p(-np.minimum(passes, 1))
        return kernel.Reading(passes, passes * np.maximum(passes, 1), missing)

    def blocks(self, passes: Floats) -> Iterator[tuple[int, Floats]]:
        """Yield (number of the first, L) of the longest n-grams, a block (n-grams, n) at a time.

        Args:
            passes: (K, n) how often each of n mixtures reads each domain.

        """
        n = passes.shape[1]
        reading = self.reading(passes)
        contexts = kernel.Contexts(*(np.empty((self.contexts, n)) for _ in kernel.Contexts._fields))
        kernel.fill_contexts(
            self.grams, self.events, self.followed, reading, self.smoothing.strength, self.smoothing.growth,
            1 / self.vocabulary, contexts,
        )  # fmt: skip
        longest = len(self.grams.prefix) - self.contexts
        for first in range(0, longest, _BLOCK):
            logs = np.empty((min(_BLOCK, longest - first), n))
            kernel.fill_longest(self.contexts + first, self.grams, self.events, reading, contexts, logs)
            yield first, logs
