"""What many components cost: whole fits, passes over all rows, and dual solves on the reference, by metric.

    python benchmarks/components.py run/embeddings/seed.npy --out docs/tables/components.md

1,000,000 x 384 float32, made as in benchmarks/speed.py; lambda = 5000. A fit starts with k-means++ seeds; "cold" is the
first dual solve after them, from zero potentials, where most components count for every row. All else is measured at
the end of the fit: a pass over all components, one that asks only for those near a row, after one more M-step, and the
"warm" solve for that step's components from the potentials before. Newton's method is left out from the K on after
which it took three times as long as L-BFGS.
"""

import argparse
import platform
import time
from pathlib import Path

import numpy as np
from speed import enlarge

from gemix import GEM
from gemix.runtime.atomic import write_text
from gemix.runtime.threads import cores, one_blas_thread
from gemix.sphere import dual
from gemix.sphere.levels import sample
from gemix.sphere.mixture import Components, m_step, start_from
from gemix.sphere.rows import Rows
from gemix.sphere.seeding import plus_plus
from gemix.sphere.steps import reference_rows

BALANCE = 5000.0


def solve(solver, scores, target: np.ndarray, start: np.ndarray) -> str:
    """Return seconds and evaluations to a relative gap of 1e-10."""
    problem = dual._Dual(scores, target, 1.0 / BALANCE)
    begin = time.perf_counter()
    with one_blas_thread():
        b, value, gradient, _ = solver(problem, start, 1e-10, 300)
    seconds = time.perf_counter() - begin
    reached = problem.gap(gradient, b) <= 1e-8 * abs(value)
    return f"{seconds:.2f} s, {problem.evaluations}" + ("" if reached else " (not reached)")


def centred(components: Components) -> tuple[np.ndarray, np.ndarray]:
    """Return kappa mu, (K, d), and biases less their mean, (K,): float32 has no digits to spare for it."""
    return components.scaled(), components.bias() - components.bias().mean()


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--components", type=int, nargs="+", default=[24, 64, 128, 256, 512, 1000, 2048, 4096])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    x = enlarge(np.load(arguments.embeddings), arguments.rows, 384)
    GEM(max(arguments.components[0], 64), balance=BALANCE, random_state=0).fit(x[:20_000])  # compiles the kernels
    lines = [
        f"{len(x):,} x {x.shape[1]}, {cores()} cores ({platform.machine()}). Seconds; of dual solves also evaluations.",
        "",
        "| K | fit | iterations on all rows, passes | pass, all components | / K, ms | pass, near ones | / K, ms "
        "| Newton cold | L-BFGS cold | Newton warm | L-BFGS warm |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    slow = False
    for k in arguments.components:
        rows, random = Rows(x), np.random.RandomState(0)
        reference = sample(rows, reference_rows(k), random)
        target, zero = np.full(k, 1.0 / k), np.zeros(k)
        seeds = plus_plus(reference, k, random)
        start, prior = start_from(reference, seeds, np.log(target), 20.0 / rows.n, None, False)
        scores = reference.weighted_scores(*centred(start), zero)
        cells = {"L-BFGS cold": solve(dual._lbfgs, scores, target, zero)}
        if not slow:
            cells["Newton cold"] = solve(dual._newton, scores, target, zero)
            newton, lbfgs = (float(cells[f"{name} cold"].split()[0]) for name in ("Newton", "L-BFGS"))
            slow = newton > max(3 * lbfgs, 0.2)
        begin = time.perf_counter()
        model = GEM(k, balance=BALANCE, random_state=0).fit(x)
        fit = time.perf_counter() - begin
        found = Components(model.mean_directions_, model.concentrations_, np.log(target))
        begin = time.perf_counter()
        last = rows.statistics(*centred(found), model.potentials_)
        full = time.perf_counter() - begin
        after = m_step(last.sums, last.masses, np.log(target), prior, False, found.directions)
        begin = time.perf_counter()
        rows.statistics(*centred(after), model.potentials_)
        near = time.perf_counter() - begin
        scores = reference.weighted_scores(*centred(after), model.potentials_)
        cells["L-BFGS warm"] = solve(dual._lbfgs, scores, target, model.potentials_)
        if not slow:
            cells["Newton warm"] = solve(dual._newton, scores, target, model.potentials_)
        lines.append(
            f"| {k:,} | {fit:.0f} | {model.n_iter_}, {model.n_evaluations_} | {full:.2f} | {1e3 * full / k:.1f} "
            f"| {near:.2f} | {1e3 * near / k:.1f} | "
            + " | ".join(cells.get(f"{s} {t}", "too slow") for t in ("cold", "warm") for s in ("Newton", "L-BFGS"))
            + " |"
        )
        print(lines[-1], flush=True)
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
