"""Whether to leave the natural mixture, and for what: the decision behind mixture.json.

Natural shares are the answer unless the runs prove better. Four things must hold:

1. natural lies in the region of the runs (`gemix.mix.region`): elsewhere its own outcome is unknown;
2. the gate (`gemix.mix.gate`): outcomes depend on mixtures at all, P <= 0.05 by permutation;
3. a mixture of the region and the box has a gain over natural above z of its standard deviations
   (`gemix.mix.process`), z = max(1.6, 0.7 sqrt(K)): of about K directions the luckiest is chosen, and the largest of
   their errors grows like that;
4. the gain is no trifle: at least 5 % of the outcomes' standard deviation over the runs. Where natural is all but
   optimal, what is left to gain is below what any model gets right.

Of the mixtures with the largest gain - k sd, k = z / 3, 2 z / 3, 4 z / 3, the first that passes 3 and 4 is taken. The
interval of its gain has z for its half-width: it covers what choosing does to an estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from gemix.mix.box import Box, Floats, project
from gemix.mix.evidence import LEAST, Evidence
from gemix.mix.grounds import Verdict
from gemix.mix.region import Region
from gemix.mix.search import Search

ALPHA: Final = 0.05
LEAST_GAIN: Final = 0.05
NoWorse = Sequence[tuple[Evidence, float]]
STEPS: Final = (1 / 3, 2 / 3, 4 / 3)  # of z: what is taken off when a mixture is chosen


def caution(domains: int) -> float:
    """Return z: standard deviations by which a chosen mixture's gain must pass 0."""
    return max(1.6, 0.7 * float(np.sqrt(domains)))


@dataclass(frozen=True)
class BestRun:
    """The distinct mixture with the best mean outcome.

    Attributes:
        row: of its first run in the table, from 0.
        weights: (K,).
        outcome: mean over its runs.
        repeats: how many these are.

    """

    row: int
    weights: Floats
    outcome: float
    repeats: int


@dataclass(frozen=True)
class Proposal:
    """A mixture and its gain over natural, in the outcome's unit; positive is better.

    Attributes:
        weights: (K,).
        gain: expected.
        low, high: ends of the interval, for a mixture chosen by the runs themselves.

    """

    weights: Floats
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Decision:
    """What to train on, and why.

    Attributes:
        verdict: "better": the weights were proven better than natural; "unproven": the weights are natural.
        reason: one sentence.
        weights: (K,) to train on.
        natural: (K,) natural shares, put into the box.
        chosen: the weights with their gain, where the verdict is "better".
        region: of the runs.
        evidence: the model and the gate, for questions about other mixtures: `evidence.p_value`, `.level` (expected
            outcome of natural), `.gain(W)`, `.judge(W)`.
        box: where weights may lie.
        no_worse: other outcomes of the runs, each with the loss over natural that is allowed, in its unit.

    """

    verdict: Verdict
    reason: str
    weights: Floats
    natural: Floats
    chosen: Proposal | None
    region: Region
    evidence: Evidence
    box: Box = field(repr=False)
    no_worse: NoWorse = ()

    @cached_property
    def natural_outside(self) -> int | None:
        """The domain whose natural weight is farthest out of the runs' range; -1: distance; None: natural is inside."""
        # The next run would pass the range of so many by about range / (runs - 1).
        return self.region.outside(self.natural, 1 / max(len(self.evidence.means) - 1, 1))

    @cached_property
    def search(self) -> Search:
        """The search over what region, box and other outcomes allow; for runs that tell something."""
        allowed = [(other.process, other.standardised(-loss)) for other, loss in self.no_worse if other.tells]
        return Search(self.evidence.process, self.region, self.box, self.evidence.seed, allowed)

    @cached_property
    def wish(self) -> Proposal | None:
        """What the search would take, proven or not: the largest gain less one standard deviation.

        None where nothing can be learned, or the region and the box have no mixture in common.
        """
        if self.chosen is not None:
            return self.chosen
        if not self.evidence.tells:
            return None
        found = self.search.best(1.0)
        return None if found is None else _proposal(self.evidence, found)

    @property
    def best_run(self) -> BestRun:
        """The best mixture actually observed."""
        of = self.evidence
        i = int((of.sign * of.means).argmin())
        return BestRun(int(of.first[i]), of.mixtures[i], float(of.means[i]), int(of.repeats[i]))


def decide(
    weights: ArrayLike,
    outcomes: ArrayLike,
    natural: ArrayLike,
    box: Box,
    maximise: bool = False,
    reach: float = 1.0,
    seed: int = 0,
) -> Decision:
    """Decide whether the runs prove a mixture better than natural, and which.

    Args:
        weights: mixtures of the runs, (n, K), rows on the simplex; copies are averaged.
        outcomes: (n,) results, finite.
        natural: (K,) natural shares; they are put into the box first.
        box: caps and floors.
        maximise: whether a larger outcome is better (an accuracy).
        reach: how much wider than the runs' region to search, about their mean.
        seed: of permutations and starts; the same input and seed give the same decision.

    Raises:
        ValueError: shapes that do not match, numbers that are not finite, weights off the simplex.

    """
    return decide_on(Evidence(weights, outcomes, project(natural, box), maximise, seed), box, reach)


def decide_on(evidence: Evidence, box: Box, reach: float = 1.0, no_worse: NoWorse = ()) -> Decision:
    """Decide by evidence over natural shares that were put into the box.

    Args:
        evidence: of the runs; its seed is that of the search.
        box: caps and floors.
        reach: how much wider than the runs' region to search, about their mean.
        no_worse: evidence on other outcomes of the runs over the same reference, each with the loss (in its unit, from
            0) that its expected value may take; mixtures beyond are not chosen.

    """
    home, region = evidence.reference, Region.of(evidence.mixtures, reach)

    def stay(reason: str) -> Decision:
        return Decision("unproven", reason, home, home, None, region, evidence, box, no_worse)

    count = len(evidence.means)
    if count < LEAST:
        return stay(f"{count} distinct mixture{'s' * (count > 1)} cannot show which is better: run at least {LEAST}")
    if not evidence.tells:
        return stay("every mixture had the same outcome")
    stayed = stay("no mixture in the region of the runs has a gain over natural beyond its error")
    if (outside := stayed.natural_outside) is not None:
        where = f": {box.names[outside]} has {home[outside]:.1%}, in the runs " if outside >= 0 else ""
        range_ = f"{region.low[outside]:.1%} to {region.high[outside]:.1%}" if outside >= 0 else ""
        return stay(f"natural lies outside the region of the runs{where}{range_}; add natural as a run")
    if evidence.p_value > ALPHA:
        return stay(f"the outcomes do not depend on the mixture beyond chance (P = {evidence.p_value:.2g})")
    z = caution(len(home))
    for step in STEPS:
        found = stayed.search.best(step * z)
        if found is None:
            return stay("what is asked for leaves no mixture in the region of the runs")
        gain, sd = evidence.process.gain(found[None])
        if gain[0] > max(z * sd[0], LEAST_GAIN):
            chosen = _proposal(evidence, found)
            reason = f"the runs show a gain of {chosen.gain:.3g} ({chosen.low:.3g} to {chosen.high:.3g}) over natural"
            return Decision("better", reason, found, home, chosen, region, evidence, box, no_worse)
    return stayed


def _proposal(evidence: Evidence, weights: Floats) -> Proposal:
    gain = evidence.gain(weights, caution(len(weights)))
    return Proposal(weights, float(gain.mean[0]), float(gain.low[0]), float(gain.high[0]))
