"""What a choice is worth: ranked on runs that were not fitted, and trained anew with seeds and judges of its own."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gemix.mix.box import Floats
from gemix.mix.goal import Goal
from gemix.mix.grounds import Estimate, Trained
from gemix.mix.judged import Judged
from gemix.mix.surrogates.validate import interval, spearman
from gemix.mix.tables import RunTable
from gemix.mix.verdict import Decision
from gemix.proxy.dataset import ProxyData
from gemix.proxy.factory import Kind, make_proxy
from gemix.proxy.pools import fresh
from gemix.proxy.swarm import MEAN, Swarm

SEEDS: Final = {"ngram": 8, "transformer": 5}
PARTS: Final = 2  # of the validation documents: the first judges the search, the second its choice
PIECES: Final = 8  # that the second is divided into, to see how much hangs on the documents
LEVEL: Final = 0.95


@dataclass(frozen=True)
class HeldOut:
    """How well the runs predict others that were not fitted.

    Attributes:
        runs: how many.
        spearman: rank correlation between predicted and true gain.
        low, high: its 95 % interval, by the bootstrap over runs.

    """

    runs: int
    spearman: float
    low: float
    high: float


def validate(decision: Decision, goal: Goal, held_out: RunTable, values: Floats) -> HeldOut | None:
    """Return how well a decision's model ranks held-out runs; None where there are fewer than three, or no model.

    Args:
        decision: by other runs.
        goal: of the decision.
        held_out: of `gather`.
        values: (n, T) metrics of the fitted runs, in the goal's order: the scale of "worst".

    """
    if len(held_out.ids) < 3 or not decision.evidence.tells:
        return None
    true = goal.outcome(held_out.targets(list(goal.weights))[1], values)
    predicted = decision.evidence.gain(held_out.W).mean
    gained = true if goal.maximise else -true
    low, high = interval(predicted[None], gained, decision.evidence.seed)
    return HeldOut(len(true), float(spearman(predicted, gained)), low, high)


@dataclass(frozen=True)
class CheckPlan:
    """What fresh models are trained.

    Attributes:
        folder: of their runs; what is there is kept.
        kind: of the proxy.
        tokens: that each sees.
        shares: (K,) of the domains' tokens that a pool has, see `gemix.proxy.pools`.
        seeds: of pools and trainings.

    """

    folder: Path
    kind: Kind
    tokens: int
    shares: Floats
    seeds: int


def confirm(
    judged: Judged,
    uniform: Floats,
    data: ProxyData,
    plan: CheckPlan,
    keys: Sequence[str],
    goal: Goal,
    values: Floats,
    take_unproven: bool,
) -> Judged:
    """Train the wish beside natural and uniform weights, and return what that makes of the judgement.

    Args:
        judged: with a wish.
        uniform: (K,) uniform weights, put into caps and floors.
        data: all of it; the validation documents that the search has not used judge.
        plan: what is trained.
        keys: the domains of the weights, in order.
        goal: what is to improve.
        values: (n, T) metrics of the runs of the search, in the goal's order: the scale of "worst".
        take_unproven: as `Judged.after`.

    """
    assert judged.wish is not None
    judging = judges(data)
    order = [keys.index(name) for name in data.names]
    mixtures = {"natural": judged.natural, "choice": judged.wish, "uniform": uniform}
    asked = {name: w[order] for name, w in mixtures.items()}
    documents = sum(part.documents for part in judging.valid)
    found = trained_check(fresh_swarms(judging, plan), asked, goal, values, documents)
    return judged.after(found, take_unproven)


def searched(data: ProxyData) -> ProxyData:
    """Return the data whose validation documents may judge a search."""
    return data.judged_by(0, PARTS)


def judges(data: ProxyData) -> ProxyData:
    """Return the data whose validation documents judge a choice: others than those of `searched`, in pieces."""
    return data.judged_by(1, PARTS, PIECES)


def fresh_swarms(data: ProxyData, plan: CheckPlan) -> Iterator[Swarm]:
    """Yield a folder of runs a seed, each over pools of its own."""
    for seed in range(plan.seeds):
        proxy = make_proxy(fresh(data, plan.shares, seed), plan.kind)
        yield Swarm(plan.folder / f"seed-{seed}", proxy, plan.tokens, seed)


def trained_check(
    swarms: Iterable[Swarm], mixtures: Mapping[str, Floats], goal: Goal, values: Floats, documents: int
) -> Trained:
    """Train mixtures with several seeds, each on the same pools, and compare them in pairs.

    The gain of every seed on every piece of the judging documents makes a table; its mean has a variance from seeds and
    one from documents, which are added, and Student's interval with the smaller number of either.

    Args:
        swarms: one a seed (`fresh_swarms`); their validation sets are called NAME/0, NAME/1, ...
        mixtures: natural, choice, and uniform where it can be trained, (K,) in the order of the swarms' domains.
        goal: what is to improve.
        values: (n, T) metrics of the runs of the search, in the goal's order: the scale of "worst".
        documents: that judge.

    Raises:
        GemixError: as `Swarm.train`.

    """
    names = list(mixtures)
    # Another choice is another run: its id hangs on its weights.
    ids = [f"{name}-{hashlib.sha256(np.round(w, 12).tobytes()).hexdigest()[:8]}" for name, w in mixtures.items()]
    found: list[NDArray[np.float64]] = []
    for swarm in swarms:
        runs = swarm.train(RunTable(ids, list(swarm.proxy.domains), np.stack(list(mixtures.values())))).table
        found.append(_outcomes(runs, goal, values))
    table = np.stack(found)  # (seeds, mixtures, pieces)
    means = dict(zip(names, table.mean(axis=(0, 2)).tolist(), strict=True))
    gains = table[:, names.index("natural")] - table[:, names.index("choice")]
    return Trained(
        mixture=means["choice"],
        natural=means["natural"],
        uniform=means.get("uniform"),
        gain=paired(-gains if goal.maximise else gains),
        seeds=len(found),
        documents=documents,
    )


def _outcomes(runs: RunTable, goal: Goal, values: Floats) -> Floats:
    """Return the outcome of each run on each piece, (runs, pieces)."""
    pieces = sorted({int(name.rpartition("/")[2]) for name in runs.metrics if "/" in name})
    columns = []
    for piece in pieces:
        own = {name.rpartition("/")[0]: v for name, v in runs.metrics.items() if name.endswith(f"/{piece}")}
        own[MEAN] = np.mean(list(own.values()), axis=0)
        if all(name in own for name in goal.weights):
            columns.append(goal.outcome(np.stack([own[name] for name in goal.weights], axis=1), values))
    return np.stack(columns, axis=1)


def paired(gains: Floats) -> Estimate:
    """Return the mean gain with its 95 % interval, from a table of seeds and pieces of documents, (s, p)."""
    from scipy.stats import t

    value, variance, fewest = float(gains.mean()), 0.0, min(gains.shape)
    for axis, count in ((1, gains.shape[0]), (0, gains.shape[1])):
        if count > 1:
            variance += float(gains.mean(axis=axis).var(ddof=1)) / count
    half = float(t.ppf((1 + LEVEL) / 2, max(fewest - 1, 1))) * variance**0.5
    return Estimate(value=value, low=value - half, high=value + half)
