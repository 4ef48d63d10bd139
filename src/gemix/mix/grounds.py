"""Why a mixture is what it is: the verdict and its figures, as they stand in mixture.json."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Verdict = Literal["better", "unproven", "worse"]
Standing = Literal["better", "unproven", "worse", "chosen by hand"]
BY_HAND: Final = "chosen by hand"


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(_Fact):
    """A number with the ends of its interval."""

    value: float
    low: float
    high: float


class Effect(_Fact):
    """What leaving natural for a mixture does to one metric.

    Attributes:
        metric: its name.
        direction: in which it improves; None: not known, so the change has no verdict.
        natural: expected at the natural mixture.
        change: the metric at the mixture less that at natural, in its own unit, with a 95 % interval.
        verdict: better or worse where the interval and the gate say so.
        runs: that have the metric.

    """

    metric: str
    direction: Literal["down", "up"] | None
    natural: float
    change: Estimate
    verdict: Verdict | None
    runs: Count


class Observed(_Fact):
    """The distinct mixture of the runs with the best mean outcome."""

    run: str
    outcome: float
    repeats: Count


class Trained(_Fact):
    """What fresh models said: the mixture against natural, trained with the same seeds on the same budget.

    Attributes:
        mixture, natural, uniform: mean outcome of each.
        gain: of the mixture over natural, paired over seeds; positive is better; 95 % interval.
        seeds: that each was trained with.
        documents: that judged; the search has not used them.

    """

    mixture: float
    natural: float
    uniform: float | None
    gain: Estimate
    seeds: Count
    documents: Count


class Grounds(_Fact):
    """The decision between a mixture and natural shares.

    Attributes:
        verdict: better, unproven or worse than natural; or chosen by hand, where nothing was asked.
        grade: predicted (from the runs alone) or trained (fresh models of several seeds); None: neither.
        reason: one sentence.
        target: metric -> weight, of what was to improve.
        objective: how several targets are one outcome: mean, or worst (standardised).
        direction: in which the outcome improves.
        runs, mixtures: how many there were, and how many distinct mixtures.
        p_value: how often shuffled outcomes look as ordered as those of the runs.
        noise: standard deviation of one run's outcome.
        natural: outcome expected at the natural mixture, put into caps and floors; None, like all gains over it, where
            the runs have not been there.
        gain: of the weights over natural, in the outcome's unit, positive is better; None where they are natural.
        wish: the same of what the search would take, proven or not.
        uniform: gain of uniform weights over natural.
        best_run: best mixture observed.
        others: every other metric of the runs.
        reach: of the region that was searched, 1: that of the runs.
        taken: what was asked for against the verdict ("unproven": the wish is taken unproven).
        trained: what fresh models said.

    """

    verdict: Standing
    grade: Literal["predicted", "trained"] | None = None
    reason: str
    target: dict[str, float] | None = None
    objective: Literal["mean", "worst"] | None = None
    direction: Literal["down", "up"] | None = None
    runs: Count | None = None
    mixtures: Count | None = None
    p_value: float | None = None
    noise: float | None = None
    natural: float | None = None
    gain: Estimate | None = None
    wish: Estimate | None = None
    uniform: Estimate | None = None
    best_run: Observed | None = None
    others: list[Effect] = []
    reach: float | None = None
    taken: Literal["unproven"] | None = None
    trained: Trained | None = None


def verdict_of(low: float, high: float) -> Verdict:
    """Return what the interval of a gain says: whether it lies on one side of 0."""
    return "better" if low > 0 else "worse" if high < 0 else "unproven"


def by_hand(reason: str) -> Grounds:
    """Return the grounds of a mixture that somebody chose: no run was asked whether it is better than natural."""
    return Grounds(verdict=BY_HAND, reason=reason)
