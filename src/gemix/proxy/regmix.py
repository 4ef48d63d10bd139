"""RegMix with its runs: which mixtures to train, and when to stop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from gemix.mix.active import around, suggest
from gemix.mix.box import Box, Floats, settle
from gemix.mix.design import design
from gemix.mix.objective import combine
from gemix.mix.partition import Partition
from gemix.mix.simplex import sample_prior
from gemix.mix.surrogates.gp import GaussianProcess
from gemix.mix.tables import RunTable
from gemix.proxy.swarm import Swarm, match_domains

SIMULATED: Final = 8192  # mixtures among which the optimum is looked for between batches ...
TOP: Final = 82  # ... and how many of the best are averaged: one in a hundred
CALM: Final = 2  # proposals in a row that must promise nothing


@dataclass(frozen=True)
class Plan:
    """How many mixtures to train, and how they are chosen.

    Attributes:
        runs: that are fitted, at most.
        held_out: more runs of the same design that are never fitted.
        strength: of the design, see `sample_prior`.
        seed: of the design and the candidates.
        active: begin with `start` runs of a design and add batches where they promise most; else all are one design.
        start: runs before the first batch.
        batch: runs between two fits.
        improvement: stop below this expected improvement, as a share of the standard deviation over the first runs.
        movement: stop below this movement of the optimum, in total variation.

    """

    runs: int = 64
    held_out: int = 16
    strength: tuple[float, float] = (0.1, 5.0)
    seed: int = 0
    active: bool = False
    start: int = 16
    batch: int = 8
    improvement: float = 0.02
    movement: float = 0.05

    def __post_init__(self) -> None:
        if self.held_out < 0 or self.batch < 1 or self.start < 3 or self.runs < 3:
            raise ValueError("a swarm needs at least 3 runs to fit, a batch of 1, and no fewer than 0 held-out runs")
        if self.active and self.start > self.runs:
            raise ValueError(f"{self.start} runs to start with are more than the {self.runs} runs in all")

    @property
    def first(self) -> int:
        """Number of runs in the design."""
        return self.start if self.active else self.runs


@dataclass(frozen=True)
class Proposal:
    """What was known before a batch.

    Attributes:
        runs: that were fitted.
        improvement: expected improvement of the best candidate, as a share of the spread of the first runs.
        movement: total variation between the optimum now and one batch ago; None for the first.

    """

    runs: int
    improvement: float
    movement: float | None


@dataclass(frozen=True)
class Gathered:
    """The runs: those to fit, those held out, and how the search went.

    Attributes:
        table: to fit.
        held_out: never to fit; may be empty.
        proposals: one a batch; empty without active design.
        stopped: whether the search ended before `Plan.runs`, because more runs promised nothing.

    """

    table: RunTable
    held_out: RunTable
    proposals: list[Proposal]
    stopped: bool


def gather(
    swarm: Swarm,
    partition: Partition,
    box: Box,
    targets: dict[str, float],
    objective: str = "mean",
    plan: Plan | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Gathered:
    """Train a swarm to fit a surrogate to.

    Without active design these are `plan.runs` mixtures around the natural shares, inside the box. With it, batches
    of `gemix.mix.active.suggest` follow `plan.start` such mixtures. Let S be the standard deviation of the objective
    over those first runs, E the largest expected improvement among 4,096 candidates, and w* the average of the best
    hundredth of 8,192 simulated mixtures under a Gaussian process. The search ends when twice in a row

        E <= plan.improvement S   and   sum_k |w*_k - w*_k(before the last batch)| / 2 <= plan.movement,

    or at `plan.runs`. Runs have the ids 1, 2, ..., held-out ones held-1, held-2, ...

    Args:
        swarm: where they are trained; its folder keeps the plan, too.
        partition: the domains with their natural shares.
        box: where mixtures lie.
        targets: validation set, or mean -> weight, as the objective counts them.
        objective: "mean" or "worst".
        plan: sizes and thresholds.
        report: is told a line about every proposal.

    Raises:
        GemixError: as `Swarm.train`; or the folder has runs of another plan.
        ValueError: an unknown target, or the sampler refuses.

    """
    plan = plan or Plan()
    match_domains(swarm.proxy.domains, partition.keys)
    swarm.require(targets)
    swarm = replace(swarm, plan=_record(plan, partition, box, targets, objective))
    held_seed, *batch_seeds = _seeds(plan)
    first = design("dirichlet", box, partition.shares, plan.first, plan.seed, plan.strength)
    names = [str(i + 1) for i in range(plan.first)]
    left_out = [f"held-{i + 1}" for i in range(plan.held_out)]
    if plan.held_out:
        first = np.vstack([first, design("dirichlet", box, partition.shares, plan.held_out, held_seed, plan.strength)])
    trained = swarm.train(RunTable([*names, *left_out], partition.keys, first)).table
    fitted = np.arange(len(trained.ids)) < plan.first
    table, held_out = trained.select(fitted), trained.select(~fitted)
    if not plan.active:
        return Gathered(table, held_out, [], False)
    search = _Search(swarm, partition, box, targets, objective, plan)
    return _explore(search, table, held_out, batch_seeds, report)


@dataclass(frozen=True)
class _Search:
    """What `gather` was asked for."""

    swarm: Swarm
    partition: Partition
    box: Box
    targets: dict[str, float]
    objective: str
    plan: Plan


def _explore(
    search: _Search, table: RunTable, held_out: RunTable, seeds: Sequence[int], report: Callable[[str], None]
) -> Gathered:
    """Train batch after batch until more promise nothing."""
    plan, box, targets, objective = search.plan, search.box, search.targets, search.objective
    shares = search.partition.shares
    weights = np.array(list(targets.values()))
    first = table.targets(list(targets))[1]
    centre, scale = first.mean(axis=0), first.std(axis=0)
    spread = float(combine(first, weights, objective, centre, scale).std())
    pool = sample_prior(shares, box, SIMULATED, np.random.default_rng(plan.seed), plan.strength, temperature=1.0)
    candidates = around(shares, box, plan.strength)
    proposals: list[Proposal] = []
    before: Floats | None = None
    calm = 0
    for seed in seeds:
        y = combine(table.targets(list(targets))[1], weights, objective, centre, scale)
        size = min(plan.batch, plan.runs - len(table.ids))
        batch = suggest(table.W, y, size, candidates, seed)
        best = pool[np.argsort(GaussianProcess().fit(table.W, y).predict(pool)[0], kind="stable")[:TOP]]
        optimum = settle(best.mean(axis=0), box)
        gain = float(batch.improvement[0]) / spread if spread > 0 else 0.0
        moved = None if before is None else float(np.abs(optimum - before).sum() / 2)
        before = optimum
        proposals.append(Proposal(len(table.ids), gain, moved))
        report(
            f"{len(table.ids):,} runs: the next one is expected to improve by {gain:.2%} of the spread of the first"
            + ("" if moved is None else f"; the optimum moved by {moved:.3f}")
        )
        calm = calm + 1 if moved is not None and gain <= plan.improvement and moved <= plan.movement else 0
        if calm == CALM:
            return Gathered(table, held_out, proposals, True)
        table = _add(search.swarm, table, batch.mixtures)
    return Gathered(table, held_out, proposals, False)


def _add(swarm: Swarm, table: RunTable, mixtures: Floats) -> RunTable:
    """Return the table with a trained batch behind it; what an earlier call has chosen stays chosen.

    Another machine rounds otherwise, and might choose another of two mixtures that are as good.
    """
    names = [str(len(table.ids) + 1 + i) for i in range(len(mixtures))]
    known = swarm.mixtures()
    order = [list(swarm.proxy.domains).index(name) for name in table.domains]
    rows = [known[name][order] if name in known else row for name, row in zip(names, mixtures, strict=True)]
    return swarm.train(RunTable([*table.ids, *names], table.domains, np.vstack([table.W, rows]))).table


def _seeds(plan: Plan) -> list[int]:
    """Return one seed for the held-out design and one for each batch."""
    batches = -(-(plan.runs - plan.first) // plan.batch)
    return [int(seed) for seed in np.random.SeedSequence(plan.seed).generate_state(1 + batches)]


def _record(plan: Plan, partition: Partition, box: Box, targets: dict[str, float], objective: str) -> dict[str, Any]:
    """Return what decides which runs are trained; the number of batches may grow later."""
    record: dict[str, Any] = {
        "strategy": "regmix",
        "seed": plan.seed,
        "design": {"runs": plan.first, "held_out": plan.held_out, "strength": list(plan.strength)},
        "shares": dict(zip(partition.keys, partition.shares.tolist(), strict=True)),
        "floor": dict(zip(partition.keys, box.floor.tolist(), strict=True)),
        "cap": dict(zip(partition.keys, box.cap.tolist(), strict=True)),
    }
    if plan.active:
        record["active"] = {"batch": plan.batch, "objective": objective, "targets": targets}
    return record
