"""The paper's mirror ascent and the exact dual from the same start: objective against sweeps and against seconds.

    python benchmarks/solvers.py run/embeddings/seed.npy --out docs/tables/solvers.md --figure docs/figures/solvers.svg

One E-step at fixed components (k-means++ seeds, one M-step), float64, cold: how far is each solver from the certified
optimum after how many passes over the scores? "mm" is `gemix.sphere.mm`: mirror steps of 1 / (1 + lambda max pi), which
are about K times the step 1 / (1 + lambda) that the bound guarantees, checked at every sweep and undone where F would
fall; the guaranteed step alone is shown too, as "mm, guaranteed step".
"""

import argparse
import platform
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np

from gemix.runtime.atomic import atomic_path, write_text
from gemix.runtime.threads import cores
from gemix.sphere import mm
from gemix.sphere.dual import solve_dual
from gemix.sphere.mixture import start_from
from gemix.sphere.rows import Rows
from gemix.sphere.scores import ArrayScores
from gemix.sphere.seeding import plus_plus

mpl.use("svg")
BALANCES = (500.0, 5000.0, 50000.0)
CHECKED = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


class GuaranteedStep(mm.MirrorAscent):
    """Mirror ascent that never tries the longer step."""

    longer = False


def mirror(kind: type[mm.MirrorAscent], scores: np.ndarray, weights: np.ndarray, target: np.ndarray, balance: float):
    """Return (sweeps, seconds, F) of mirror ascent at CHECKED sweeps."""
    ascent, out, seconds = kind(scores), [], 0.0
    for sweeps in CHECKED:
        start = time.perf_counter()
        value = ascent.solve(scores, weights, target, balance, sweeps - ascent.sweeps, 0.0).objective
        seconds += time.perf_counter() - start
        out.append((ascent.sweeps, seconds, value))
        if ascent.sweeps < sweeps:
            break
    return out


def exact(scores: np.ndarray, weights: np.ndarray, target: np.ndarray, balance: float):
    """Return (passes, seconds, F) of the dual after every number of passes, and the certified gap at the end."""
    out, gap = [], np.inf
    for passes in range(1, 200):
        start = time.perf_counter()
        found = solve_dual(ArrayScores(scores, weights), target, balance, None, 1e-13, passes)
        out.append((found.evaluations, time.perf_counter() - start, found.objective))
        gap = found.gap
        if found.evaluations < passes:
            break
    return out, gap


def main() -> None:
    """Parse the command line, write table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    import matplotlib.pyplot as plt

    k = arguments.clusters
    rows = Rows(np.load(arguments.embeddings).astype(np.float64))
    target = np.full(k, 1.0 / k)
    seeds = plus_plus(rows, k, np.random.RandomState(0))
    components, _ = start_from(rows, seeds, np.log(target), 20.0 / rows.n, None, False)
    bias = components.bias()
    scores = rows.scores(components.scaled(), bias - bias.mean())
    lines = [
        f"{rows.n:,} x {rows.d}, K = {k}; {cores()} cores ({platform.machine()}). Distance of F from the certified "
        "optimum after 1, 10, 100 and 1000 passes, and passes and seconds to within 1e-6 of it (relative).",
        "",
        "| lambda | solver | 1 | 10 | 100 | 1000 | passes | seconds | certified gap |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    figure, axes = plt.subplots(2, len(BALANCES), figsize=(11, 6), sharey="col", layout="constrained")
    for column, balance in enumerate(BALANCES):
        traces = {}
        traces["exact"], gap = exact(scores, rows.weights, target, balance)
        traces["mm"] = mirror(mm.MirrorAscent, scores, rows.weights, target, balance)
        traces["mm, guaranteed step"] = mirror(GuaranteedStep, scores, rows.weights, target, balance)
        best = max(value for trace in traces.values() for *_, value in trace)
        for name, trace in traces.items():
            passes, seconds, values = map(np.array, zip(*trace, strict=True))
            left = np.maximum(best - values, 1e-12)
            cells = [f"{left[passes <= m][-1]:.1e}" for m in (1, 10, 100, 1000)]
            near = np.flatnonzero(left <= 1e-6 * abs(best))
            reached = f"{passes[near[0]]} | {seconds[near[0]]:.2f}" if len(near) else "not reached |"
            certified = f"{gap:.0e}" if name == "exact" else "none"
            lines.append(f"| {balance:g} | {name} | {' | '.join(cells)} | {reached} | {certified} |")
            print(lines[-1], flush=True)
            axes[0, column].loglog(passes, left, label=name)
            axes[1, column].loglog(seconds, left, label=name)
        axes[0, column].set(title=f"λ = {balance:g}", xlabel="passes over the scores")
        axes[1, column].set(xlabel="seconds")
    for row in axes:
        row[0].set_ylabel("F* − F")
    axes[0, -1].legend()
    if arguments.figure:
        arguments.figure.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(arguments.figure) as tmp:
            figure.savefig(tmp, format="svg", metadata={"Date": None})
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
