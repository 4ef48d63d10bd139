"""The texts of a labelled corpus, each with the domain that its sidecar gives it."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from gemix.corpus.reader import read_batches
from gemix.corpus.shards import Shard
from gemix.labels.labelled import LabelledCorpus, other_row, read_sidecar
from gemix.labels.markers import sidecar_path
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_stat


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
        before = file_stat(shard.path)
        yield from _shard(corpus, shard)
        if file_stat(shard.path) != before:
            raise GemixError(f"{shard.path} changed while it was read; label it again when it is complete")


def _shard(corpus: LabelledCorpus, shard: Shard) -> Iterator[Labelled]:
    sidecar = sidecar_path(corpus.folder, shard.name)
    labels = _labels(corpus, shard)
    keys = corpus.settings
    for batch in read_batches(shard, text_key=keys["text_key"], id_key=keys["id_key"]):
        ids, texts = batch.ids.to_pylist(), batch.texts.to_pylist()
        own = list(islice(labels, len(ids)))
        if len(own) < len(ids):
            raise GemixError(f"{shard.path} has more rows than {sidecar}; label the file again")
        kept: list[int] = []
        for i, (document_id, text, (label_id, domain)) in enumerate(zip(ids, texts, own, strict=True)):
            if document_id != label_id or (text is None) != (domain is None):
                raise other_row(shard, batch.first_row + i, document_id, sidecar, label_id)
            if domain is not None:
                kept.append(i)
        found = [own[i][1] for i in kept]
        yield Labelled([ids[i] for i in kept], [texts[i] for i in kept], found, len(ids) - len(kept))
    if next(labels, None) is not None:
        raise GemixError(f"{shard.path} has fewer rows than {sidecar}; label the file again")


def _labels(corpus: LabelledCorpus, shard: Shard) -> Iterator[tuple[str, int]]:
    for batch in read_sidecar(corpus.folder, shard, ["id", "domain"]):
        yield from zip(batch["id"].to_pylist(), batch["domain"].to_pylist(), strict=True)
