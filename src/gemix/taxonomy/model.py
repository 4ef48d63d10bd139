"""The contract between the taxonomy and everything after it: taxonomy.json."""

from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gemix.runtime.records import Record, read_record

Mode = Literal["gis", "random", "confidence", "centre"]

FILE_NAME: Final = "taxonomy.json"
KEYWORDS: Final = "keywords"  # who made a name without a language model
PERSON: Final = "person"  # who made a name that stands in taxonomy-edits.yaml


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Representative(_Part):
    """A document that stands for its domain: its id, a typical passage, its influence score."""

    id: str
    excerpt: str
    gis: float


class Flag(_Part):
    """What keeps a domain from being one thing, and the figure that shows it.

    Attributes:
        kind: "empty": no documents; "copies": figure is the share of its documents that repeat another of it; "mixed":
            figure is how alike its two parts are, 1 as one domain; "near": figure is how alike it and `domain` are.
        figure: see kind.
        domain: the other one of "near".

    """

    kind: Literal["empty", "copies", "mixed", "near"]
    figure: float
    domain: int | None = None

    def __str__(self) -> str:
        """Return it for people, in a few words."""
        if self.kind == "copies":
            return f"copies ({self.figure:.0%} of its documents repeat another)"
        if self.kind == "mixed":
            return f"mixed (its two parts are alike by {self.figure:.2f}, 1 is one domain)"
        return f"near domain-{self.domain:02d} (alike by {self.figure:.2f})" if self.domain is not None else "empty"


class CopyGroup(_Part):
    """Documents with equal vectors that outweigh a domain, so that whole documents cannot be balanced around them.

    Attributes:
        share: of the documents of the sample.
        documents: how many.
        first: id of the first.
        domain: where they all are.

    """

    share: float
    documents: int
    first: str
    domain: int

    def __str__(self) -> str:
        """Return it for people, in one sentence."""
        return (
            f"{self.documents:,} documents ({self.share:.1%}) equal {self.first}, more than a domain's share: they are "
            f"in domain-{self.domain:02d}, which no balance can make smaller"
        )


class _Named(_Part):
    """What a namer says of a domain or of a node of the tree, and what is in it.

    Attributes:
        name: unique among domains and nodes.
        keywords: heaviest first.
        description, belongs, excludes: a sentence each, of a language model; None where keywords made the name.
        named_by: "keywords", "llm:<model>", or "person" where `gemix.taxonomy.edits` gave the name.
        documents, tokens: how much of the seed sample is in it.

    """

    id: int
    name: str
    keywords: list[str]
    description: str | None = None
    belongs: str | None = None
    excludes: str | None = None
    named_by: str = KEYWORDS
    documents: int
    tokens: int


class Domain(_Named):
    """One domain.

    Attributes:
        id: the label that students predict and sidecars hold.
        share: documents over those of the sample.
        kappa: concentration of the teacher's component.
        cohesion: mean cosine of the domain's documents to its mean direction; None for a domain without documents.
        coherence: 0 for a random group of documents, 1 for documents that are all alike (see
            `gemix.taxonomy.soundness`); None for a domain of fewer than two.
        flags: what keeps it from being one thing.
        representatives: most typical first.
        excluded: a person left it out of mixtures; never so in taxonomy.json, which holds what the name stage found.
        merged_into: a person made it part of this domain; never so in taxonomy.json either.

    """

    share: float
    kappa: float
    cohesion: float | None
    coherence: float | None = None
    flags: list[Flag] = Field(default_factory=list)
    representatives: list[Representative]
    excluded: bool = False
    merged_into: int | None = None


class Node(_Named):
    """An inner node of the tree: two nodes joined.

    Attributes:
        id: K + t for the node that merge t made.
        children: nodes with lower ids; those below K are domains.
        height: mean loss of cosine a document, of the cut that the merge made against the domains.

    """

    children: tuple[int, int]
    height: float


class Tree(_Part):
    """Domains joined two by two (see `gemix.taxonomy.tree`); the last node is the root, one domain has no nodes."""

    nodes: list[Node]

    @model_validator(mode="after")
    def _check_nodes(self) -> "Tree":
        first = len(self.nodes) + 1
        if [node.id for node in self.nodes] != list(range(first, 2 * first - 1)):
            raise ValueError("node ids are not K, K + 1, K + 2, ... in order")
        if sorted(child for node in self.nodes for child in node.children) != list(range(2 * first - 2)):
            raise ValueError("not every node but the last is the child of one other")
        if any(child >= node.id for node in self.nodes for child in node.children):
            raise ValueError("a node comes before its children")
        return self


class Taxonomy(Record):
    """All domains of a corpus, in the order of their ids 0 .. K - 1.

    Attributes:
        mode: what the representatives were ranked by (see `gemix.taxonomy.influence_scores`).
        documents, tokens: size of the seed sample.
        tree: over the domains; None in files of versions that had none.
        copies: groups of equal documents that outweigh a domain, the heaviest first.

    """

    SCHEMA: ClassVar[int] = 2

    mode: Mode
    documents: int
    tokens: int
    domains: list[Domain]
    tree: Tree | None = None
    copies: list[CopyGroup] = Field(default_factory=list)

    @classmethod
    def upgraded(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Return a file of schema 1, whose domains had no coherence and no flags."""
        return content

    @model_validator(mode="after")
    def _check_domains(self) -> "Taxonomy":
        if [domain.id for domain in self.domains] != list(range(len(self.domains))):
            raise ValueError("domain ids are not 0, 1, 2, ... in order")
        if len(set(self.names)) != len(self.domains):
            raise ValueError("two domains have the same name")
        if self.tree is not None:
            if len(self.tree.nodes) != max(0, len(self.domains) - 1):
                raise ValueError(f"a tree of {len(self.tree.nodes)} nodes does not fit {len(self.domains)} domains")
            if len({*self.names, *(node.name for node in self.tree.nodes)}) < 2 * len(self.domains) - 1:
                raise ValueError("two nodes of the tree have the same name")
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
    return read_record(path / FILE_NAME if path.is_dir() else path, Taxonomy, "a taxonomy")
