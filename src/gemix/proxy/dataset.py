"""Tokens of a corpus by domain, and of its validation sets: what all proxies train on and are judged by.

A folder, made by `gemix proxy prepare`:

    data.json             the contract below
    tokenizer.json        of the `tokenizers` library
    train/00000.bin ...   domain by domain: token ids, little-endian uint16 (uint32 where the vocabulary needs it),
    valid/00000.bin ...   documents one after another, each with the end-of-text token behind it
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from gemix.runtime.errors import GemixError
from gemix.runtime.records import Record, read_record

Tokens = NDArray[np.uint16] | NDArray[np.uint32]


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

    """

    vocabulary: int
    end: int
    domains: list[Part]
    train: list[Tokens]
    valid: list[Part]
    held_out: list[Tokens]
    fingerprint: str

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
    )
