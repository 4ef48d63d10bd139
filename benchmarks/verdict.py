"""How often a verdict leaves natural, whether it was right to, and what it captured of what there was to gain.

    python benchmarks/verdict.py --out docs/tables/verdict.md [--regmix FOLDER] [--tables 4] [--quick]

Tables of noise (normal, Student's t of 3 degrees; one or three repeats), and tables of six families of truths with
noise of 0.1 to 2 standard deviations of the signal; natural is optimal in one of them, where every departure is wrong.
Runs are drawn around natural. Achievable is the truth's best over the whole simplex, not over the runs' region;
captured is a table's gain over it, clipped to -1 .. 1, 0 where the answer is natural; means are over the families in
which there is something to gain. Beside it: the argmax of the gp's mean over the whole box.
RegMix's tables (17 domains, 13 losses and their mean): natural is the mean of the training mixtures; the truth is a
random forest on all runs of the size.
"""

import argparse
import csv
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestRegressor

from gemix.mix.box import Box, make_box
from gemix.mix.simplex import sample_prior
from gemix.mix.strategies import optimise
from gemix.mix.surrogates import surrogate
from gemix.mix.verdict import decide

DOMAINS = (4, 8, 16, 24)
RUNS = (15, 30, 60, 120)
NOISES = (0.1, 0.3, 1.0, 2.0)
OPTIMAL = "natural optimal"
Truth = Callable[[np.ndarray], np.ndarray]


def law(weights: np.ndarray, rng: np.random.Generator, shift: bool = False) -> Truth:
    """sum_k t_k (w_k + e)^-a; with `shift`, t is chosen so that `weights` is the minimum."""
    a, e = rng.uniform(0.1, 0.6), rng.choice([0.003, 0.01, 0.03])
    t = (weights + e) ** (a + 1) if shift else weights
    return lambda w: (t * (w + e) ** -a).sum(axis=-1)


def exponential(k: int, rng: np.random.Generator) -> Truth:
    c = rng.normal(size=k) * (rng.random(k) < 0.5) * rng.uniform(1, 4)
    return lambda w: np.exp(-(w @ (c - c.mean())))


def pairs(k: int, rng: np.random.Generator) -> Truth:
    A, b = rng.normal(size=(k, k)) / k, rng.normal(size=k)
    return lambda w: w @ b / 2 + ((np.sqrt(w) @ (A + A.T)) * np.sqrt(w)).sum(axis=-1)


def process(k: int, rng: np.random.Generator) -> Truth:
    """Return a smooth random function of sqrt(w): random Fourier features of a Gaussian kernel."""
    frequencies, phase = rng.normal(size=(k, 256)) / rng.uniform(0.4, 1.2), rng.uniform(0, 2 * np.pi, 256)
    c = rng.normal(size=256) * np.sqrt(2 / 256)
    return lambda w: np.cos(np.sqrt(w) @ frequencies + phase) @ c


FAMILIES: dict[str, Callable[[int, np.ndarray, np.random.Generator], Truth]] = {
    "power laws": lambda k, p, rng: law(rng.dirichlet(np.full(k, 0.3)), rng),
    "power laws, natural as target weights": lambda k, p, rng: law(p, rng),
    OPTIMAL: lambda k, p, rng: law(p, rng, shift=True),
    "exponential": lambda k, p, rng: exponential(k, rng),
    "pairs of domains": lambda k, p, rng: pairs(k, rng),
    "random smooth": lambda k, p, rng: process(k, rng),
}


def lowest(f: Truth, p: np.ndarray, rng: np.random.Generator) -> float:
    """Return the least value that is found on the simplex."""
    k = len(p)
    pool = np.vstack([np.eye(k), p, *(rng.dirichlet(np.full(k, a), 2000) for a in (0.1, 0.3, 1.0))])
    values = f(pool)
    ends = [
        minimize(lambda x: f((x * x / (x @ x))[None])[0], np.sqrt(pool[i]), method="L-BFGS-B", options={"maxiter": 60})
        for i in np.argsort(values)[:3]
    ]
    return float(min(values.min(), *(end.fun for end in ends)))


def runs(k: int, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Box]:
    """Return n mixtures around natural shares (a third of the tables: three repeats of each), natural, the box."""
    p = np.maximum(rng.dirichlet(np.full(k, rng.choice([1.0, 3.0]))), 0.2 / k * rng.uniform(0.1, 1, k))
    p /= p.sum()
    box = make_box([f"d{i}" for i in range(k)])
    repeats = 3 if rng.random() < 1 / 3 else 1
    W = sample_prior(p, box, n // repeats, rng, (2.0, 30.0), rng.choice([1.0, 2.0]))
    return np.repeat(W, repeats, axis=0), p, box


def today(W: np.ndarray, y: np.ndarray, p: np.ndarray, box: Box) -> np.ndarray:
    """Return the argmax of the gp's mean over the whole box."""
    model = surrogate("gp").fit(W, y)
    return optimise(lambda V: model.predict(V)[0], box, p, starts=2, tolerance=1e-3).weights


@dataclass
class Row:
    """One table: did it depart, was it better, share captured, and the same share for today's rule."""

    family: str
    k: int
    n: int
    departs: bool
    gains: bool
    captured: float
    today: float | None
    seconds: float


def share(gain: float, achievable: float) -> float:
    return float(np.clip(gain / max(achievable, 1e-9), -1, 1)) if gain else 0.0


def one(family: str, k: int, n: int, seed: int, beside: bool) -> Row:
    """Make a table and decide."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, k, n, sum(map(ord, family))]))
    W, p, box = runs(k, n, rng)
    if family == "noise":
        y = rng.standard_normal(len(W)) if rng.random() < 0.5 else rng.standard_t(3, len(W))
        start = time.perf_counter()
        departs = decide(W, y, p, box).verdict == "better"
        return Row(family, k, n, departs, False, 0.0, None, time.perf_counter() - start)
    f = FAMILIES[family](k, p, rng)
    base, truth = float(f(p[None])[0]), f(W)
    achievable = base - lowest(f, p, rng)
    y = truth + rng.choice(NOISES) * truth.std() * rng.standard_normal(len(W))
    start = time.perf_counter()
    decision = decide(W, y, p, box)
    seconds = time.perf_counter() - start
    departs = decision.verdict == "better"
    gain = base - float(f(decision.weights[None])[0]) if departs else 0.0
    other = share(base - float(f(today(W, y, p, box)[None])[0]), achievable) if beside else None
    return Row(family, k, n, departs, gain > 0, share(gain, achievable), other, seconds)


def cell(rows: list[Row]) -> str:
    """Return: departures of noise; share of signal tables that depart; of these better; captured; today's captured."""
    noise = [row for row in rows if row.family == "noise"]
    signal = [row for row in rows if row.family not in ("noise", OPTIMAL)]
    left = [row for row in signal if row.departs]
    wrong = sum(row.departs for row in rows if row.family == OPTIMAL)
    good = f"{sum(row.gains for row in left)}/{len(left)}"
    beside = [row.today for row in signal if row.today is not None]
    behind = f" \\| {np.mean(beside):.2f}" if beside else ""
    captured = np.mean([row.captured for row in signal]) if signal else np.nan
    optimal = sum(row.family == OPTIMAL for row in rows)
    return (
        f"{sum(row.departs for row in noise)}/{len(noise)}; {wrong}/{optimal}; {len(left)}/{len(signal)}; {good}; "
        f"{captured:.2f}{behind}"
    )


def synthetic(tables: int, noise: int, seed: int) -> list[str]:
    """Run all cells; return the tables."""
    rows: list[Row] = []
    for k in DOMAINS:
        for n in RUNS:
            rows += [one("noise", k, n, seed + i, False) for i in range(noise)]
            rows += [one(family, k, n, seed + i, i == 0) for i in range(tables) for family in FAMILIES]
            print(k, n, cell([row for row in rows if (row.k, row.n) == (k, n)]), flush=True)
    lines = ["| K | " + " | ".join(f"{n} runs" for n in RUNS) + " |", "|--|" + "--|" * len(RUNS)]
    for k in DOMAINS:
        lines.append(f"| {k} | " + " | ".join(cell([r for r in rows if (r.k, r.n) == (k, n)]) for n in RUNS) + " |")
    lines += ["", "| family | tables | depart | of these better | captured | argmax of the mean | its tables |"]
    lines += ["|--|--:|--:|--:|--:|--:|--:|"]
    for family in ("noise", *FAMILIES):
        mine = [row for row in rows if row.family == family]
        left = [row for row in mine if row.departs]
        beside = [row.today for row in mine if row.today is not None]
        other = f"{np.mean(beside):.2f}" if beside else ""
        lines.append(
            f"| {family} | {len(mine)} | {len(left)} | {sum(row.gains for row in left)} | "
            f"{np.mean([row.captured for row in mine]):.2f} | {other} | {len(beside)} |"
        )
    total = [row for row in rows if row.family not in ("noise",)]
    left = [row for row in total if row.departs]
    seconds = np.array([row.seconds for row in total])
    lines += [
        "",
        f"Together, natural-optimal tables included: {sum(row.gains for row in left)} of {len(left)} departures gain; "
        f"seconds a decision: median {np.median(seconds):.2f}, largest {seconds.max():.2f}.",
    ]
    return lines


def regmix(folder: Path, subsets: int, sizes: tuple[int, ...]) -> list[str]:
    """Return the table of RegMix's runs, 1M and 60M."""

    def read(name: str) -> dict[str, list[float]]:
        with (folder / name).open(newline="") as file:
            return {row[0]: [float(v) for v in row[1:]] for row in list(csv.reader(file))[1:]}

    natural = np.array(list(read("train_mixture_1m.csv").values())).mean(axis=0)
    natural /= natural.sum()
    box = make_box([f"d{i}" for i in range(len(natural))])
    lines = ["| model, runs | tables | depart | of these better | captured | argmax of the mean | its tables |"]
    lines += ["|--|--:|--:|--:|--:|--:|--:|"]
    for size, parts in (("1m", ("train", "test")), ("60m", ("test",))):
        W, Y = [], []
        for part in parts:
            mixtures, losses = read(f"{part}_mixture_{size}.csv"), read(f"{part}_pile_loss_{size}.csv")
            W += [mixtures[i] for i in mixtures if i in losses]
            Y += [losses[i] for i in mixtures if i in losses]
        W, Y = np.array(W), np.array(Y)
        W /= W.sum(axis=1, keepdims=True)
        Y = np.column_stack([Y, Y.mean(axis=1)])
        rng = np.random.default_rng(0)
        pool = np.vstack(
            [W, *(rng.dirichlet(natural * s, 4000) for s in (0.5, 2, 8)), rng.dirichlet(natural * 0 + 0.3, 4000)]
        )
        truths = [RandomForestRegressor(200, random_state=0, n_jobs=1).fit(W, y) for y in Y.T]
        for n in sizes:
            found = []
            for subset in range(subsets):
                for t, truth in enumerate(truths):
                    rows = np.random.default_rng([subset, t, n]).permutation(len(W))[:n]
                    base = truth.predict(natural[None])[0]
                    achievable = base - truth.predict(pool).min()
                    decision = decide(W[rows], Y[rows, t], natural, box)
                    departs = decision.verdict == "better"
                    gain = base - truth.predict(decision.weights[None])[0] if departs else 0.0
                    other = None
                    if subset == 0:
                        other = share(
                            base - truth.predict(today(W[rows], Y[rows, t], natural, box)[None])[0], achievable
                        )
                    found.append((departs, gain > 0, share(gain, achievable), other))
            left = [row for row in found if row[0]]
            beside = [row[3] for row in found if row[3] is not None]
            lines.append(
                f"| {size}, {n} | {len(found)} | {len(left)} | {sum(row[1] for row in left)} | "
                f"{np.mean([row[2] for row in found]):.2f} | {np.mean(beside):.2f} | {len(beside)} |"
            )
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Parse the command line and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regmix", type=Path, help="folder of RegMix's tables")
    parser.add_argument("--tables", type=int, default=10, help="of a family in a cell")
    parser.add_argument("--noise", type=int, default=60, help="tables of noise in a cell")
    parser.add_argument("--subsets", type=int, default=3, help="of RegMix's runs, for every loss")
    parser.add_argument("--seed", type=int, default=0, help="the rule was chosen on seeds from 1000 on")
    parser.add_argument("--quick", action="store_true", help="two tables of a family, ten of noise, one subset")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    tables, noise, subsets = (2, 10, 1) if arguments.quick else (arguments.tables, arguments.noise, arguments.subsets)
    command = f"--tables {tables} --noise {noise} --subsets {subsets} --seed {arguments.seed}"
    lines = ["# When to leave natural", "", "```sh", f"python benchmarks/verdict.py {command}", "```", ""]
    lines += [
        "In a cell: departures of noise tables; departures where natural is optimal (all wrong); departures of the "
        "other tables; of these truly better; captured, behind the bar by the argmax of the gp's mean over the whole "
        "box (the first table of each family).",
        "",
    ]
    if arguments.regmix:
        lines += ["## RegMix's runs", "", *regmix(arguments.regmix, subsets, (15, 30, 60, 120)), ""]
    lines += ["## Families of truths", "", *synthetic(tables, noise, arguments.seed)]
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
