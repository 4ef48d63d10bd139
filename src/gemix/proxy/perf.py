"""Perf with its runs: one on the natural mixture and, for every domain, one with more of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gemix.mix.box import Box, Floats, project
from gemix.mix.partition import Partition
from gemix.mix.strategies.perf import gains
from gemix.mix.tables import RunTable
from gemix.proxy.swarm import Swarm, match_domains

BASELINE = "baseline"


@dataclass(frozen=True)
class Probed:
    """What the probes showed.

    Attributes:
        table: the runs: the baseline, then one for every domain that has tokens.
        base: (K,) weights of the baseline.
        gain: (K,) by how much each probe's result is lower; NaN for a domain without tokens.

    """

    table: RunTable
    base: Floats
    gain: Floats


def probe(
    swarm: Swarm, partition: Partition, box: Box, target: str, share: float = 0.1, higher_is_better: bool = False
) -> Probed:
    """Train the baseline and the probes.

    The baseline w0 is the natural mixture, projected to the box. The probe of domain k gives `share` of the tokens to
    it and the rest to the baseline:  w = (1 - share) w0 + share e_k.  So its own weight rises by share (1 - w0_k) and
    all others shrink by the same factor. Probes do not heed the caps: they are measurements, not mixtures to train on.

    Args:
        swarm: where they are trained.
        partition: the domains.
        box: for the baseline.
        target: validation set, or mean.
        share: of every probe, 0 to 1, exclusive.
        higher_is_better: the target is to rise.

    Raises:
        GemixError: as `Swarm.train`.
        ValueError: an unknown target, or a share out of range.

    """
    if not 0 < share < 1:
        raise ValueError(f"the share of a probe is between 0 and 1, not {share:g}")
    match_domains(swarm.proxy.domains, partition.keys)
    swarm.require([target])
    base = project(partition.shares, box)
    live = np.flatnonzero(partition.tokens > 0)
    probes = (1 - share) * base + share * np.eye(len(base))[live]
    names = [BASELINE, *(f"more-{partition.keys[k]}" for k in live)]
    table = swarm.train(RunTable(names, partition.keys, np.vstack([base, probes]))).table
    values = table.targets([target])[1][:, 0]
    gain = np.full(len(base), np.nan)
    gain[live] = gains(values[0], values[1:], higher_is_better)
    return Probed(table, base, gain)


def weigh(probed: Probed, box: Box, rule: Callable[[Floats, Floats, Box], Floats]) -> Floats:
    """Return the weights, (K,), by a rule of `gemix.mix.strategies.perf` over the domains that have tokens.

    Args:
        probed: what the probes showed.
        box: where the result lies.
        rule: base, gains and box of these domains -> weights.

    """
    live = np.isfinite(probed.gain)
    names = [name for name, there in zip(box.names, live, strict=True) if there]
    weights = np.zeros(len(live))
    weights[live] = rule(probed.base[live], probed.gain[live], Box(names, box.floor[live], box.cap[live]))
    return weights
