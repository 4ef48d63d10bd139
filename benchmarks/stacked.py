"""Proxy models trained together on stacked parameters beside the same models one after another.

    python benchmarks/stacked.py --out docs/tables/stacked.md

Eight members of one preset train for a few steps, in groups of 1 and 4. The groupings take turns; the table has medians
over rounds, and ratios to groups of 1 of the same round: of seconds on the clock, and of processor seconds, which other
programs on the machine disturb less (with several threads they count waiting, too). Tokens are drawn at random: what
they are does not change the speed. The last column is the largest difference of a loss from that of the member alone.
"""

import argparse
import os
import platform
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gemix.proxy.dataset import Part, ProxyData
from gemix.proxy.transformer.batches import Batches
from gemix.proxy.transformer.config import preset
from gemix.proxy.transformer.model import initial
from gemix.proxy.transformer.train import evaluate, train
from gemix.runtime.atomic import write_text

MEMBERS, GROUPS = 8, (1, 4)
# preset, tokens of the vocabulary, context, sequences of a step, steps
CASES = (("1m", 8192, 256, 4, 1), ("tiny", 8192, 64, 8, 4), ("tiny", 256, 64, 8, 20))


def corpus(vocabulary: int) -> ProxyData:
    tokens = np.random.default_rng(0).zipf(1.3, (4, 100_000)) % vocabulary
    parts = [Part(name=str(k), documents=1, tokens=100_000, bytes=1) for k in range(4)]
    return ProxyData(vocabulary, 0, parts, list(tokens.astype(np.uint16)), [], [], "")


def processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2] if names else "unknown"


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def run(data: ProxyData, case: tuple[str, int, int, int, int], group: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds of training all members in groups, by both clocks, and a loss of each after it."""
    name, vocabulary, context, batch, steps = case
    config, training = preset(name)
    training = replace(training, context=context, batch=batch)
    mixtures = np.random.default_rng(1).dirichlet(np.ones(4), MEMBERS)
    seconds, losses = np.zeros(2), []
    for first in range(0, MEMBERS, group):
        rows = range(first, first + group)
        weights = initial(config, vocabulary, list(rows))
        batches = [Batches(data, mixtures[m], context, m) for m in rows]
        start = clocks()
        train(config, vocabulary, weights, training, batches, steps * batch * context, "cpu")
        seconds += clocks() - start
        losses.append(evaluate(config, vocabulary, weights, [data.train[0][:500]], 0, context, "cpu"))
    return seconds, np.concatenate(losses)


def main() -> None:
    """Parse the command line, measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    threads = torch.get_num_threads()
    lines = [
        f"{os.cpu_count()} cores ({platform.machine()}, {processor()}), torch {torch.__version__}, "
        f"{threads} thread{'s' * (threads > 1)}, float32. {MEMBERS} members, medians of "
        f"{arguments.rounds} rounds.",
        "",
        "| preset | vocabulary | context x sequences | members at once | processor seconds a million tokens "
        "| x one at a time, clock | x one at a time, processor | largest difference of a loss |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for case in CASES:
        name, vocabulary, context, batch, steps = case
        data = corpus(vocabulary)
        run(data, case, max(GROUPS))  # memory and kernels are warm for all
        seconds = np.empty((arguments.rounds, len(GROUPS), 2))
        losses = np.empty((len(GROUPS), MEMBERS))
        for at in range(arguments.rounds):
            for g, group in enumerate(GROUPS):
                seconds[at, g], found = run(data, case, group)
                losses[g] = found[:, 0]
                print(name, vocabulary, group, seconds[at, g].round(2), flush=True)
        ratios = np.median(seconds[:, :1] / seconds, axis=0)
        cost = np.median(seconds[..., 1], axis=0) / (MEMBERS * steps * batch * context / 1e6)
        apart = np.abs(losses - losses[0]).max(1)
        for g, group in enumerate(GROUPS):
            lines.append(
                f"| {name} | {vocabulary:,} | {context} x {batch} | {group} | {cost[g]:.0f} | {ratios[g, 0]:.2f} "
                f"| {ratios[g, 1]:.2f} | {apart[g]:.0e} |"
            )
        if arguments.out:
            write_text(arguments.out, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
