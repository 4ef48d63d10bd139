"""Every surrogate on RegMix's published runs: rank correlation on mixtures that no fit has seen.

    python benchmarks/surrogates.py REGMIX_DATA --out docs/tables/surrogates.md

REGMIX_DATA is the folder `data/` of sail-sg/regmix: 512 training and 256 test mixtures over 17 Pile domains, 13 losses
of 1M-parameter models. Subsets of n training runs are the first n of `numpy.random.default_rng(seed).permutation(512)`,
seeds 0 to 4. One core; the surrogates inside "auto" are fitted once and also reported alone.
"""

import argparse
import csv
import os
import platform
import time
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightgbm
import numpy as np

from gemix.mix.surrogates import cross_validate, surrogate
from gemix.mix.surrogates.average import Average
from gemix.mix.surrogates.boosting import REGMIX
from gemix.mix.surrogates.validate import spearman
from gemix.runtime.atomic import write_text

SIZES = (32, 64, 128, 256, 512)
SUBSETS = 5
MAIN = "pile_cc"
KINDS = ("gp", "lightgbm", "loglinear", "linear", "auto")
ROWS = ("RegMix's LightGBM", *KINDS)


def read(path: Path) -> tuple[list[str], dict[int, list[float]]]:
    """Read a table with an index column; return short column names, and rows by index."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    names = [name.removeprefix("train_the_pile_").removeprefix("metric/the_pile_") for name in header[1:]]
    return [name.removesuffix("_val_loss") for name in names], {int(r[0]): [float(v) for v in r[1:]] for r in rows}


def load(folder: Path, part: str) -> tuple[list[str], np.ndarray, list[str], np.ndarray]:
    """Join mixtures and losses of one part ("train", "test") by index; return names, (n, 17), names, (n, 13)."""
    domains, mixtures = read(folder / f"{part}_mixture_1m.csv")
    targets, losses = read(folder / f"{part}_pile_loss_1m.csv")
    index = sorted(mixtures.keys() & losses.keys())
    return domains, np.array([mixtures[i] for i in index]), targets, np.array([losses[i] for i in index])


def regmix() -> lightgbm.LGBMRegressor:
    """RegMix's regressor as it is."""
    return lightgbm.LGBMRegressor(**REGMIX, verbosity=-1, n_jobs=1, metric=["l1", "l2"])


def notebook(train: tuple, test: tuple) -> list[str]:
    """Repeat RegMix's notebook, early stopping on the test set included; return a table."""
    (_, W, targets, Y), (_, V, _, Z) = train, test
    lines = ["| target | Spearman x 100 |", "|---|--:|"]
    for i, name in enumerate(targets):
        model = regmix()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer LightGBM renames eval_set
            stop = lightgbm.early_stopping(3, verbose=False)
            model.fit(W, Y[:, i], eval_set=[(V, Z[:, i])], eval_metric="l2", callbacks=[stop])
            lines.append(f"| {name} | {100 * spearman(model.predict(V), Z[:, i]):.2f} |")
    return lines


def subset_scores(W: np.ndarray, y: np.ndarray, V: np.ndarray, z: np.ndarray) -> dict[str, float]:
    """Fit every surrogate; return its rank correlation x 100."""
    average = surrogate("auto").fit(W, y)
    assert isinstance(average, Average)
    predicted = {member.kind: member.predict(V)[0] for member in average.members_} | {"auto": average.predict(V)[0]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predicted["RegMix's LightGBM"] = regmix().fit(W, y).predict(V)
    return {kind: 100 * float(spearman(p, z)) for kind, p in predicted.items()}


def grid(rows: dict[str, list[str]], head: list[str]) -> list[str]:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(["surrogate", *head]) + " |", "|---|" + "--:|" * len(head)]
    return lines + ["| " + " | ".join([name, *cells]) + " |" for name, cells in rows.items()]


def seconds(W: np.ndarray, y: np.ndarray) -> dict[str, list[str]]:
    """Measure the processor time of one fit of every kind at every size."""
    out: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for n in SIZES:
        for kind in KINDS:
            start = time.process_time()
            surrogate(kind).fit(W[:n], y[:n])
            out[kind].append(f"{time.process_time() - start:.2f}")
    return out


def extrapolation(W: np.ndarray, Y: np.ndarray) -> dict[str, list[str]]:
    """Fit to the worst three quarters of the runs, rank the best quarter; mean over targets, and the worst target."""
    scores: dict[str, list[float]] = {}
    regret: dict[str, list[float]] = {}
    for y in Y.T:
        best = y <= np.quantile(y, 0.25)
        average = surrogate("auto").fit(W[~best], y[~best])
        assert isinstance(average, Average)
        for model in [*average.members_, average]:
            p = model.predict(W[best])[0]
            scores.setdefault(model.kind, []).append(100 * float(spearman(p, y[best])))
            regret.setdefault(model.kind, []).append((y[best][p.argmin()] - y.min()) / y.std())
    return {
        kind: [f"{np.mean(scores[kind]):.1f}", f"{np.min(scores[kind]):.1f}", f"{np.mean(regret[kind]):.2f}"]
        for kind in KINDS
    }


def measure(train: tuple, test: tuple) -> dict[tuple[str, int, str], list[float]]:
    """Return the scores of the subsets by (target, n, surrogate)."""
    (_, W, targets, Y), (_, V, _, Z) = train, test
    scores: dict[tuple[str, int, str], list[float]] = {}
    for i, target in enumerate(targets):
        for n in SIZES:
            for seed in range(SUBSETS if n < len(W) else 1):
                rows = np.random.default_rng(seed).permutation(len(W))[:n]
                for kind, score in subset_scores(W[rows], Y[rows, i], V, Z[:, i]).items():
                    scores.setdefault((target, n, kind), []).append(score)
        print(target, {k: round(float(np.mean(scores[target, 128, k])), 2) for k in ROWS}, flush=True)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    train, test = load(arguments.folder, "train"), load(arguments.folder, "test")
    _, W, targets, Y = train
    main_target = targets.index(MAIN)
    y = Y[:, main_target]
    scores = measure(train, test)
    sizes = [f"n = {n}" for n in SIZES]
    lines = [
        "# Surrogates on RegMix's runs",
        "",
        "Spearman x 100 on the 256 test mixtures; mean of five random subsets of the 512 training runs (one at 512).",
        f"One core; {platform.machine()}, Python {platform.python_version()}, LightGBM {lightgbm.__version__}.",
        "",
        "```sh",
        "python benchmarks/surrogates.py REGMIX_DATA --out docs/tables/surrogates.md",
        "```",
    ]

    def cell(target: str, n: int, kind: str) -> str:
        values = scores[target, n, kind]
        spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
        return f"{np.mean(values):.2f}{spread}"

    lines += ["", f"## Target {MAIN}, worst and best subset in brackets", ""]
    lines += grid({kind: [cell(MAIN, n, kind) for n in SIZES] for kind in ROWS}, sizes)
    everywhere = {
        kind: [f"{np.mean([np.mean(scores[t, n, kind]) for t in targets]):.2f}" for n in SIZES] for kind in ROWS
    }
    lines += ["", "## Mean of the 13 targets", "", *grid(everywhere, sizes)]
    for n in (64, 128, 512):
        lines += ["", f"## Each target, n = {n}", ""]
        lines += grid({t: [f"{np.mean(scores[t, n, kind]):.2f}" for kind in ROWS] for t in targets}, list(ROWS))
        lines[-len(targets) - 2] = lines[-len(targets) - 2].replace("surrogate", "target", 1)
    lines += ["", "## Beyond the runs", ""]
    lines += [
        "Fitted to the worst 75 % of the 512 runs by their own loss, ranking the best 25 %. Regret: loss of the one",
        "",
    ]
    lines[-2] += " predicted best less the lowest loss, in standard deviations; mean of 13 targets."
    lines += grid(extrapolation(W, Y), ["Spearman x 100, mean", "worst target", "regret"])
    lines += ["", f"## What cross-validation says and what the test mixtures say, {MAIN}, subset 0", ""]
    rows = {}
    for kind in KINDS:
        for n in (64, 128):
            kept = np.random.default_rng(0).permutation(len(W))[:n]
            cv = cross_validate(kind, W[kept], y[kept], folds=5, repeats=3, seed=0)
            seen = scores[MAIN, n, kind][0]
            rows[f"{kind}, n = {n}"] = [
                f"{100 * cv.spearman:.1f} ({100 * cv.low:.1f} to {100 * cv.high:.1f})",
                f"{seen:.1f}",
            ]
    lines += grid(rows, ["cross-validated (95 % interval)", "test"])
    lines += ["", "## Processor seconds a fit", "", *grid(seconds(W, y), sizes)]
    lines += ["", "## RegMix's notebook, repeated (stops early on the test set)", "", *notebook(train, test)]
    write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
