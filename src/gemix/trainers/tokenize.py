"""`gemix tokenize`: from a labelled corpus to token data by domain, in the layout of a trainer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gemix.corpus.shards import Shard, refuse_overlap
from gemix.labels.labelled import open_labels
from gemix.mix.domain_ids import nearest
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_sha256
from gemix.runtime.map import Launcher
from gemix.tokens.tokenizer import end_of_text, load_tokenizer, vocabulary_size
from gemix.trainers.by_domain import Order, write_by_domain
from gemix.trainers.data_index import DataIndex
from gemix.trainers.layouts import LAYOUTS
from gemix.trainers.needed import ForMixture, Pools
from gemix.trainers.token_coding import TokenCoding


@dataclass(frozen=True)
class TokenizeSettings:
    """What decides the data beside the labelled corpus.

    Attributes:
        layout: one of `LAYOUTS`.
        tokenizer: tokenizer.json of the `tokenizers` library.
        end: its end-of-text token; None: the first that it has of the usual ones.
        held_out: share of the documents that is kept from training, by a hash of their text.
        seed: of the order.
        file_bytes: bytes of text of one file, about; a worker holds the tokens of one in memory.
        only: what part of every domain is taken; None: all.

    """

    layout: str
    tokenizer: Path
    end: str | None = None
    held_out: float = 0.0
    seed: int = 0
    file_bytes: int = 1 << 28
    only: ForMixture | Pools | None = None


def tokenize_corpus(
    shards: Sequence[Shard],
    labels: Path,
    out: Path,
    settings: TokenizeSettings,
    *,
    launcher: Launcher = Launcher(),  # noqa: B008
) -> DataIndex | None:
    """Write the tokens of every labelled document to the folder of its domain, `out`/d0007/.

    Documents stay whole, with the end-of-text token behind each, in an order by hash of seed, shard and row. The files
    depend on documents, labels and settings: not on the launcher or interruptions. Interrupted, the same call goes on;
    finished, it only checks.

    Args:
        shards: The labelled corpus.
        labels: Folder of its sidecars and markers.
        out: Made if it is not there.
        settings: See `TokenizeSettings`.
        launcher: Who does it; a rank does its share of the first pass, a call without one all that is left.

    Returns:
        What is there, as in index.json; None for a rank.

    Raises:
        GemixError: labels missing or outdated, an unknown layout, no end-of-text token, a mixture that is not for this
            corpus, `out` holds other data, or something cannot be read or written.

    """
    if settings.layout not in LAYOUTS:
        hint = nearest(settings.layout, list(LAYOUTS))
        raise GemixError(f"--layout {settings.layout}: not one of {', '.join(LAYOUTS)}{hint}")
    order = Order(settings.seed, settings.held_out, settings.file_bytes)
    order.check()
    tokenizer = load_tokenizer(settings.tokenizer, settings.end)
    vocabulary = vocabulary_size(tokenizer)
    refuse_overlap(shards, [labels], out)
    corpus, layout = open_labels(shards, labels), LAYOUTS[settings.layout]
    if settings.only is not None:
        order = replace(order, shares=tuple(settings.only.shares(corpus, settings.held_out)))
    sha256, dtype = file_sha256(settings.tokenizer), layout.dtype(vocabulary)
    coding = TokenCoding(settings.tokenizer, sha256, settings.end, dtype)
    facts = {"dtype": dtype.name, "vocabulary": vocabulary, "end": end_of_text(tokenizer, settings.end)}
    return write_by_domain(corpus, out, coding, layout, order, launcher, facts)
