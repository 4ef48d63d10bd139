"""One process of a distributed fit: DATA RANK WORLD MEETING OUT [checkpoint FOLDER] [die ITERATION] [weights] [bad]."""

import logging
import os
import sys
from pathlib import Path

import numpy as np
import torch.distributed as dist

from gemix.sphere import GEM, levels, steps


class Dies(logging.Handler):
    """Kills the process on all rows' iteration N, as the kernel does: nothing is cleaned up."""

    def __init__(self, iteration: int, rows_after: int) -> None:
        super().__init__()
        self.iteration, self.left = iteration, rows_after

    def emit(self, record: logging.LogRecord) -> None:
        self.left -= record.args[0] == 0
        if self.left == 0 and record.args[0] == self.iteration:
            os.kill(os.getpid(), 9)


def main() -> None:
    data, rank, world, meeting, out, *options = sys.argv[1:]
    levels._MIN_ROWS, levels._MIN_ROWS_A_COMPONENT, steps._REFERENCE_ROWS = 300, 10, 200
    x = np.load(data, mmap_mode="r")
    # Shares of different sizes.
    bounds = (len(x) * (np.arange(int(world) + 1) / int(world)) ** 1.5).astype(int)
    mine = slice(bounds[int(rank)], bounds[int(rank) + 1])
    own = np.array(x[mine])
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(x))[mine] if "weights" in options else None
    if "bad" in options and rank == "1":
        own[5] = np.nan
    if "die" in options and rank == "1":
        logger = logging.getLogger("gemix.sphere")
        logger.setLevel(logging.INFO)
        logger.addHandler(Dies(int(options[options.index("die") + 1]), len(levels_of(len(x)))))
    folder = options[options.index("checkpoint") + 1] if "checkpoint" in options else None
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=int(rank), world_size=int(world))
    try:
        model = GEM(6, balance=500, tol=1e-12, random_state=0, distributed=True, checkpoint=folder)
        model.fit(own, sample_weight=weights)
    except (ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(3)  # the group is broken; waiting for it would not end
    np.savez(
        Path(out) / f"{rank}.npz", directions=model.mean_directions_, concentrations=model.concentrations_,
        masses=model.masses_, labels=model.labels_, objective=model.objective_, iterations=model.n_iter_,
    )  # fmt: skip
    dist.destroy_process_group()


def levels_of(n: int) -> list[int]:
    sizes = [n]
    while sizes[-1] // 4 >= 300:
        sizes.append(sizes[-1] // 4)
    return sizes


if __name__ == "__main__":
    main()
