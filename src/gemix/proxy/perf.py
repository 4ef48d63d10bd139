"""Perf with its runs: the natural mixture and, for every domain, one with more of it, each with several seeds."""

from collections.abc import Iterable

import numpy as np

from gemix.mix.box import Box, project
from gemix.mix.partition import Partition
from gemix.mix.tables import RunTable
from gemix.proxy.swarm import Swarm, match_domains

BASELINE = "baseline"


def probe(swarms: Iterable[Swarm], partition: Partition, box: Box, target: str, share: float = 0.1) -> RunTable:
    """Train the baseline and the probes in every swarm; return all runs, with ids baseline, more-KEY, baseline-2, ...

    The baseline w0 is the natural mixture, projected to the box. The probe of domain k gives `share` of the tokens to
    it and the rest to the baseline:  w = (1 - share) w0 + share e_k.  So its own weight rises by share (1 - w0_k) and
    all others shrink by the same factor. Probes do not heed the caps: they are measurements, not mixtures to train on.
    Domains without tokens have no probe.

    Args:
        swarms: where they are trained, one a seed.
        partition: the domains.
        box: for the baseline.
        target: validation set, or mean.
        share: of every probe, 0 to 1, exclusive.

    Raises:
        GemixError: as `Swarm.train`.
        ValueError: an unknown target, or a share out of range.

    """
    if not 0 < share < 1:
        raise ValueError(f"the share of a probe is between 0 and 1, not {share:g}")
    base = project(partition.shares, box)
    live = np.flatnonzero(partition.tokens > 0)
    probes = (1 - share) * base + share * np.eye(len(base))[live]
    names = [BASELINE, *(f"more-{partition.keys[k]}" for k in live)]
    asked = RunTable(names, partition.keys, np.vstack([base, probes]))
    tables: list[RunTable] = []
    for swarm in swarms:
        match_domains(swarm.proxy.domains, partition.keys)
        swarm.require([target])
        tables.append(swarm.train(asked).table)
    ids = [name if i == 0 else f"{name}-{i + 1}" for i in range(len(tables)) for name in names]
    metrics = {name: np.concatenate([table.metrics[name] for table in tables]) for name in tables[0].metrics}
    sources = {f"{name} {i + 1}": text for i, table in enumerate(tables) for name, text in table.sources.items()}
    return RunTable(ids, partition.keys, np.concatenate([table.W for table in tables]), metrics, [], sources)
