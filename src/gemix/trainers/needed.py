"""Which part of every domain is tokenised: all, what a mixture needs, or the pool of a proxy; all before a document."""

import math
from dataclasses import dataclass
from typing import Final

from gemix.labels.labelled import LabelledCorpus
from gemix.mix.domain_ids import find_domains, shown
from gemix.mix.mixture import Mixture
from gemix.runtime.errors import GemixError

# Tokens are known by estimates, and documents are drawn by a hash: a little more than is needed is taken.
_SPARE: Final = 1.01
_DEVIATIONS: Final = 4.0  # of the number of documents that a hash draws
_SAME: Final = 1 + 1e-6


@dataclass(frozen=True)
class ForMixture:
    """What training needs by a mixture.

    Attributes:
        mixture: token shares; domains by key, number or name.
        budget: tokens that training will see.

    """

    mixture: Mixture
    budget: float

    def shares(self, corpus: LabelledCorpus, held_out: float) -> list[float]:
        """Return the share of the documents of every domain that is taken, K.

        Domain k with weight w_k needs w_k T of the tokens that are not held out, T being what fixed sources leave of
        the budget. One that will be repeated is taken whole, one without weight not at all, any other with 1 % and four
        standard deviations to spare.

        Raises:
            GemixError: the mixture is of another partition, gives weight to what is no domain or has no documents, or
                at this budget repeats a domain more often than it was made for.

        """
        try:
            self.mixture.refuse_other(corpus.identity)
            places = find_domains(self.mixture.keys, corpus.keys, corpus.names)
        except ValueError as error:
            raise GemixError(f"--mixture: {error}") from error
        shares = [0.0] * len(corpus.keys)
        for entry, place in zip(self.mixture.domains, places, strict=True):
            if not entry.weight:
                continue
            title = shown(entry.domain, entry.name)
            if place is None or not corpus.documents[place] or not corpus.tokens[place]:
                what = "is no domain of the labels" if place is None else "has no documents"
                raise GemixError(
                    f"--mixture gives {entry.weight:.3g} to {title}, which {what}: mix again for this corpus"
                )
            weight = entry.weight * self.mixture.free
            shares[place] = self._share(weight, title, corpus.documents[place], corpus.tokens[place], held_out)
        return shares

    def _share(self, weight: float, title: str, documents: int, tokens: int, held_out: float) -> float:
        epochs, limit = weight * self.budget / tokens, self.mixture.provenance.get("max_epochs")
        if isinstance(limit, int | float) and epochs > limit * _SAME:
            raise GemixError(
                f"a budget of {self.budget:,.0f} tokens would repeat {title} {epochs:.2f} times, and the mixture was "
                f"made for {limit:g} at most: mix again for this budget"
            )
        share = epochs / (1 - held_out)
        return min(1.0, share * (_SPARE + _DEVIATIONS / math.sqrt(share * documents)))


@dataclass(frozen=True)
class Pools:
    """What a proxy reads so that it repeats a domain as often as the real training will.

    Attributes:
        tokens: t, that a proxy sees.
        budget: T, of the real training.

    """

    tokens: float
    budget: float

    def shares(self, corpus: LabelledCorpus, held_out: float) -> list[float]:
        """Return t / T for every domain, K.

        Raises:
            GemixError: a proxy sees more than the real training.

        """
        return [pool_share(self.tokens, self.budget)] * len(corpus.keys)


def pool_share(tokens: float, budget: float) -> float:
    """Return t / T.

    Raises:
        GemixError: it is above 1.

    """
    if tokens > budget:
        raise GemixError(
            f"--proxy-tokens {tokens:,.0f} is more than --budget {budget:,.0f}: a proxy is the smaller training"
        )
    return tokens / budget
