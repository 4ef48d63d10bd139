"""From a table of runs to weights with their grounds: the decision, and what it does to every other metric."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gemix.mix.box import Box, Floats
from gemix.mix.direction import Direction, direction
from gemix.mix.evidence import Evidence
from gemix.mix.goal import Goal
from gemix.mix.grounds import Effect, Estimate, Grounds, Observed
from gemix.mix.judged import Judged
from gemix.mix.strategies.shares import uniform
from gemix.mix.tables import RunTable
from gemix.mix.verdict import Decision, Proposal, decide, decide_on
from gemix.mix.weight_ranges import weight_ranges
from gemix.runtime.threads import one_blas_thread


@dataclass(frozen=True)
class Wishes:
    """What a user may ask for beside the target.

    Attributes:
        reach: how much wider than the runs' region to search, about their mean.
        take_unproven: take the wish though it is not proven better.
        no_worse: metric -> loss over natural, in its unit, that its expected value may take.
        directions: metric -> direction, where its name does not tell.

    """

    reach: float = 1.0
    take_unproven: bool = False
    no_worse: Mapping[str, float] = field(default_factory=dict)
    directions: Mapping[str, Direction] = field(default_factory=dict)


@one_blas_thread()  # more wait for each other: a decision over 200 domains took seven times as long
def judge_runs(
    table: RunTable, goal: Goal, shares: ArrayLike, box: Box, wishes: Wishes | None = None, seed: int = 0
) -> Judged:
    """Decide on weights by runs (see `gemix.mix.verdict`), and say what they do to every metric of the runs.

    Args:
        table: mixtures and metrics, over the domains of `shares`; runs without a target are left out.
        goal: what is to improve.
        shares: (K,) natural shares.
        box: caps and floors.
        wishes: what else is asked for.
        seed: of every random step.

    Raises:
        ValueError: a metric that the runs do not have, one of no known direction that is to be no worse, or shapes
            that do not match.

    """
    wishes = wishes or Wishes()
    table, values = table.targets(list(goal.weights))
    others = {name: (y, _direction(name, wishes)) for name, y in table.metrics.items() if name not in goal.weights}
    for name, loss in wishes.no_worse.items():
        if name not in others:
            there = ", ".join(sorted(others)) or "none beside the targets"
            raise ValueError(f"no metric is called {name!r}, which is to be no worse; there are {there}")
        if others[name][1] is None:
            raise ValueError(
                f"whether {name!r} improves as it rises or falls is not known: say --maximise or --minimise"
            )
        if not 0 <= loss < np.inf:
            raise ValueError(f"{name} may lose 0 or more, not {loss:g}")
    plain = decide(table.W, goal.outcome(values), shares, box, goal.maximise, wishes.reach, seed)
    known = {name: _evidence(table, plain, *others[name]) for name in others}
    limits = [(evidence, wishes.no_worse[name]) for name, evidence in known.items() if name in wishes.no_worse]
    decision = decide_on(plain.evidence, box, wishes.reach, limits) if limits else plain
    wish, chosen, taken = decision.wish, decision.chosen, False
    weights = decision.weights
    if chosen is None and wish is not None and wishes.take_unproven:
        weights, chosen, taken = wish.weights, wish, True
    # Where natural is unknown, so is every change from it.
    at = None if wish is None or decision.natural_outside is not None else (chosen or wish).weights
    effects = [] if at is None else [_effect(name, known[name], others[name][1], at) for name in known]
    ends = weight_ranges(decision)
    return Judged(
        weights,
        decision.natural,
        _grounds(goal, table, decision, chosen, [effect for effect in effects if effect], taken),
        None if wish is None else wish.weights,
        np.stack(decision.region.bounds(), axis=1),
        None if ends is None else np.stack(ends, axis=1),
        decision,
    )


def _direction(name: str, wishes: Wishes) -> Direction | None:
    return wishes.directions.get(name) or direction(name)


def _evidence(table: RunTable, decision: Decision, y: Floats, way: Direction | None) -> Evidence:
    """Return what the runs with this metric say of it; one of unknown direction is read as one that falls."""
    good: NDArray[np.bool_] = np.isfinite(y)
    like = decision.evidence if good.all() else None
    if not good.any():
        good, y = np.ones_like(good), np.zeros_like(y)  # a metric that no run has tells nothing
    return Evidence(table.W[good], y[good], decision.natural, way == "up", decision.evidence.seed, like)


def _effect(name: str, evidence: Evidence, way: Direction | None, weights: Floats) -> Effect | None:
    if not evidence.tells:
        return None
    gain = evidence.gain(weights)
    ends = -evidence.sign * np.array([gain.mean[0], gain.low[0], gain.high[0]])
    low, high = sorted(ends[1:].tolist())
    return Effect(
        metric=name,
        direction=way,
        natural=evidence.level,
        change=Estimate(value=float(ends[0]), low=low, high=high),
        verdict=None if way is None else evidence.judge(weights)[0],
        runs=int(evidence.repeats.sum()),
    )


def _grounds(
    goal: Goal, table: RunTable, decision: Decision, chosen: Proposal | None, effects: Iterable[Effect], taken: bool
) -> Grounds:
    evidence, best = decision.evidence, decision.best_run
    even = uniform(decision.box)
    tells = evidence.tells
    compares = tells and decision.natural_outside is None
    reaches_even = compares and bool(decision.region.contains(even[None])[0])
    return Grounds(
        verdict=decision.verdict,
        grade="predicted" if decision.verdict == "better" else None,
        reason=decision.reason,
        target=dict(goal.weights),
        objective=goal.kind,
        direction="up" if goal.maximise else "down",
        runs=len(table.ids),
        mixtures=len(evidence.means),
        p_value=evidence.p_value if tells else None,
        noise=evidence.noise if tells else None,
        natural=evidence.level if compares else None,
        gain=_estimate(chosen) if compares and chosen is not None else None,
        wish=_estimate(decision.wish) if compares and decision.wish is not None else None,
        uniform=_named(evidence, even) if reaches_even else None,
        best_run=Observed(run=table.ids[best.row], outcome=best.outcome, repeats=best.repeats),
        others=list(effects),
        reach=decision.region.reach,
        taken="unproven" if taken else None,
    )


def _estimate(proposal: Proposal) -> Estimate:
    return Estimate(value=proposal.gain, low=proposal.low, high=proposal.high)


def _named(evidence: Evidence, weights: Floats) -> Estimate:
    gain = evidence.gain(weights)
    return Estimate(value=float(gain.mean[0]), low=float(gain.low[0]), high=float(gain.high[0]))
