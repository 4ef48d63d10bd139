"""The contract between the taxonomy and everything after it: taxonomy.json."""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from gemix.errors import GemixError
from gemix.taxonomy.gis import Mode

FILE_NAME: Final = "taxonomy.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Representative(_Record):
    """A document that stands for its domain: its id, its first characters, its influence score."""

    id: str
    excerpt: str
    gis: float


class Domain(_Record):
    """One domain; `id` is the label that students predict and sidecars hold.

    Attributes:
        name: unique.
        keywords: heaviest first.
        documents, tokens: how much of the seed sample is in the domain.
        share: documents over those of the sample.
        kappa: concentration of the teacher's component.
        cohesion: mean cosine of the domain's documents to its mean direction; None for a domain without documents.
        representatives: most typical first.

    """

    id: int
    name: str
    keywords: list[str]
    documents: int
    share: float
    tokens: int
    kappa: float
    cohesion: float | None
    representatives: list[Representative]


class Taxonomy(_Record):
    """All domains of a corpus, in the order of their ids 0 .. K - 1.

    Attributes:
        version: of this format.
        mode: what the representatives were ranked by (see `gemix.taxonomy.influence_scores`).
        documents, tokens: size of the seed sample.

    """

    version: Literal[1] = 1
    mode: Mode
    documents: int
    tokens: int
    domains: list[Domain]

    @model_validator(mode="after")
    def _check_domains(self) -> "Taxonomy":
        if [domain.id for domain in self.domains] != list(range(len(self.domains))):
            raise ValueError("domain ids are not 0, 1, 2, ... in order")
        if len(set(self.names)) != len(self.domains):
            raise ValueError("two domains have the same name")
        return self

    @property
    def names(self) -> list[str]:
        """Names of the domains by id."""
        return [domain.name for domain in self.domains]


def load_taxonomy(path: Path) -> Taxonomy:
    """Read taxonomy.json, or the one in the folder `path`.

    Raises:
        GemixError: the file is missing, damaged or of another version.

    """
    file = path / FILE_NAME if path.is_dir() else path
    try:
        return Taxonomy.model_validate_json(file.read_bytes())
    except OSError as error:
        raise GemixError(f"cannot read {file}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise GemixError(f"{file} is not a taxonomy: {where + ': ' if where else ''}{first['msg']}") from error
