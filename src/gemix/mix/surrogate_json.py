"""What a strategy minimised, as a file: the fitted surrogates of a mixture and the box that it was sought in."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gemix.mix.box import Box
from gemix.mix.objective import Objective
from gemix.runtime.records import Record, parse_record

Bound = Annotated[float, Field(ge=0, le=1)]
_STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Target(BaseModel):
    """One result and the surrogate that predicts it.

    Attributes:
        target: name of the metric.
        weight: in the objective; negative for a result of which more is better.
        centre, scale: mean and standard deviation of the result over the runs.
        model: `Surrogate.to_dict` (see docs/surrogates.md).

    """

    model_config = _STRICT

    target: str = Field(min_length=1)
    weight: float
    centre: float
    scale: float = Field(ge=0)
    model: dict[str, Any]


class SurrogateFile(Record):
    """The content of `mixture.surrogate.json`.

    Attributes:
        domains: keys, in the order of the weights that the surrogates take.
        floor, cap: bounds of each domain.
        objective: "mean" or "worst" of the targets, see `gemix.mix.objective.Objective`.
        targets: at least one.

    """

    domains: list[str] = Field(min_length=1)
    floor: list[Bound]
    cap: list[Bound]
    objective: Literal["mean", "worst"]
    targets: list[Target] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "SurrogateFile":
        k = len(self.domains)
        if len(set(self.domains)) != k:
            raise ValueError("a domain appears twice")
        if (len(self.floor), len(self.cap)) != (k, k):
            raise ValueError(f"{k} domains need {k} floors and {k} caps, not {len(self.floor)} and {len(self.cap)}")
        for target in self.targets:
            if target.model.get("domains") != k:
                raise ValueError(f"the surrogate of {target.target!r} is not over {k} domains")
        Box(self.domains, np.array(self.floor), np.array(self.cap))
        return self

    def to_objective(self) -> Objective:
        """Return the function that was minimised; it predicts the same numbers.

        Raises:
            ValueError: the description of a surrogate is damaged.

        """
        from gemix.mix.surrogates import from_dict  # here, so that reading the file needs no extra

        return Objective(
            [from_dict(target.model) for target in self.targets],
            np.array([target.weight for target in self.targets]),
            self.objective,
            np.array([target.centre for target in self.targets]),
            np.array([target.scale for target in self.targets]),
        )


def path_beside(mixture: Path) -> Path:
    """Return where the surrogates of a mixture lie: `mixture.surrogate.json` beside `mixture.json`."""
    return mixture.with_name(f"{mixture.stem}.surrogate.json")


def dump(objective: Objective, names: list[str], box: Box) -> str:
    """Return the text of the file.

    Args:
        objective: its predictors are fitted `gemix.mix.surrogates`, with std; centre and scale are given.
        names: of its targets.
        box: where mixtures lie, with the names of the domains.

    """
    assert objective.centre is not None  # fitted to runs
    assert objective.scale is not None
    numbers = zip(objective.weights.tolist(), objective.centre.tolist(), objective.scale.tolist(), strict=True)
    targets = [
        Target(target=name, weight=weight, centre=centre, scale=scale, model=predictor.to_dict())  # type: ignore[attr-defined]
        for name, predictor, (weight, centre, scale) in zip(names, objective.predictors, numbers, strict=True)
    ]
    content = SurrogateFile(
        domains=list(box.names),
        floor=box.floor.tolist(),
        cap=box.cap.tolist(),
        objective="worst" if objective.kind == "worst" else "mean",
        targets=targets,
    )
    return content.to_json(indent=None)


def parse(data: bytes) -> SurrogateFile:
    """Return the content of the file.

    Raises:
        ValueError: it is something else, of another version, or breaks the contract.

    """
    return parse_record(data, SurrogateFile, "the surrogates of a mixture")
