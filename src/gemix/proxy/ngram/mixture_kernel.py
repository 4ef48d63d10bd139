"""The compiled part of an n-gram model of a mixture: the formulas of `gemix.proxy.ngram.model` in one pass.

Every mixture is a column of its own and no sum runs across columns: how many are computed together changes no bit.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gemix.runtime.compiled import compiled

Floats = NDArray[np.float64]


class Grams(NamedTuple):
    """N-grams: contexts first, each behind its prefix and its suffix; then the longest ones, which are no contexts.

    Attributes:
        prefix: (nodes,) the n-gram without its last token, its context.
        suffix: (nodes,) the n-gram without its first token, which it backs off to.
        lengths: (nodes,) tokens of each.

    """

    prefix: NDArray[np.int32]
    suffix: NDArray[np.int32]
    lengths: NDArray[np.int8]


class Counts(NamedTuple):
    """Counts by n-gram and domain, a sparse matrix by rows: row i has the entries starts[i] to starts[i + 1].

    Attributes:
        starts: (rows + 1,).
        domains: (entries,).
        occurrences: (entries,).
        documents: (entries,) how many documents these are in.

    """

    starts: NDArray[np.int64]
    domains: NDArray[np.int32]
    occurrences: NDArray[np.float32]
    documents: NDArray[np.float32]


class Reading(NamedTuple):
    """How n mixtures read the K domains.

    Attributes:
        passes: (K, n) a, how often.
        squares: (K, n) a x max(a, 1).
        missing: (K, n) log(1 - min(a, 1)), of the chance that a document is not read.

    """

    passes: Floats
    squares: Floats
    missing: Floats


class Contexts(NamedTuple):
    """What is known of each context under each of n mixtures; all (contexts, n).

    Attributes:
        log: mean log-probability of its last token after the others.
        probability: exp(log).
        total: expected occurrences.
        seen: chance that there is one.
        trust: lambda.
        log_rest: log(1 - lambda).

    """

    log: Floats
    probability: Floats
    total: Floats
    seen: Floats
    trust: Floats
    log_rest: Floats


@compiled
def weighted(starts: Any, domains: Any, values: Any, row: int, by: Floats, out: Any) -> None:
    """Set out (n,) to a row of a sparse matrix times by (K, n)."""
    out[:] = 0.0
    for place in range(starts[row], starts[row + 1]):
        factors, value = by[domains[place]], np.float64(values[place])
        for j in range(len(out)):
            out[j] += value * factors[j]


@compiled
def mean_logs(node: int, grams: Grams, counts: Counts, reading: Reading, contexts: Contexts, out: Any) -> None:
    """Set out (n,) to the mean log-probability of an n-gram's last token after the others."""
    context, back = grams.prefix[node], grams.suffix[node]
    total, seen, trust = contexts.total[context], contexts.seen[context], contexts.trust[context]
    log_rest, log_back, back = contexts.log_rest[context], contexts.log[back], contexts.probability[back]
    if counts.starts[node] == counts.starts[node + 1]:
        for j in range(len(out)):
            out[j] = log_back[j] + seen[j] * log_rest[j]
        return
    expected, absent = np.empty(len(out)), np.empty(len(out))
    weighted(counts.starts, counts.domains, counts.occurrences, node, reading.passes, expected)
    weighted(counts.starts, counts.domains, counts.documents, node, reading.missing, absent)
    for j in range(len(out)):
        if expected[j] > 0.0:
            there = -np.expm1(absent[j])
            found = expected[j] / there
            hit = np.log(trust[j] * found / ((total[j] - expected[j]) / seen[j] + found) + (1.0 - trust[j]) * back[j])
            out[j] = there * hit + (1.0 - there) * log_back[j] + (seen[j] - there) * log_rest[j]
        else:
            out[j] = log_back[j] + seen[j] * log_rest[j]


@compiled
def fill_contexts(
    grams: Grams,
    events: Counts,
    followed: Counts,
    reading: Reading,
    strength: Floats,
    growth: Floats,
    uniform: float,
    contexts: Contexts,
) -> None:
    """Work out the contexts, shorter ones first.

    Args:
        grams: all n-grams.
        events: counts of their occurrences.
        followed: counts of the contexts' occurrences with a token behind.
        reading: the mixtures.
        strength: (order,) m by length of the context.
        growth: (order,) gamma by length of the context.
        uniform: probability of a token that nothing is known of.
        contexts: out.

    """
    n = reading.passes.shape[1]
    square, absent = np.empty(n), np.empty(n)
    for node in range(len(contexts.log)):
        log, total = contexts.log[node], contexts.total[node]
        if node:
            mean_logs(node, grams, events, reading, contexts, log)
        else:
            log[:] = np.log(uniform)
        weighted(followed.starts, followed.domains, followed.occurrences, node, reading.passes, total)
        weighted(followed.starts, followed.domains, followed.occurrences, node, reading.squares, square)
        weighted(followed.starts, followed.domains, followed.documents, node, reading.missing, absent)
        m, gamma = strength[grams.lengths[node]], growth[grams.lengths[node]]
        for j in range(n):
            contexts.probability[node, j] = np.exp(log[j])
            if total[j] > 0.0:
                seen = -np.expm1(absent[j])
                evidence = (total[j] / square[j] * total[j] / seen) ** gamma
                contexts.seen[node, j] = seen
                contexts.trust[node, j] = evidence / (evidence + m)
                contexts.log_rest[node, j] = np.log(m / (evidence + m))
            else:
                contexts.seen[node, j] = contexts.trust[node, j] = contexts.log_rest[node, j] = 0.0


@compiled
def fill_longest(first: int, grams: Grams, events: Counts, reading: Reading, contexts: Contexts, out: Floats) -> None:
    """Set out (nodes, n) to the mean log-probabilities of n-grams, from node `first` on."""
    for i in range(len(out)):
        mean_logs(first + i, grams, events, reading, contexts, out[i])


@compiled
def add_losses(
    first: int, logs: Floats, starts: NDArray[np.int64], sets: NDArray[np.int32], shares: Floats, losses: Floats
) -> None:
    """Take the log-probabilities of n-grams times their shares of each validation set off the losses.

    Args:
        first: number of the n-gram in the first row of `logs`, among the longest.
        logs: (n-grams, n).
        starts: (longest n-grams + 1,) where the row of an n-gram begins, of a sparse matrix.
        sets: validation sets of its entries.
        shares: the entries.
        losses: (V, n) in place.

    """
    for i in range(len(logs)):
        for place in range(starts[first + i], starts[first + i + 1]):
            loss, share = losses[sets[place]], shares[place]
            for j in range(len(loss)):
                loss[j] -= share * logs[i, j]
