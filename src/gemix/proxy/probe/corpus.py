"""The documents of a run as a probe needs them: tokens, what is held out, validation sets that no partition chose."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemix.proxy.probe.partitions import LABEL, Source, make_partition
from gemix.proxy.tokenised import Tokenised, tokenise
from gemix.run.folder import RunFolder
from gemix.runtime.errors import GemixError
from gemix.tokens.held_out import held_out
from gemix.tokens.tokenizer import train_tokenizer

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Corpus:
    """Documents under comparison.

    Attributes:
        tokenised: n documents.
        held_out: (n,) those that no model is trained on, the same for every partition.
        valid: V validation sets: name to (n,), all within `held_out`, none empty.
        source: what partitions are made of.

    """

    tokenised: Tokenised
    held_out: Mask
    valid: dict[str, Mask]
    source: Source

    @property
    def training_tokens(self) -> NDArray[np.int64]:
        """Tokens of every document, (n,), 0 for those that are held out."""
        sizes = np.diff(self.tokenised.ends, prepend=0)
        return np.where(self.held_out, 0, sizes)


def read_corpus(
    run: Path,
    *,
    clusters: int,
    gem: dict[str, Any],
    by_tokens: bool = False,
    vocabulary: int = 8192,
    held_out_fraction: float = 0.1,
    valid_by: str | None = None,
    shards: int = 8,
) -> Corpus:
    """Tokenise the embedded documents of a run: the windows that its teacher read.

    Args:
        run: run folder, embedded.
        clusters: K of the partitions.
        gem: further parameters of `gemix.GEM`.
        by_tokens: the clusterers weigh documents by tokens.
        vocabulary: of the byte-pair encoding, which is trained on the documents that are not held out.
        held_out_fraction: of the documents, by a hash of their texts.
        valid_by: column of human labels; every label is a validation set. None: `shards` random parts.
        shards: how many.

    Raises:
        GemixError: not an embedded run; a column that is not there or has documents without a value; nothing held out.

    """
    paths = RunFolder(run)
    for path in (paths.seed, paths.embeddings / "seed.npy"):
        if not path.exists():
            raise GemixError(f"{path} is not there: `gemix embed` makes it")
    table, embeddings = paths.read_seed()
    texts, ids = table["text"].to_pylist(), table["id"].to_pylist()
    weights = np.maximum(table["tokens"].to_numpy(), 1) if by_tokens else None
    source = Source(np.asarray(embeddings), _columns(table["meta"].to_pylist()), clusters, gem, weights)
    out = held_out(texts, held_out_fraction)
    valid = _by_label(source, valid_by, out) if valid_by else _by_chance(ids, shards, out)
    if not valid:
        raise GemixError(f"none of {len(ids):,} documents is held out: there is nothing to judge by")
    if out.all():
        raise GemixError(f"all of {len(ids):,} documents are held out: there is nothing to train on")
    tokenizer = train_tokenizer((text for text, away in zip(texts, out, strict=True) if not away), vocabulary)
    return Corpus(tokenise(texts, tokenizer), out, valid, source)


def _columns(meta: Sequence[str | None]) -> dict[str, Sequence[str | None]]:
    """Return the columns of the metadata that hold values one can group by."""
    rows = [json.loads(row) if row else {} for row in meta]
    names = sorted({name for row in rows for name, value in row.items() if isinstance(value, str | int)})
    return {name: [None if row.get(name) is None else str(row[name]) for row in rows] for name in names}


def _by_label(source: Source, column: str, out: Mask) -> dict[str, Mask]:
    partition = make_partition(LABEL + column, source, 0)
    masks = {name: out & (partition.labels == k) for k, name in enumerate(partition.domains)}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _by_chance(ids: Sequence[str], shards: int, out: Mask) -> dict[str, Mask]:
    digests = [hashlib.blake2b(name.encode(), digest_size=8, key=b"valid").digest() for name in ids]
    part = np.array([int.from_bytes(digest, "little") % shards for digest in digests])
    masks = {f"part-{k}": out & (part == k) for k in range(shards)}
    return {name: mask for name, mask in masks.items() if mask.any()}
