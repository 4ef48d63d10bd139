"""From the texts of a labelled corpus to tokens: of every domain, and of validation sets."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gemix.corpus.bad_rows import BadRows
from gemix.corpus.reader import read_batches
from gemix.corpus.shards import Shard
from gemix.labels.documents import labelled_batches
from gemix.labels.labelled import LabelledCorpus
from gemix.proxy.dataset import token_type
from gemix.proxy.documents import Tokens
from gemix.proxy.streams import TrainStreams, ValidSet
from gemix.proxy.tokenised import below, encode, id_hashes, in_pieces
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import progress
from gemix.tokens.tokenizer import vocabulary_size

_MAX_BAD = 0.01  # share of the rows of a further validation set, as for labelling


class Labelled(NamedTuple):
    """Consecutive documents; whole texts.

    Attributes:
        ids: n ids.
        texts: n texts.
        domains: n numbers of domains.
        unlabelled: rows between them that have no label, and so are left out.

    """

    ids: list[str]
    texts: list[str]
    domains: list[int]
    unlabelled: int


def labelled_texts(corpus: LabelledCorpus) -> Iterator[Labelled]:
    """Yield all documents that have a label, shard by shard, a batch of rows at a time.

    Raises:
        GemixError: a shard cannot be read, changes meanwhile, or has other rows than its sidecar.

    """
    for shard in corpus.shards:
        keys = corpus.settings["text_key"], corpus.settings["id_key"]
        for batch, table in labelled_batches(shard, corpus.folder, *keys):
            good = batch.texts.is_valid()
            ids, texts = batch.ids.filter(good).to_pylist(), batch.good_texts.to_pylist()
            yield Labelled(ids, texts, table["domain"].drop_null().to_pylist(), len(batch) - len(ids))


class Coder:
    """Texts to tokens, and ids to hashes."""

    def __init__(self, tokenizer: Tokenizer, end: int, seed: int) -> None:
        self.kind = token_type(vocabulary_size(tokenizer))
        self._tokenizer = tokenizer
        self._end = end
        self._seed = seed

    def hashes(self, ids: Sequence[str]) -> NDArray[np.uint64]:
        """Return the hash of each id, by which documents are held out."""
        return id_hashes(ids, self._seed)

    def encode(self, texts: Sequence[str]) -> Iterator[Tokens]:
        """Yield the tokens of each text."""
        for piece in in_pieces(texts):
            yield from encode(piece, self._tokenizer, self._end, self.kind)


def read_corpus(
    corpus: LabelledCorpus, coder: Coder, fraction: float, train: TrainStreams, sets: Mapping[str, ValidSet]
) -> int:
    """Read the corpus once: training text to its streams, held-out documents to the sets of their domains.

    Returns:
        The number of rows without a label.

    Raises:
        GemixError: a shard cannot be read or does not fit its sidecar, or a file cannot be written.

    """
    unlabelled = 0
    with progress("tokenise", corpus.rows) as advance:
        for batch in labelled_texts(corpus):
            hashes = coder.hashes(batch.ids)
            held = below(hashes, fraction)
            own = [sets[corpus.keys[domain]] for domain in batch.domains]
            used = [i for i, found in enumerate(own) if not held[i] or found.wants(hashes[i])]
            for i, tokens in zip(used, coder.encode([batch.texts[i] for i in used]), strict=True):
                size = len(batch.texts[i].encode())
                if held[i]:
                    own[i].add(int(hashes[i]), tokens, size)
                else:
                    train.add(batch.domains[i], tokens, size)
            unlabelled += batch.unlabelled
            advance(len(batch.ids) + batch.unlabelled)
    train.flush()
    return unlabelled


def read_target(name: str, files: Sequence[Shard], keys: Mapping[str, str], coder: Coder, found: ValidSet) -> int:
    """Read the documents of a further validation set; return the number of bad rows, which are left out.

    Raises:
        GemixError: a file cannot be read, or more than 1 % of the rows are bad.

    """
    bad = BadRows()
    rows = 0
    with progress(f"tokenise {name}") as advance:
        for shard in files:
            for batch in read_batches(shard, text_key=keys["text_key"], id_key=keys["id_key"]):
                bad.add_batch(shard.path, batch)
                rows += len(batch)
                texts, ids = batch.good_texts.to_pylist(), batch.ids.filter(batch.texts.is_valid()).to_pylist()
                hashes = coder.hashes(ids)
                used = [i for i in range(len(texts)) if found.wants(hashes[i])]
                for i, tokens in zip(used, coder.encode([texts[i] for i in used]), strict=True):
                    found.add(int(hashes[i]), tokens, len(texts[i].encode()))
                advance(len(batch))
    if bad.total > _MAX_BAD * rows:
        raise GemixError(
            f"--valid {name}: {bad.total:,} of {rows:,} rows are bad:\n{bad.describe()}\nRepair or remove them"
        )
    return bad.total
