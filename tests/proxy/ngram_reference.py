"""The n-gram model of a mixture, straight from the formulas, with dictionaries and no speed."""

import math
from collections import Counter
from collections.abc import Sequence

END = 0
Documents = list[list[int]]


def grams(document: Sequence[int], order: int) -> list[tuple[tuple[int, ...], int]]:
    """(context, token) for every token, the document's end included; all contexts have order - 1 tokens."""
    tokens = [END] * (order - 1) + [*document, END]
    return [(tuple(tokens[i - order + 1 : i]), tokens[i]) for i in range(order - 1, len(tokens))]


def chance(passes: Sequence[float], documents: Sequence[int]) -> float:
    """1 - prod (1 - min(a, 1))^d, exact for small a."""
    if any(a >= 1 and d for a, d in zip(passes, documents, strict=True)):
        return 1.0
    return -math.expm1(sum(d * math.log1p(-a) for a, d in zip(passes, documents, strict=True) if d))


class Counted:
    """Counts of one domain for contexts of one length."""

    def __init__(self, documents: Documents, order: int) -> None:
        self.events, self.contexts, self.event_documents, self.context_documents = (Counter() for _ in range(4))
        for document in documents:
            found = grams(document, order)
            self.events.update(found)
            self.contexts.update(context for context, _ in found)
            self.event_documents.update(set(found))
            self.context_documents.update({context for context, _ in found})


class Reference:
    """log P(token | context), averaged over what may be read of each domain; or that of average counts."""

    def __init__(
        self,
        domains: list[Documents],
        order: int,
        vocabulary: int,
        strength: list[float],
        growth: list[float],
        average_counts: bool = False,
    ):
        self.order, self.vocabulary, self.strength, self.growth = order, vocabulary, strength, growth
        self.average_counts = average_counts
        self.counted = [[Counted(documents, length) for documents in domains] for length in range(1, order + 1)]

    def log(self, context: tuple[int, ...], token: int, passes: Sequence[float]) -> float:
        length = len(context)
        lower = -math.log(self.vocabulary)
        if length:
            lower = self.log(context[1:], token, passes)
        counted = self.counted[length]
        n = sum(a * d.contexts[context] for a, d in zip(passes, counted, strict=True))
        if n == 0:
            return lower
        c = sum(a * d.events[context, token] for a, d in zip(passes, counted, strict=True))
        squares = sum(a * max(a, 1) * d.contexts[context] for a, d in zip(passes, counted, strict=True))
        seen = chance(passes, [d.context_documents[context] for d in counted])
        there = chance(passes, [d.event_documents[context, token] for d in counted])
        if self.average_counts:
            seen, there = 1.0, float(c > 0)
        evidence = (n / squares * n / seen) ** self.growth[length]
        trust = evidence / (evidence + self.strength[length])
        value = (seen - there) * (math.log(1 - trust) + lower) + (1 - seen) * lower
        if there:
            share = c / there / ((n - c) / seen + c / there)
            value += there * math.log(trust * share + (1 - trust) * math.exp(lower))
        return value

    def loss(self, documents: Documents, passes: Sequence[float]) -> float:
        found = [gram for document in documents for gram in grams(document, self.order)]
        return -sum(self.log(context, token, passes) for context, token in found) / len(found)
