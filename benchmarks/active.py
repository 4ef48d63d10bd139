"""Runs needed to reach what all 512 runs reach: chosen at random against chosen by gemix.mix.active.

    python benchmarks/active.py REGMIX_DATA --out docs/tables/active.md

Replays RegMix's published runs (see benchmarks/surrogates.py): the candidates are the 512 training mixtures, a "run"
reveals one's loss. Both start from the same 16 random runs and add 8 at a time, to 160; 20 seeds. After each batch a
Gaussian process is fitted to the runs so far. Two questions, each against the same fit to all 512 runs:

- found: is the lowest loss among the runs made at most that of the training mixture which the 512-run fit predicts
  best?
- picked: is the loss of the test mixture that this fit predicts best, out of the 256 that are never run, at most that
  of the test mixture which the 512-run fit predicts best, now and after every later batch?
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from surrogates import load

from gemix.mix.active import suggest
from gemix.mix.surrogates import surrogate
from gemix.mix.surrogates.validate import spearman
from gemix.runtime.atomic import write_text

START, BATCH, END, SEEDS = 16, 8, 160, 20
TARGETS = ("pile_cc", "arxiv", "dm_mathematics", "ubuntu_irc")
COUNTS = list(range(START, END + 1, BATCH))


def replay(W: np.ndarray, y: np.ndarray, V: np.ndarray, z: np.ndarray, seed: int, active: bool) -> np.ndarray:
    """Return lowest loss run, loss of the test mixture picked and test rank correlation after each batch."""
    order = np.random.default_rng(seed).permutation(len(W))
    done = order[:START]
    rows = []
    for count in COUNTS:
        predicted = surrogate("gp").fit(W[done], y[done]).predict(V)[0]
        rows.append((y[done].min(), z[predicted.argmin()], float(spearman(predicted, z))))
        if active:
            left = np.setdiff1d(np.arange(len(W)), done)
            done = np.append(done, left[suggest(W[done], y[done], BATCH, W[left], seed).rows])
        else:
            done = order[: count + BATCH]
    return np.array(rows)


def needed(reached: np.ndarray) -> float:
    """Return the number of runs from which on it is reached; infinity where it is not at the end."""
    missed = np.flatnonzero(~reached)
    first = missed[-1] + 1 if len(missed) else 0
    return COUNTS[first] if first < len(COUNTS) else np.inf


def quartiles(values: list[float]) -> str:
    """Return median (lower quartile to upper quartile); what is not reached is over the end."""
    shown = [
        f"{int(v)}" if np.isfinite(v) else f"> {END}" for v in np.sort(values)[[SEEDS // 4, SEEDS // 2, -SEEDS // 4]]
    ]
    return f"{shown[1]} ({shown[0]} to {shown[2]})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    _, W, targets, Y = load(arguments.folder, "train")
    _, V, _, Z = load(arguments.folder, "test")
    lines = [
        "# Active design on RegMix's runs",
        "",
        f"Runs needed, median (quartiles) of {SEEDS} seeds, in steps of {BATCH} from {START}; > {END}: not by then.",
        "`found`, `picked`: see the first lines of the script. Rank correlation x 100 on the 256 test mixtures: mean.",
        "",
        "```sh",
        "python benchmarks/active.py REGMIX_DATA --out docs/tables/active.md",
        "```",
        "",
        "| target | runs chosen | found | picked | rank correlation at 32 | at 64 | at 128 |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for target in TARGETS:
        y, z = Y[:, targets.index(target)], Z[:, targets.index(target)]
        full = surrogate("gp").fit(W, y)
        found_goal, picked_goal = (losses[full.predict(M)[0].argmin()] for M, losses in ((W, y), (V, z)))
        for how in ("at random", "by gemix"):
            traces = [replay(W, y, V, z, seed, how == "by gemix") for seed in range(SEEDS)]
            found = quartiles([needed(trace[:, 0] <= found_goal) for trace in traces])
            picked = quartiles([needed(trace[:, 1] <= picked_goal) for trace in traces])
            ranks = [f"{100 * np.mean([t[COUNTS.index(n), 2] for t in traces]):.1f}" for n in (32, 64, 128)]
            lines.append(f"| {target} | {how} | {found} | {picked} | {' | '.join(ranks)} |")
            print(lines[-1], flush=True)
    write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
