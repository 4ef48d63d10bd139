"""From the name of an embedder to the embedder."""

from collections.abc import Sequence
from pathlib import Path

from gemix.embed.base import Embedder
from gemix.embed.lsa import LSA
from gemix.embed.minilm import MiniLM
from gemix.embed.precomputed import ShardRows, precomputed
from gemix.embed.sentence_transformer import SentenceTransformerModel
from gemix.runtime.errors import GemixError


def make_embedder(spec: str, *, workers: int = 1, shards: Sequence[ShardRows] = (), seed: int = 0) -> Embedder:
    """Return the embedder that `spec` names.

    Args:
        spec: `minilm` (the same as `minilm:int8`), `minilm:fp32`, `lsa`, `sentence-transformers:NAME_OR_FOLDER`,
            `precomputed:FILE`.
        workers: threads to use.
        shards: the corpus's shards in order, for `precomputed` with a `.npy`.
        seed: seed of `lsa`.

    Raises:
        GemixError: unknown name, missing extra, unusable file or model.

    """
    kind, _, rest = spec.partition(":")
    if spec in ("minilm", "minilm:int8"):
        return MiniLM("int8", workers=workers)
    if spec == "minilm:fp32":
        return MiniLM("fp32", workers=workers)
    if spec == "lsa":
        return LSA(seed=seed)
    if kind == "sentence-transformers" and rest:
        return SentenceTransformerModel(rest, workers=workers)
    if kind == "precomputed" and rest:
        return precomputed(Path(rest).expanduser(), shards)
    raise GemixError(
        f"unknown embedder {spec!r}; there are minilm, minilm:int8, minilm:fp32, lsa, "
        "sentence-transformers:NAME and precomputed:PATH"
    )
