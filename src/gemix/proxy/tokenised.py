"""Documents as tokens, and any partition of them as the data of proxies."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from tokenizers import Tokenizer

from gemix.proxy.dataset import Part, ProxyData, token_type
from gemix.proxy.documents import Tokens
from gemix.runtime.errors import GemixError
from gemix.runtime.groups import sized_groups
from gemix.tokens.pieces import pieces
from gemix.tokens.tokenizer import end_of_text, vocabulary_size

_PIECE = 1 << 21  # characters given to the tokenizer at a time


@dataclass(frozen=True)
class Tokenised:
    """Tokens of n documents, one document after another, each with the end-of-text token behind it.

    Attributes:
        tokens: (tokens,) uint16, or uint32 where the vocabulary needs it.
        ends: (n,) int64, where each document ends, exclusive.
        bytes: (n,) int64, UTF-8 bytes of each text.
        vocabulary: number of token ids.
        end: id of the end-of-text token.

    """

    tokens: Tokens
    ends: NDArray[np.int64]
    bytes: NDArray[np.int64]
    vocabulary: int
    end: int

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.ends)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each document, its end-of-text token included, (n,) int64."""
        return np.diff(self.ends, prepend=0)


def tokenise(texts: Iterable[str], tokenizer: Tokenizer, end: int | None = None) -> Tokenised:
    """Return the tokens of texts; the tokenizer uses all cores, the result is the same with any number.

    Args:
        texts: whole texts.
        tokenizer: see `gemix.tokens.tokenizer`.
        end: id of its end-of-text token; None: the usual one.

    Raises:
        GemixError: the tokenizer fails on a text, or makes an end-of-text token inside of one.

    """
    end = end_of_text(tokenizer) if end is None else end
    vocabulary = vocabulary_size(tokenizer)
    kind = token_type(vocabulary)
    pieces: list[Any] = []
    lengths: list[int] = []
    sizes: list[int] = []
    for piece in in_pieces(texts):
        sizes += [len(text.encode()) for text in piece]
        documents = encode(piece, tokenizer, end, kind)
        lengths += map(len, documents)
        pieces.append(np.concatenate(documents))
    tokens: Any = np.concatenate(pieces) if pieces else np.empty(0, kind)
    return Tokenised(tokens, np.cumsum(lengths, dtype=np.int64), np.array(sizes, np.int64), vocabulary, end)


def encode(texts: Sequence[str], tokenizer: Tokenizer, end: int, kind: np.dtype[Any]) -> list[Tokens]:
    """Return the tokens of each text with `end` behind them, as arrays of type `kind`.

    The tokenizer is given a long text piece by piece, see `gemix.tokens.pieces`, as where tokens are counted.

    Raises:
        GemixError: the tokenizer fails on a text, or makes an end-of-text token inside of one.

    """
    parts = [(i, piece) for i, text in enumerate(texts) for piece in pieces(text)]
    found: list[list[Any]] = [[] for _ in texts]
    done = 0
    for group in sized_groups([piece for _, piece in parts], _PIECE):
        try:
            encodings = tokenizer.encode_batch_fast(group, add_special_tokens=False)
        except Exception as error:  # the library raises plain Exception
            raise GemixError(f"the tokenizer fails: {error}") from error
        for (i, piece), encoding in zip(parts[done : done + len(group)], encodings, strict=True):
            ids = np.array(encoding.ids, kind)
            if (ids == end).any():
                raise GemixError(
                    f"the tokenizer makes the end-of-text token {tokenizer.id_to_token(end)!r} inside of the text that "
                    f"begins {piece[:60]!r}: load it with gemix.tokens.tokenizer.load_tokenizer"
                )
            found[i].append(ids)
        done += len(group)
    last = np.array([end], kind)
    return [np.concatenate([*of_one, last]) for of_one in found]


def divide(
    tokenised: Tokenised,
    labels: ArrayLike,
    names: Sequence[str],
    held_out: ArrayLike,
    valid: dict[str, NDArray[np.bool_]],
) -> ProxyData:
    """Return the data of a partition of documents that are in memory.

    A domain's training text are its documents that are not held out, in their order; a validation set are the held-out
    documents under its mask. A domain may be empty: proxies refuse mixtures that give it weight.

    Args:
        tokenised: n documents.
        labels: (n,) int, the number of each document's domain; -1: none.
        names: K names of domains.
        held_out: (n,) bool, the documents that nothing is trained on.
        valid: masks (n,) bool by the name of their validation set.

    Raises:
        GemixError: labels, masks or names do not fit, or a validation set is empty.

    """
    n = len(tokenised)
    domain, held = np.asarray(labels), np.asarray(held_out)
    for what, array in {"labels": domain, "held_out": held, **valid}.items():
        if array.shape != (n,):
            raise GemixError(f"{what}: shape {array.shape}, but there are {n:,} documents")
    if n and (domain.dtype.kind not in "iu" or domain.min() < -1 or domain.max() >= len(names)):
        raise GemixError(f"labels are whole numbers from -1 to {len(names) - 1}, for the {len(names)} names")
    if len(set(names)) < len(names):
        raise GemixError("two domains have one name")
    domains, train = _take(tokenised, {name: (domain == k) & ~held for k, name in enumerate(names)})
    sets, texts = _take(tokenised, {name: np.asarray(mask, np.bool_) & held for name, mask in valid.items()})
    for part in sets:
        if not part.tokens:
            raise GemixError(f"no held-out document in the validation set {part.name!r}: hold out more")
    hashes = [tokens_hash(tokens) for tokens in [*train, *texts]]
    key = fingerprint(tokenised.vocabulary, tokenised.end, domains, sets, hashes)
    return ProxyData(tokenised.vocabulary, tokenised.end, domains, train, sets, texts, key)


def _take(tokenised: Tokenised, masks: dict[str, NDArray[np.bool_]]) -> tuple[list[Part], list[Tokens]]:
    lengths = tokenised.lengths
    parts: list[Part] = []
    tokens: list[Tokens] = []
    for name, mask in masks.items():
        found = tokenised.tokens[np.repeat(mask, lengths)]
        documents, size = int(mask.sum()), int(tokenised.bytes[mask].sum())
        parts.append(Part(name=name, documents=documents, tokens=len(found), bytes=size))
        tokens.append(found)
    return parts, tokens


def tokens_hash(tokens: Tokens) -> str:
    """Return the SHA-256 of token ids as they lie in a file."""
    kind = tokens.dtype.newbyteorder("<")
    return hashlib.sha256(np.ascontiguousarray(tokens, kind).data).hexdigest()


def fingerprint(vocabulary: int, end: int, domains: list[Part], valid: list[Part], hashes: Sequence[str]) -> str:
    """Return the SHA-256 of all that `ProxyData` holds.

    Args:
        vocabulary: number of token ids.
        end: id of the end-of-text token.
        domains: K parts.
        valid: V parts.
        hashes: K + V, `tokens_hash` of each part.

    """
    parts = [[part.name, part.documents, part.tokens, part.bytes] for part in [*domains, *valid]]
    content = [vocabulary, end, len(domains), parts, list(hashes)]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def in_pieces(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts in groups of bounded length, for `encode`: a tokenizer needs some hundred bytes a token."""
    piece: list[str] = []
    size = 0
    for text in texts:
        piece.append(text)
        size += len(text)
        if size >= _PIECE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
