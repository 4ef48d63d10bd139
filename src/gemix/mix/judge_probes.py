"""From the probes of Perf to weights with their grounds."""

import numpy as np

from gemix.mix.box import Box, project
from gemix.mix.evidence import DIGITS
from gemix.mix.goal import Goal
from gemix.mix.grounds import Effect, Estimate, Grounds, verdict_of
from gemix.mix.judged import Judged
from gemix.mix.strategies.perf import probe_of
from gemix.mix.strategies.perf_proven import PerfDecision, perf_proven
from gemix.mix.tables import RunTable


def judge_probes(table: RunTable, goal: Goal, baseline: str, box: Box, beta: float = 1.0) -> Judged:
    """Decide on weights by a baseline and a probe of every domain (see `gemix.mix.strategies.perf_proven`).

    Runs of one mixture are repeats of each other. A domain that no probe raises, and that the baseline does not use,
    keeps its weight of 0.

    Args:
        table: the runs.
        goal: one metric.
        baseline: id of a run of the baseline.
        box: caps and floors.
        beta: strength.

    Raises:
        ValueError: an unknown id, or a domain with no probe or several.

    """
    table, values = table.targets(list(goal.weights))
    if baseline not in table.ids:
        raise ValueError(f"no run is called {baseline!r}, the baseline; there are {', '.join(table.ids[:10])}")
    outcomes = goal.outcome(values)
    distinct, which = np.unique(np.round(table.W, DIGITS), axis=0, return_inverse=True)
    which = which.ravel()
    base = int(which[table.ids.index(baseline)])
    w0 = table.W[table.ids.index(baseline)]
    groups = [outcomes[which == i] for i in range(len(distinct))]
    others = np.array([i for i in range(len(distinct)) if i != base], int)
    live = np.flatnonzero(table.W.max(axis=0) > 0).tolist()
    rows = others[probe_of(w0[live], distinct[others][:, live], [table.domains[k] for k in live])]
    mixtures = np.array([table.W[int(np.flatnonzero(which == i)[0])] for i in rows])
    inner = box.over(live)
    found = perf_proven(
        w0[live], mixtures[:, live], groups[base], [groups[i] for i in rows], inner, beta, goal.maximise
    )
    weights, natural = np.zeros(len(w0)), np.zeros(len(w0))
    weights[live], natural[live] = found.weights, project(w0[live], inner)
    known = bool(np.isfinite(found.noise))
    grounds = Grounds(
        verdict=found.verdict,
        grade="predicted" if found.verdict == "better" else None,
        reason=found.reason,
        target=dict(goal.weights),
        objective=goal.kind,
        direction="up" if goal.maximise else "down",
        runs=len(table.ids),
        mixtures=len(distinct),
        noise=found.noise if known else None,
        natural=float(groups[base].mean()),
        others=[_effect(table.domains[k], found, i, len(groups[rows[i]])) for i, k in enumerate(live) if known],
    )
    region = np.stack([table.W.min(axis=0), table.W.max(axis=0)], axis=1)
    return Judged(weights, natural, grounds, region=region)


def _effect(domain: str, found: PerfDecision, i: int, runs: int) -> Effect:
    """Return what more of a domain did, as a gain over the baseline."""
    value, low, high = (float(column[i]) for column in (found.gain, found.low, found.high))
    return Effect(
        metric=f"more of {domain}",
        direction="up",
        natural=0.0,
        change=Estimate(value=value, low=low, high=high),
        verdict=verdict_of(low, high),
        runs=runs,
    )
