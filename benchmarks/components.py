"""What many components cost: one pass over all rows, and the dual solve on the reference, by metric.

    python benchmarks/components.py run/embeddings/seed.npy --out docs/tables/components.md

1,000,000 x 384 float32, made as in benchmarks/speed.py; components from k-means++ seeds and one M-step, lambda = 5000.
"cold" starts at zero potentials, "warm" from the optimum of the components one EM iteration before.
"""

import argparse
import platform
import time
from pathlib import Path

import numpy as np
from speed import enlarge

from gemix.corpus.atomic import write_text
from gemix.sphere import dual
from gemix.sphere.chunks import cores, one_blas_thread
from gemix.sphere.levels import sample
from gemix.sphere.mixture import m_step, start_from
from gemix.sphere.rows import Rows
from gemix.sphere.seeding import plus_plus
from gemix.sphere.steps import reference_rows

BALANCE = 5000.0
LIMIT = 60.0  # seconds a solver may take


def solve(solver, scores, target: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the potentials, and seconds and evaluations to a relative gap of 1e-10."""
    problem = dual._Dual(scores, target, 1.0 / BALANCE)
    begin = time.perf_counter()
    with one_blas_thread():
        b, value, gradient, _ = solver(problem, start, 1e-10, 300)
    seconds = time.perf_counter() - begin
    reached = problem.gap(gradient, b) <= 1e-8 * abs(value)
    return b, f"{seconds:.2f} s, {problem.evaluations}" + ("" if reached else " (not reached)")


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--components", type=int, nargs="+", default=[24, 64, 128, 256, 512, 1000, 2048, 4096])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = Rows(enlarge(np.load(arguments.embeddings), arguments.rows, 384))
    lines = [
        f"{rows.n:,} x {rows.d}, {cores()} cores ({platform.machine()}). Seconds and evaluations of a dual solve.",
        "",
        "| K | pass, s | pass / K, ms | reference rows | Newton cold | L-BFGS cold | Newton warm | L-BFGS warm |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    slow = False
    for k in arguments.components:
        random = np.random.RandomState(0)
        reference = sample(rows, reference_rows(k), random)
        target, zero = np.full(k, 1.0 / k), np.zeros(k)
        seeds = plus_plus(reference, k, random)
        before, prior = start_from(reference, seeds, np.log(target), 20.0, None, False)
        offset = before.bias().mean()
        scores = reference.weighted_scores(before.scaled(), before.bias() - offset)
        cells = {}
        first, cells["L-BFGS cold"] = solve(dual._lbfgs, scores, target, zero)
        if not slow:
            first, cells["Newton cold"] = solve(dual._newton, scores, target, zero)
        near = reference.statistics(before.scaled(), before.bias() - offset, first)
        after = m_step(near.sums, near.masses, reference.count, np.log(target), prior, False, before.directions)
        offset = after.bias().mean()
        scores = reference.weighted_scores(after.scaled(), after.bias() - offset)
        _, cells["L-BFGS warm"] = solve(dual._lbfgs, scores, target, first)
        if not slow:
            _, cells["Newton warm"] = solve(dual._newton, scores, target, first)
            slow = float(cells["Newton cold"].split()[0]) > LIMIT / 4
        begin = time.perf_counter()
        rows.statistics(after.scaled(), after.bias() - offset, first)
        seconds = time.perf_counter() - begin
        lines.append(
            f"| {k:,} | {seconds:.1f} | {1e3 * seconds / k:.1f} | {reference.n:,} | "
            + " | ".join(cells.get(f"{s} {t}", "too slow") for t in ("cold", "warm") for s in ("Newton", "L-BFGS"))
            + " |"
        )
        print(lines[-1], flush=True)
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
