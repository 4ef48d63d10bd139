"""The contract of everything that decides weights: mixture.json."""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Natural = Annotated[int, Field(ge=0)]


class DomainWeight(BaseModel):
    """One domain of a mixture.

    Attributes:
        domain: its name; the key that everything joins on.
        weight: token share in training, 0 to 1.
        share: token share in the corpus; None where the corpus was not counted.
        documents, tokens: size of the domain in the corpus; None where it was not counted.
        epochs: how often the budget passes over the domain, weight x budget / tokens; None without budget or tokens.

    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    domain: str = Field(min_length=1)
    weight: float = Field(ge=0, le=1)
    share: float | None = Field(None, ge=0, le=1)
    documents: Natural | None = None
    tokens: Natural | None = None
    epochs: float | None = Field(None, ge=0)


class Mixture(BaseModel):
    """Weights over the domains of a corpus, and where they come from.

    Attributes:
        version: of this format.
        strategy: what decided the weights ("regmix", "uniform", ...).
        budget_tokens: tokens that training will see, if known.
        domains: in the order of the partition; names are unique, weights sum to 1 within 1e-9.
        surrogate: quality of the fit behind the weights (kind, target, cross-validated rank correlation with its
            interval, number of runs); None for strategies without one.
        provenance: fingerprints of the partition and of the run table, settings, seed.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    strategy: str
    budget_tokens: Natural | None = None
    domains: list[DomainWeight] = Field(min_length=1)
    surrogate: dict[str, Any] | None = None
    provenance: dict[str, Any] = {}

    @model_validator(mode="after")
    def _check(self) -> "Mixture":
        names = [entry.domain for entry in self.domains]
        if len(set(names)) != len(names):
            raise ValueError(f"domain {next(n for n in names if names.count(n) > 1)!r} appears twice")
        total = float(self.weights.sum())
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"the weights sum to {total:.9f}, not to 1")
        return self

    @property
    def names(self) -> list[str]:
        """Names of the domains, in order."""
        return [entry.domain for entry in self.domains]

    @property
    def weights(self) -> NDArray[np.float64]:
        """Token shares, (K,)."""
        return np.array([entry.weight for entry in self.domains])
