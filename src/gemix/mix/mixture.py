"""The contract of everything that decides weights: mixture.json."""

import math
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gemix.mix.grounds import Grounds
from gemix.runtime.records import Record

Natural = Annotated[int, Field(ge=0)]


class DomainWeight(BaseModel):
    """One domain of a mixture.

    Attributes:
        domain: its key, which everything joins on (see `gemix.mix.domain_ids`).
        name: what people call it, where that is not the key; nothing joins on it.
        weight: token share in training, 0 to 1.
        share: token share in the corpus; None where the corpus was not counted.
        documents, tokens: size of the domain in the corpus; None where it was not counted.
        epochs: how often the budget passes over the domain, weight x budget / tokens; None without budget or tokens.
        bounds: floor and cap that the weight had to keep; None where nothing bounds it.
        region: smallest and largest weight over the runs; None without runs.
        wish: what the search would take, proven or not; None without a search.
        range: of the weight, 95 % of it, among mixtures that may as well be the best; None where it is not known.

    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    domain: str = Field(min_length=1)
    name: str | None = None
    weight: float = Field(ge=0, le=1)
    share: float | None = Field(None, ge=0, le=1)
    documents: Natural | None = None
    tokens: Natural | None = None
    epochs: float | None = Field(None, ge=0)
    bounds: tuple[float, float] | None = None
    region: tuple[float, float] | None = None
    wish: float | None = Field(default=None, ge=0, le=1)
    range: tuple[float, float] | None = None


class FixedSource(BaseModel):
    """Data that are no domain and have a share of the training that nobody searches: code, mathematics.

    Attributes:
        name: what it is called.
        share: of all tokens of the training.
        path: of its data, as the trainer is told it; or a folder of token data with index.json.

    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1)
    share: float = Field(gt=0, lt=1)
    path: str = Field(min_length=1)


class Phase(BaseModel):
    """A part of the training with weights of its own.

    Attributes:
        share: of the budget.
        weights: K token shares, in the order of the domains.

    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    share: float = Field(gt=0, le=1)
    weights: list[Annotated[float, Field(ge=0, le=1)]]


class Mixture(Record):
    """Weights over the domains of a corpus, and where they come from.

    Attributes:
        strategy: what decided the weights ("regmix", "uniform", ...).
        grounds: the verdict over natural shares, and its figures; None in files of 0.1.
        budget_tokens: tokens that training will see, if known.
        unit: what counted the tokens of shares, budget and epochs; None where the table of domains does not say.
        partition: fingerprint of what gave the domains their numbers; None where the keys are names.
        domains: in the order of the partition; keys are unique, weights sum to 1 within 1e-9. Epochs are over the
            whole training, its phases and what fixed sources leave of it.
        fixed: sources beside the domains; the domains share what these leave.
        phases: one after another, shares summing to 1; the weights of the domains are the means over them. Empty: one.
        surrogate: quality of the fit behind the weights (kind, target, cross-validated rank correlation with its
            interval, number of runs); None for strategies without one.
        provenance: fingerprints of the table of domains and of the run table, settings, seed.

    """

    SCHEMA: ClassVar[int] = 3

    strategy: str
    grounds: Grounds | None = None
    budget_tokens: Natural | None = None
    unit: str | None = None
    partition: str | None = None
    domains: list[DomainWeight] = Field(min_length=1)
    fixed: list[FixedSource] = Field(default=[])
    phases: list[Phase] = Field(default=[])
    surrogate: dict[str, Any] | None = None
    provenance: dict[str, Any] = Field(default={})

    @classmethod
    def upgraded(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        """Return a mixture of 0.1, whose domains go by their names, and which says nothing of its grounds."""
        return content

    @model_validator(mode="after")
    def _check(self) -> "Mixture":
        keys = self.keys
        if len(set(keys)) != len(keys):
            raise ValueError(f"domain {next(key for key in keys if keys.count(key) > 1)!r} appears twice")
        total = float(self.weights.sum())
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"the weights sum to {total:.9f}, not to 1")
        names = [*keys, *(source.name for source in self.fixed)]
        if len(set(names)) < len(names):
            raise ValueError("a fixed source is called as another source is")
        if self.free <= 0:
            raise ValueError(
                f"the fixed sources have {1 - self.free:.6g} of the training, and leave nothing to domains"
            )
        if self.phases:
            self._check_phases()
        return self

    def _check_phases(self) -> None:
        for phase in self.phases:
            if len(phase.weights) != len(self.domains) or abs(sum(phase.weights) - 1) > 1e-9:
                raise ValueError(f"the weights of a phase are {len(self.domains)} numbers that sum to 1")
        shares = np.array([phase.share for phase in self.phases])
        means = shares @ np.array([phase.weights for phase in self.phases])
        if abs(shares.sum() - 1) > 1e-9 or np.abs(means - self.weights).max() > 1e-9:
            raise ValueError("the shares of the phases sum to 1, and their mean weights are those of the domains")

    def refuse_other(self, identity: str | None) -> None:
        """Make sure that the numbers of the domains mean what they mean in the partition with this fingerprint.

        Raises:
            ValueError: they do not; where either is not known nothing can be told.

        """
        if None not in (self.partition, identity) and self.partition != identity:
            raise ValueError(
                "the mixture is of another partition: its domains have the same numbers but are not the same documents"
            )

    @property
    def keys(self) -> list[str]:
        """Keys of the domains, in order."""
        return [entry.domain for entry in self.domains]

    @property
    def free(self) -> float:
        """Share of the training that fixed sources leave to the domains."""
        return 1.0 - math.fsum(source.share for source in self.fixed)

    @property
    def weights(self) -> NDArray[np.float64]:
        """Token shares, (K,)."""
        return np.array([entry.weight for entry in self.domains])
