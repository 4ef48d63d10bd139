"""What runs were designed for, as a file beside their tables: design.json."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gemix.mix.box import Box, Group, make_box
from gemix.mix.partition import Partition
from gemix.runtime.atomic import write_text
from gemix.runtime.records import Record, read_record

FILE_NAME: Final = "design.json"

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class DesignedGroup(BaseModel):
    """Bounds on some domains together: their keys, and what they have at least and at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domains: list[str] = Field(min_length=1)
    floor: Share
    cap: Share


class Design(Record):
    """How mixtures were designed.

    Attributes:
        kind: of the design, see `gemix.mix.design`.
        seed: of its random numbers.
        strength: range of Dirichlet strengths, ascending.
        domains: K unique keys, in the order of the following.
        floor, cap: bounds on each weight.
        groups: bounds on groups of domains, disjoint.
        prior: natural shares of tokens, sum 1 within 1e-6.
        partition: fingerprint of what gave the domains their numbers; None where the keys are names.
        counter: what counted the tokens; None where the table of domains does not say.

    """

    kind: str = Field(min_length=1)
    seed: int = Field(ge=0)
    strength: tuple[Positive, Positive]
    domains: list[str] = Field(min_length=1)
    floor: list[Share]
    cap: list[Share]
    groups: list[DesignedGroup] = Field(default_factory=list)
    prior: list[Share]
    partition: str | None = None
    counter: str | None = None

    @classmethod
    def of(cls, kind: str, partition: Partition, box: Box, seed: int, strength: tuple[float, float]) -> Self:
        """Return the record of a design in `box` over the domains of `partition`, around their natural shares."""
        return cls(
            kind=kind,
            seed=seed,
            strength=strength,
            domains=partition.keys,
            floor=box.floor.tolist(),
            cap=box.cap.tolist(),
            groups=[
                DesignedGroup(domains=[partition.keys[k] for k in group.members], floor=group.floor, cap=group.cap)
                for group in box.groups
            ],
            prior=partition.shares.tolist(),
            partition=partition.identity,
            counter=partition.counter,
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        k = len(self.domains)
        if len(set(self.domains)) < k:
            raise ValueError("a domain appears twice")
        for name, values in (("floors", self.floor), ("caps", self.cap), ("shares", self.prior)):
            if len(values) != k:
                raise ValueError(f"{k} domains need {k} {name}, not {len(values)}")
        if self.strength[0] > self.strength[1]:
            raise ValueError(f"the strengths {self.strength[0]:g} and {self.strength[1]:g} do not ascend")
        if abs(float(np.sum(self.prior)) - 1) > 1e-6:
            raise ValueError(f"the prior sums to {np.sum(self.prior):.6g}, not to 1")
        _ = self.box  # that no mixture satisfies is refused there
        return self

    @property
    def box(self) -> Box:
        """Where the mixtures lie."""
        place = {key: k for k, key in enumerate(self.domains)}
        for group in self.groups:
            if unknown := [key for key in group.domains if key not in place]:
                raise ValueError(f"a group has the domain {unknown[0]!r}, which is none of the design")
        groups = [Group(tuple(place[key] for key in group.domains), group.floor, group.cap) for group in self.groups]
        return replace(make_box(self.domains, self.floor, self.cap), groups=tuple(groups))

    def refuse_other(self, partition: Partition) -> None:
        """Make sure that the runs were designed over the domains of `partition`.

        Raises:
            ValueError: they were not; where either fingerprint is not known the keys alone are compared.

        """
        if None not in (self.partition, partition.identity) and self.partition != partition.identity:
            raise ValueError(
                "the runs were designed for another partition, whose domains have other documents: "
                "use the table of domains that they were designed for, or design and train runs for this one"
            )
        if set(self.domains) != set(partition.keys):
            raise ValueError(
                f"the runs were designed for {len(self.domains)} domains that are not the {len(partition.keys)} of "
                "this partition: use the table of domains that they were designed for"
            )


def write_design(folder: Path, design: Design) -> None:
    """Write design.json into the folder of the tables, atomically."""
    write_text(folder / FILE_NAME, design.to_json())


def read_design(folder: Path) -> Design | None:
    """Return the design of the runs whose tables lie in a folder; None where there is none.

    Raises:
        GemixError: the file is damaged, or of a newer gemix.

    """
    path = folder / FILE_NAME
    return read_record(path, Design, "a design") if path.exists() else None


def refuse_other_partition(folder: Path, partition: Partition) -> Design | None:
    """Return the design beside the tables of a folder, made sure to be over `partition`; None where there is none.

    Raises:
        GemixError: as `read_design`.
        ValueError: the runs were designed for another partition; the message names the file.

    """
    design = read_design(folder)
    if design is not None:
        try:
            design.refuse_other(partition)
        except ValueError as error:
            raise ValueError(f"{folder / FILE_NAME}: {error}") from None
    return design
