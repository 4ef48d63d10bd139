"""Tokens of a corpus by domain, and of its validation sets: what all proxies train on and are judged by.

A folder, made by `gemix proxy prepare`:

    data.json             the contract below
    tokenizer.json        of the `tokenizers` library
    train/00000.bin ...   domain by domain: token ids, little-endian uint16 (uint32 where the vocabulary needs it),
    valid/00000.bin ...   documents one after another, each with the end-of-text token behind it
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from gemix.proxy.documents import Tokens, nearest_documents, split_documents
from gemix.runtime.errors import GemixError
from gemix.runtime.records import Record, read_record


class Part(BaseModel):
    """A domain or a validation set: its name and size; `bytes` of UTF-8 text give losses per byte."""

    model_config = ConfigDict(extra="forbid")
    name: str
    documents: int = Field(ge=0)
    tokens: int = Field(ge=0)
    bytes: int = Field(ge=0)


class Contract(Record):
    """data.json."""

    SCHEMA: ClassVar[int] = 2

    vocabulary: int = Field(ge=2, lt=1 << 32)
    end: int = Field(ge=0)
    domains: list[Part]
    valid: list[Part]
    fingerprint: str
    made: dict[str, Any] = Field(default={})

    @classmethod
    def upgraded(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Return data of 0.1, whose domains go by their names."""
        return content


@dataclass(frozen=True)
class ProxyData:
    """Tokens of K domains and V validation sets.

    Attributes:
        vocabulary: Number of token ids.
        end: Id of the end-of-text token; it stands behind every document.
        domains: K parts.
        train: K arrays of token ids, memory-mapped where they come from a folder.
        valid: V parts.
        held_out: V arrays of token ids.
        fingerprint: SHA-256 of all that is above.
        counter: Fingerprint of the tokenizer, as tables of domains have it; None where it is not known.
        partition: Fingerprint of what gave the domains their numbers; None where it is not known.

    """

    vocabulary: int
    end: int
    domains: list[Part]
    train: list[Tokens]
    valid: list[Part]
    held_out: list[Tokens]
    fingerprint: str
    counter: str | None = None
    partition: str | None = None

    @property
    def names(self) -> list[str]:
        """Names of the domains."""
        return [part.name for part in self.domains]

    @property
    def valid_names(self) -> list[str]:
        """Names of the validation sets."""
        return [part.name for part in self.valid]

    def checked_mixtures(self, mixtures: ArrayLike) -> NDArray[np.float64]:
        """Return mixtures of the domains, (n, K), each scaled to sum 1.

        Raises:
            GemixError: another number of weights; in a row a negative one, a sum that is off by more than 1 %, or
                weight on a domain without tokens.

        """
        w = np.array(mixtures, np.float64)
        if w.ndim != 2 or w.shape[1] != len(self.domains):
            raise GemixError(f"a mixture of {len(self.domains)} domains has as many weights: shape {w.shape}")
        total = w.sum(axis=1)
        bad = np.flatnonzero(~(np.isfinite(w).all(axis=1) & (w >= 0).all(axis=1) & (abs(total - 1) <= 0.01)))
        if len(bad):
            raise GemixError(
                f"mixture {bad[0]} is none: weights are at least 0 and add up to 1, not {total[bad[0]]:.4g} "
                f"(smallest {w[bad[0]].min():.4g})"
            )
        for k in np.flatnonzero((w > 0).any(axis=0)).tolist():
            if not len(self.train[k]):
                raise GemixError(f"the domain {self.names[k]!r} has no training text, so no mixture can give it weight")
        return w / total[:, None]

    def cut(self, shares: ArrayLike, seed: int) -> "ProxyData":
        """Return the data with smaller pools: of every domain whole documents at random, up to a share of its tokens.

        A model of few tokens that stands for a training of many repeats a domain as often as that will, where the
        pools are cut by the same factor as the tokens (arXiv 2606.07597).

        Args:
            shares: (K,) of each domain's tokens; 1 and more keeps all of it.
            seed: of the choice.

        """
        if np.all(np.asarray(shares) >= 1):
            return self
        kept = [
            tokens
            if share >= 1 or not len(tokens)
            else nearest_documents(tokens, self.end, share * len(tokens), [seed, k])
            for k, (tokens, share) in enumerate(zip(self.train, np.broadcast_to(shares, len(self.train)), strict=True))
        ]
        domains = [
            part if tokens is whole else _resized(part, tokens, self.end)
            for part, tokens, whole in zip(self.domains, kept, self.train, strict=True)
        ]
        key = f"{self.fingerprint} cut {np.asarray(shares, float).tolist()} {seed}"
        return replace(self, domains=domains, train=kept, fingerprint=hashlib.sha256(key.encode()).hexdigest())

    def judged_by(self, part: int, of: int, pieces: int = 1) -> "ProxyData":
        """Return the data with a part of the validation documents, by a hash of their tokens, perhaps in pieces.

        Args:
            part: which one, from 0.
            of: how many parts there are.
            pieces: that every validation set is divided into, called NAME/0, NAME/1, ...; empty ones are left out.

        Raises:
            GemixError: a validation set has no document in this part.

        """
        sets: list[Part] = []
        texts: list[Tokens] = []
        for own, tokens in zip(self.valid, self.held_out, strict=True):
            documents = split_documents(tokens, self.end)
            hashes = [int.from_bytes(hashlib.blake2b(d.tobytes(), digest_size=8).digest()) for d in documents]
            mine = [(h // of, d) for h, d in zip(hashes, documents, strict=True) if h % of == part]
            if not mine:
                raise GemixError(f"the validation set {own.name!r} has too few documents to be divided: hold out more")
            for piece in range(pieces):
                found = [d for h, d in mine if h % pieces == piece]
                if found:
                    joined: Any = np.concatenate(found)
                    name = own.name if pieces == 1 else f"{own.name}/{piece}"
                    size = round(own.bytes * len(joined) / max(own.tokens, 1))
                    sets.append(Part(name=name, documents=len(found), tokens=len(joined), bytes=size))
                    texts.append(joined)
        key = f"{self.fingerprint} judged by {part} of {of} in {pieces}"
        return replace(self, valid=sets, held_out=texts, fingerprint=hashlib.sha256(key.encode()).hexdigest())


def _resized(part: Part, tokens: Tokens, end: int) -> Part:
    documents = int(np.count_nonzero(tokens == end))
    size = round(part.bytes * len(tokens) / part.tokens)
    return Part(name=part.name, documents=documents, tokens=len(tokens), bytes=size)


def token_type(vocabulary: int) -> np.dtype[Any]:
    """Return the type of token ids in files, little-endian."""
    return np.dtype("<u2" if vocabulary <= 1 << 16 else "<u4")


def part_path(folder: Path, kind: Literal["train", "valid"], number: int) -> Path:
    """Return where the tokens of a domain or a validation set lie."""
    return folder / kind / f"{number:05d}.bin"


def read_data(folder: Path) -> ProxyData:
    """Open a folder of `gemix proxy prepare`; tokens stay on disk.

    Raises:
        GemixError: it is missing, damaged, or a file has another size than data.json says.

    """
    contract = read_record(folder / "data.json", Contract, "the data of proxies")
    kind = token_type(contract.vocabulary)
    arrays: dict[str, list[Tokens]] = {"train": [], "valid": []}
    for where, parts in (("train", contract.domains), ("valid", contract.valid)):
        for number, part in enumerate(parts):
            path = part_path(folder, "train" if where == "train" else "valid", number)
            try:
                size = path.stat().st_size
            except OSError as error:
                raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
            if size != part.tokens * kind.itemsize:
                raise GemixError(
                    f"{path} has {size:,} bytes where data.json promises {part.tokens:,} tokens: prepare it again"
                )
            # An empty file cannot be mapped.
            arrays[where].append(np.memmap(path, kind, "r") if size else np.empty(0, kind))
    return ProxyData(
        contract.vocabulary,
        contract.end,
        contract.domains,
        arrays["train"],
        contract.valid,
        arrays["valid"],
        contract.fingerprint,
        contract.made.get("tokenizer"),
        contract.made.get("partition"),
    )
