"""Train a slow swarm; for tests that kill it. Arguments: folder, number of runs, rank, world size (-1: no rank)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from proxy.fake_proxy import DOMAINS, FakeProxy

from gemix.mix.tables import RunTable
from gemix.proxy.swarm import Swarm
from gemix.runtime.ranks import Rank

if __name__ == "__main__":
    folder, number, rank, size = sys.argv[1], *map(int, sys.argv[2:5])
    w = np.random.default_rng(0).dirichlet(np.ones(4), number)
    runs = RunTable([str(i + 1) for i in range(number)], list(DOMAINS), w)
    trained = Swarm(Path(folder), FakeProxy(pause=0.1), 1000).train(runs, None if rank < 0 else Rank(rank, size))
    print(len(trained.new), len(trained.old), len(trained.missing))
