"""Choose the documents of the partial epochs: in the order of their hash until the budget is used up.

The sidecars are read, not the documents. A histogram over 4,096 ranges of the hash says in which range the budget ends;
that range is cut into 4,096 again while it holds too many documents to look at one by one. Then those few are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemix.corpus.shards import Shard
from gemix.labels.labelled import LabelledCorpus, read_sidecar, tokens_of
from gemix.runtime.errors import GemixError
from gemix.runtime.map import Done, Launcher, map_all
from gemix.sample.budget import Budget
from gemix.sample.order import selection_hash

_RANGE_BITS = 12
_RANGES = 1 << _RANGE_BITS
_LEVELS = 64 // _RANGE_BITS
_FEW = 4096  # documents of a domain that are looked at one by one
_SAME_HASH = 1 << 20  # documents with one id that are
_ROWS_A_WORKER = 1 << 20  # read in about as long as a process takes to start


class Selection(msgspec.Struct, frozen=True):
    """The documents of the partial epochs: those whose hash is below their domain's bar, and some by shard and row.

    Attributes:
        bar: by domain; a document with a smaller selection hash is chosen.
        rows: by shard name: documents at or above the bar that are chosen, too, by row (from 0), ascending.
        tokens, documents: how much of each domain is chosen in all.

    """

    bar: dict[int, int]
    rows: dict[str, list[int]]
    tokens: dict[int, int]
    documents: dict[int, int]


def select_documents(corpus: LabelledCorpus, budgets: Sequence[Budget], seed: int, workers: int) -> Selection:
    """Choose, for every domain, documents of together at most `rest` tokens.

    They are taken in the order of their hash; where the next one does not fit, the following `_FEW` or so are searched
    for documents that do. So the sum stays below the budget by less than the shortest of those.

    Memory: two histograms a domain and worker, and `_FEW` documents a domain, whatever the size of the corpus.

    Raises:
        GemixError: a sidecar cannot be read, or more than a million documents of a domain share one id.

    """
    workers = min(workers, 1 + corpus.rows // _ROWS_A_WORKER)
    open_ends = {budget.domain: _Range(budget.rest) for budget in budgets if budget.rest}
    found: dict[int, _Range] = {}
    for level in range(_LEVELS):
        if not open_ends:
            break
        counts = _histograms(corpus, {k: end.low for k, end in open_ends.items()}, level, seed, workers)
        for i, k in enumerate(list(open_ends)):
            if open_ends[k].narrow(counts[0, i], counts[1, i], level):
                found[k] = open_ends.pop(k)
    selection = Selection({k: end.low for k, end in found.items()}, {}, {}, {})
    candidates = _candidates(corpus, found, seed, workers)
    for k, end in found.items():
        budget = next(budget for budget in budgets if budget.domain == k)
        left = end.rest
        taken = 0
        for _, tokens, shard, row in sorted(candidates[k]):
            if tokens <= left:
                selection.rows.setdefault(shard, []).append(row)
                left -= tokens
                taken += 1
        selection.tokens[k] = budget.rest - left
        selection.documents[k] = end.documents + taken
    for rows in selection.rows.values():
        rows.sort()
    return selection


def domain_tokens(corpus: LabelledCorpus, workers: int) -> list[int]:
    """Return the tokens of every domain as the sum of those of its documents, some of which may be estimates.

    Raises:
        GemixError: a sidecar cannot be read.

    """
    if corpus.rates is None:
        return corpus.tokens
    sums = np.zeros(len(corpus.names), np.int64)

    def add(shard: Shard, done: Done) -> None:
        np.add(sums, np.frombuffer(done.marker, np.int64), out=sums)

    _map(partial(_sums, _Labels.of(corpus), len(sums)), corpus, workers, add, "sample: tokens")
    return sums.tolist()


@dataclass(frozen=True)
class _Labels:
    """Where sidecars lie, and the tokens a byte of the domains where not all documents were counted; picklable."""

    folder: Path
    rates: list[float] | None

    @classmethod
    def of(cls, corpus: LabelledCorpus) -> "_Labels":
        return cls(corpus.folder, corpus.rates)


def _sums(labels: _Labels, k: int, shard: Shard, advance: Callable[[int], None]) -> bytes:
    sums = np.zeros(k, np.int64)
    for batch in read_sidecar(labels.folder, shard, ["domain", "bytes", "tokens"]):
        np.add.at(sums, batch["domain"].fill_null(0).to_numpy(), tokens_of(batch, labels.rates))
        advance(batch.num_rows)
    return sums.tobytes()


@dataclass
class _Range:
    """The hashes from `low` on among which a domain's budget ends.

    `rest` is what is left of the budget after all documents below `low`, of which there are `documents`; `last` is the
    last hash that is looked at.
    """

    rest: int
    low: int = 0
    last: int = 0
    documents: int = 0

    def narrow(self, tokens: NDArray[np.int64], documents: NDArray[np.int64], level: int) -> bool:
        """Go to the one of the `_RANGES` parts in which the budget ends; return whether it holds few documents."""
        ends = np.cumsum(tokens)
        part = int(np.searchsorted(ends, self.rest, side="right"))  # the first that does not fit as a whole
        width = 1 << (64 - _RANGE_BITS * (level + 1))
        self.rest -= int(ends[part - 1]) if part else 0
        self.documents += int(documents[:part].sum())
        self.low += part * width
        few = int(np.searchsorted(np.cumsum(documents[part:]), _FEW, side="right"))
        self.last = self.low + max(few, 1) * width - 1
        return few > 0 or level == _LEVELS - 1


@dataclass(frozen=True)
class _Look:
    """Looks at the sidecar of a shard; nothing of it is kept."""

    look: Callable[[Shard, Callable[[int], None]], bytes]

    def standing(self, shard: Shard) -> None:
        return None

    def make(self, shard: Shard, advance: Callable[[int], None]) -> bytes:
        return self.look(shard, advance)


def _map(
    look: Callable[[Shard, Callable[[int], None]], bytes],
    corpus: LabelledCorpus,
    workers: int,
    use: Callable[[Shard, Done], None],
    title: str,
) -> None:
    tasks = {shard: corpus.markers[shard.name].rows for shard in corpus.shards}
    map_all(_Look(look), tasks, Launcher(workers), use, title=title, path=lambda shard: shard.path, unit="documents")


def _histograms(corpus: LabelledCorpus, lows: dict[int, int], level: int, seed: int, workers: int) -> NDArray[np.int64]:
    """Return tokens and documents of each domain in each part of its range, (2, len(lows), _RANGES)."""
    total = np.zeros((2, len(lows), _RANGES), np.int64)

    def add(shard: Shard, done: Done) -> None:
        np.add(total, np.frombuffer(done.marker, np.int64).reshape(total.shape), out=total)

    _map(partial(_histogram, _Labels.of(corpus), lows, level, seed), corpus, workers, add, "sample: count")
    return total


def _histogram(
    labels: _Labels, lows: dict[int, int], level: int, seed: int, shard: Shard, advance: Callable[[int], None]
) -> bytes:
    counts = np.zeros((2, len(lows), _RANGES), np.int64)
    shift = np.uint64(64 - _RANGE_BITS * (level + 1))
    index = {k: i for i, k in enumerate(lows)}
    for part in _scan(labels, shard, set(lows), seed, advance):
        for k in np.unique(part.domains).tolist():
            mine = part.domains == k
            inside = mine & (part.hashes >= np.uint64(lows[k]))
            ranges = (part.hashes[inside] - np.uint64(lows[k])) >> shift
            near = ranges < _RANGES
            at = ranges[near].astype(np.int64)
            np.add.at(counts[0, index[k]], at, part.tokens[inside][near])
            np.add.at(counts[1, index[k]], at, 1)
    return counts.tobytes()


Candidate = tuple[int, int, str, int]  # hash, tokens, shard, row


def _candidates(
    corpus: LabelledCorpus, ranges: dict[int, _Range], seed: int, workers: int
) -> dict[int, list[Candidate]]:
    """Return the documents of each domain in its range."""
    bounds = {k: (end.low, end.last) for k, end in ranges.items()}
    found: dict[int, list[Candidate]] = {k: [] for k in ranges}
    if not ranges:
        return found

    def keep(shard: Shard, done: Done) -> None:
        for k, hashed, tokens, row in np.frombuffer(done.marker, np.uint64).reshape(-1, 4).tolist():
            found[k].append((hashed, tokens, shard.name, row))
            if len(found[k]) > _SAME_HASH:
                raise GemixError(
                    f"more than {_SAME_HASH:,} documents of domain {corpus.names[k]!r} have the same id; "
                    "label the corpus with an --id-key that tells documents apart"
                )

    _map(partial(_collect, _Labels.of(corpus), bounds, seed), corpus, workers, keep, "sample: choose")
    return found


def _collect(
    labels: _Labels, bounds: dict[int, tuple[int, int]], seed: int, shard: Shard, advance: Callable[[int], None]
) -> bytes:
    """Return domain, hash, tokens and row of the documents within the bounds of their domain, each a uint64."""
    kept: list[bytes] = []
    for part in _scan(labels, shard, set(bounds), seed, advance):
        low = np.array([bounds[k][0] for k in part.domains.tolist()], np.uint64)
        last = np.array([bounds[k][1] for k in part.domains.tolist()], np.uint64)
        inside = (part.hashes >= low) & (part.hashes <= last)
        columns = (part.domains, part.hashes, part.tokens, part.rows)
        kept.append(np.stack([column[inside].astype(np.uint64) for column in columns], axis=1).tobytes())
    return b"".join(kept)


@dataclass
class _Part:
    """Rows of a sidecar whose domain is asked for; `rows` counts from 0."""

    domains: NDArray[np.int32] = field(repr=False)
    hashes: NDArray[np.uint64] = field(repr=False)
    tokens: NDArray[np.int64] = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False)


def _scan(
    labels: _Labels, shard: Shard, domains: set[int], seed: int, advance: Callable[[int], None]
) -> Iterator[_Part]:
    compute = selection_hash(seed)
    wanted = np.array(sorted(domains), np.int32)
    start = 0
    for batch in read_sidecar(labels.folder, shard, ["id", "domain", "bytes", "tokens"]):
        found = batch["domain"].fill_null(-1).to_numpy()
        rows = np.flatnonzero(np.isin(found, wanted))
        ids = batch["id"].take(rows).to_pylist()
        hashes = np.fromiter(map(compute, ids), np.uint64, len(ids))
        yield _Part(found[rows], hashes, tokens_of(batch, labels.rates)[rows], rows + start)
        start += batch.num_rows
        advance(batch.num_rows)
