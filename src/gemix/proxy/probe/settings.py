"""What decides the outcome of a probe, besides documents and partitions."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SurrogateKind = Literal["lightgbm", "gp", "auto", "loglinear", "linear"]


class ProbeSettings(BaseModel):
    """Settings of a probe; the same for every partition.

    Attributes:
        mixtures: proxy models a partition and seed, each trained on its own mixture.
        budget: tokens that each is trained on; None: those of the training documents over K, so that a domain of
            average size is read once at most, even by a mixture that has nothing else.
        seeds: numbers 0, 1, ...: of the partition and of its design.
        target: "mean" (over the validation sets, each with the same weight) or the name of one.
        surrogates: kinds that predict; the first one chooses a mixture.
        splits: random divisions into 80 % runs to fit and 20 % to rank.
        repeats: models trained on the natural mixture, with seeds of their own: the noise.
        size_matched: leave documents out until the domains of all partitions have the same sizes.

    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    mixtures: int = Field(default=256, ge=10)
    budget: int | None = Field(default=None, ge=1)
    seeds: int = Field(default=3, ge=1)
    target: str = "mean"
    surrogates: tuple[SurrogateKind, ...] = Field(default=("gp", "lightgbm"), min_length=1)
    splits: int = Field(default=10, ge=1)
    repeats: int = Field(default=4, ge=2)
    size_matched: bool = False
