"""`gemix tokenize`: from a labelled corpus to token data by domain, in the layout of a trainer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gemix.corpus.shards import Shard, refuse_overlap
from gemix.labels.labelled import LabelledCorpus, open_labels
from gemix.mix.domain_ids import nearest
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import file_sha256
from gemix.runtime.map import Launcher
from gemix.tokens.counter import short_fingerprint
from gemix.tokens.tokenizer import end_of_text, load_tokenizer, vocabulary_size
from gemix.trainers.by_domain import Order, write_by_domain
from gemix.trainers.data_index import DataIndex
from gemix.trainers.layouts import LAYOUTS
from gemix.trainers.layouts.base import Layout
from gemix.trainers.needed import ForMixture, Pools
from gemix.trainers.token_coding import TokenCoding
from gemix.trainers.tokenised import GivenTokens, open_tokenised

_SHORT: Final = 2  # bytes of a token of a usual vocabulary


@dataclass(frozen=True)
class TokenizeSettings:
    """What decides the data beside the labelled corpus.

    Attributes:
        layout: one of `LAYOUTS`.
        tokenizer: tokenizer.json of the `tokenizers` library; of tokens that are given, what made them, or None.
        end: its end-of-text token; None: the first that it has of the usual ones.
        held_out: share of the documents that is kept from training, by a hash of their text.
        seed: of the order.
        file_bytes: bytes of text of one file, about; a worker holds the tokens of one in memory.
        only: what part of every domain is taken; None: all.

    """

    layout: str
    tokenizer: Path | None
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
    order, layout = _order(settings), _layout(settings)
    if settings.tokenizer is None:
        raise GemixError("which tokenizer? texts need one: --tokenizer FILE")
    tokenizer = load_tokenizer(settings.tokenizer, settings.end)
    vocabulary = vocabulary_size(tokenizer)
    refuse_overlap(shards, [labels], out)
    corpus = open_labels(shards, labels)
    order = _with_shares(order, settings, corpus)
    sha256, dtype = file_sha256(settings.tokenizer), layout.dtype(vocabulary)
    coding = TokenCoding(settings.tokenizer, sha256, settings.end, dtype)
    facts = {"dtype": dtype.name, "vocabulary": vocabulary, "end": end_of_text(tokenizer, settings.end)}
    return write_by_domain(corpus, out, coding, layout, order, launcher, facts)


def split_tokens(
    shards: Sequence[Shard],
    labels: Path,
    out: Path,
    settings: TokenizeSettings,
    *,
    launcher: Launcher = Launcher(),  # noqa: B008
) -> DataIndex | None:
    """Write the documents of a corpus that is tokenised already to the folder of their domain, `out`/d0007/.

    They are copied token by token. Order, sameness of bytes and resuming are those of `tokenize_corpus`; what is held
    out goes by a hash of the tokens.

    Args:
        shards: As `gemix.trainers.tokenised.token_files` finds them.
        labels: Folder of one label a document, NAME.labels.npy or NAME.parquet a file, and of the table of the domains.
        out: Made if it is not there.
        settings: With a tokenizer the index has its fingerprint, vocabulary and end-of-text token.
        launcher: Who does it.

    Returns:
        As `tokenize_corpus`; bytes are those of the tokens.

    Raises:
        GemixError: as `tokenize_corpus`; tokens that the layout's type cannot hold.

    """
    order, layout = _order(settings), _layout(settings)
    refuse_overlap(shards, [labels], out)
    corpus, kind = open_tokenised(shards, labels)
    order = _with_shares(order, settings, corpus)
    name, vocabulary, end = "", None, None
    if settings.tokenizer is not None:
        tokenizer = load_tokenizer(settings.tokenizer, settings.end)
        vocabulary, end = vocabulary_size(tokenizer), end_of_text(tokenizer, settings.end)
        name = short_fingerprint(file_sha256(settings.tokenizer))
    # The smallest vocabulary that makes the layout's type no narrower than the tokens'.
    dtype = layout.dtype(vocabulary or (1 << 16 if kind.itemsize <= _SHORT else 1 << 31))
    facts = {"dtype": dtype.name, "vocabulary": vocabulary, "end": end}
    return write_by_domain(corpus, out, GivenTokens(name, len(corpus.keys), dtype), layout, order, launcher, facts)


def _order(settings: TokenizeSettings) -> Order:
    order = Order(settings.seed, settings.held_out, settings.file_bytes)
    order.check()
    return order


def _layout(settings: TokenizeSettings) -> Layout:
    if settings.layout not in LAYOUTS:
        hint = nearest(settings.layout, list(LAYOUTS))
        raise GemixError(f"--layout {settings.layout}: not one of {', '.join(LAYOUTS)}{hint}")
    return LAYOUTS[settings.layout]


def _with_shares(order: Order, settings: TokenizeSettings, corpus: LabelledCorpus) -> Order:
    if settings.only is None:
        return order
    return replace(order, shares=tuple(settings.only.shares(corpus, settings.held_out)))
