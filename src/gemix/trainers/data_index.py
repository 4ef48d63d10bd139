"""data/index.json: what a folder of data by domain holds, counted exactly; written last."""

from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from gemix.runtime.records import Record, read_record

FILE_NAME: Final = "index.json"
Natural = Annotated[int, Field(ge=0)]


class Counts(BaseModel):
    """Documents, tokens (in token data with the end-of-text token behind each document), bytes of UTF-8 text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    documents: Natural
    tokens: Natural
    bytes: Natural


class DataFile(Counts):
    """A part of a domain; `path` is what the trainer is told, from the folder of index.json."""

    path: str


class DomainData(Counts):
    """A domain: what there is to train on, and what is kept from training.

    Attributes:
        domain: its key (see `gemix.mix.domain_ids`).
        name: what people call it.
        folder: of its files, from the folder of index.json.
        share: of the documents that the corpus has of it, which were taken by a hash.
        files: in order; they sum to the counts of the domain.
        held_out: files that nothing is trained on.

    """

    domain: str
    name: str
    folder: str
    share: float = Field(1.0, ge=0, le=1)
    files: list[DataFile]
    held_out: list[DataFile]

    @property
    def whole(self) -> Counts:
        """The counts with what is held out."""
        parts: list[Counts] = [self, *self.held_out]
        return Counts(
            documents=sum(part.documents for part in parts),
            tokens=sum(part.tokens for part in parts),
            bytes=sum(part.bytes for part in parts),
        )


class DataIndex(Record):
    """Data of all domains.

    Attributes:
        layout: how the files are written, see docs/tokenize.md.
        tokenizer: what counted the tokens, by its fingerprint.
        dtype: type of a token, as NumPy calls it; None, as the next two, for text.
        vocabulary: number of token ids.
        end: id of the end-of-text token.
        partition: fingerprint of what gave the domains their numbers, where it is known.
        seed: of the order.
        held_out: share of the documents that is kept from training.
        key: sha256 of all that decides the bytes of the files.
        domains: K domains in the order of their numbers, empty ones too.

    """

    SCHEMA: ClassVar[int] = 1

    layout: str
    tokenizer: str
    dtype: str | None = None
    vocabulary: int | None = Field(None, ge=2)
    end: Natural | None = None
    partition: str | None
    seed: Natural
    held_out: float = Field(ge=0, lt=1)
    key: str
    domains: list[DomainData] = Field(min_length=1)


def read_index(folder: Path) -> DataIndex:
    """Read the index of a folder of data by domain.

    Raises:
        GemixError: it is not there, damaged, or of a newer schema.

    """
    return read_record(folder / FILE_NAME, DataIndex, "an index of data by domain")
