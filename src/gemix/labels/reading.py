"""How the documents of a corpus are read and counted while they are labelled."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from gemix.corpus.shards import Shard
from gemix.runtime.errors import GemixError
from gemix.runtime.storage import is_file
from gemix.tokens.choose import FILE_NAME
from gemix.tokens.counter import TokenCounter

# One document in so many is counted, at most a tenth of labelling's time: a BPE reads 1 MB a second, labelling 100.
# Measured in turns on 122 MB of web pages, CPU time with over without: 1 of 512 takes 1.14 (jsonl.zst) and 1.19 times
# (Parquet), so this adds half of that. Of a domain of 1 GB it is 300 documents, which differ by 15 %: within 1.7 %.
ONE_IN: Final = 1024
COUNT_ALL_BELOW: Final = 100_000_000  # bytes of text: seconds
COMPRESSION: Final = 3  # about so many bytes of text are a byte of a compressed file


@dataclass(frozen=True)
class Reading:
    """What, beside input and student, decides the labels and counts of a shard.

    Attributes:
        text_key: Column of the text.
        id_key: Column of the id.
        source_key: Column to count by, beside the domain.
        date_key: Column of the date, to count by month.
        tokenizer: What counts, see `gemix.tokens.counter.read_tokenizer`; None: the
            tokenizer.json beside the student's folder, as in a run.
        one_in: Tokens are counted of one document in so many, chosen by a hash; None: of all if the corpus is small.

    """

    text_key: str = "text"
    id_key: str = "id"
    source_key: str | None = None
    date_key: str | None = None
    tokenizer: str | Path | None = None
    one_in: int | None = None

    def of(self, student: Path, sizes: Mapping[Shard, int]) -> Self:
        """Return the reading of a corpus, by the sizes of its files: with what the student and the corpus decide.

        Raises:
            GemixError: there is no tokenizer.

        """
        tokenizer = self.tokenizer or beside(student)
        text = sum(size * (1 if shard.format == ".jsonl" else COMPRESSION) for shard, size in sizes.items())
        return replace(self, tokenizer=tokenizer, one_in=self.one_in or (1 if text < COUNT_ALL_BELOW else ONE_IN))

    @cached_property
    def counter(self) -> TokenCounter:
        """The loaded tokenizer.

        Raises:
            GemixError: it cannot be loaded.

        """
        if self.tokenizer is None:
            raise ValueError("a reading needs the tokenizer.json that counts")
        return TokenCounter(self.tokenizer)

    @property
    def settings(self) -> dict[str, str]:
        """What the markers say of it; the tokenizer by what it is, not by where it lies."""
        keys = {"text_key": self.text_key, "id_key": self.id_key}
        keys |= {"source_key": self.source_key} if self.source_key is not None else {}
        keys |= {"date_key": self.date_key} if self.date_key is not None else {}
        return keys | {
            "tokenizer": self.counter.fingerprint,
            "counted": "all" if self.counts_all else f"1 of {self.one_in}",
        }

    @property
    def extras(self) -> list[str]:
        """The columns that are read beside text and id."""
        return [key for key in (self.source_key, self.date_key) if key is not None]

    @property
    def counts_all(self) -> bool:
        """Whether tokens are counted of every document."""
        return self.one_in is None or self.one_in <= 1

    def chosen(self, shard: str, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows of a shard, by its name, are counted: by a hash, whoever labels them and when."""
        if self.one_in is None or self.one_in <= 1:  # counts_all, as a type checker sees it
            return np.ones(len(rows), bool)
        seed = int.from_bytes(blake2b(shard.encode(), digest_size=8).digest())
        return _mix(rows.astype(np.uint64) + np.uint64(seed)) < np.uint64((1 << 64) // self.one_in)


def one_in(count: str) -> int | None:
    """Return the `Reading.one_in` of the setting `count`: sample or all."""
    return 1 if count == "all" else None


def beside(student: Path) -> Path:
    """Return the tokenizer.json in the folder that a student's folder lies in.

    Raises:
        GemixError: there is none.

    """
    path = student.parent / FILE_NAME
    if not is_file(path):
        raise GemixError(
            f"no {path} to count tokens with: give one: --tokenizer, a tokenizer.json or a name on Hugging Face"
        )
    return path


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 bits of a hash of each number: a step of splitmix64."""
    z = values * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
