"""What stands behind `gemix sweep`: warm starts beside cold ones, and how near each K comes to human topics.

    python benchmarks/choosing.py run/ --label topic

The first table fits a balance of 5000 from the k-means++ start (cold) and from the fit for a balance of 0 (warm), three
seeds. The second gives the agreement of balanced domains with a label that the corpus carries, two seeds.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from gemix import GEM
from gemix.sphere.mixture import Components, Fit, Prior, run_em, start_from
from gemix.sphere.rows import Rows
from gemix.sphere.seeding import plus_plus
from gemix.sphere.steps import ExactStep

BALANCE = 5000.0


def em(rows: Rows, start: Components, prior: Prior, balance: float) -> tuple[Fit, NDArray[np.intp]]:
    k = len(start.concentrations)
    step = ExactStep(balance, np.full(k, 1 / k), rows)
    fit = run_em(rows, start, step, prior, shared=False, max_iter=200, tol=1e-5, relaxation=0.5)
    bias = fit.components.bias() - fit.assignment.potentials
    return fit, rows.scores(fit.components.scaled(), bias - bias.mean()).argmax(axis=1)


def warm_starts(rows: Rows, k: int) -> str:
    fits = []
    for seed in range(3):
        seeds = plus_plus(rows, k, np.random.RandomState(seed))
        start, prior = start_from(rows, seeds, np.full(k, -np.log(k)), 20.0, None, False)
        loose, _ = em(rows, start, prior, 0.0)
        fits.append((em(rows, start, prior, BALANCE), em(rows, loose.components, prior, BALANCE)))
    iterations = [np.mean([pair[way][0].n_iter for pair in fits]) for way in (0, 1)]
    gains = [warm.objective[-1] - cold.objective[-1] for (cold, _), (warm, _) in fits]
    agreement = [adjusted_rand_score(cold, warm) for (_, cold), (_, warm) in fits]
    over_seeds = [
        np.mean([adjusted_rand_score(a[way][1], b[way][1]) for a, b in itertools.combinations(fits, 2)])
        for way in (0, 1)
    ]
    return (
        f"| {k} | {iterations[0]:.0f} | {iterations[1]:.0f} | {min(gains):+.2f} to {max(gains):+.2f} "
        f"| {min(agreement):.2f} to {max(agreement):.2f} | {over_seeds[0]:.2f} | {over_seeds[1]:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--label", default="topic", help="key in the meta column of seed.parquet")
    arguments = parser.parse_args()
    X = np.load(arguments.run / "embeddings" / "seed.npy", mmap_mode="r")
    print("| K | iterations cold | warm | F warm - F cold | Rand index cold, warm | over seeds, cold | warm |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for k in (24, 96):
        print(warm_starts(Rows(X), k), flush=True)
    meta = pq.read_table(arguments.run / "seed.parquet", columns=["meta"])["meta"].to_pylist()
    topics = [json.loads(text)[arguments.label] for text in meta]
    print("\n| K | Rand index with topics | mutual information |\n|--:|--:|--:|")
    for k in (8, 12, 24, 48, 96):
        found = [GEM(k, balance=BALANCE, random_state=seed).fit_predict(X) for seed in range(2)]
        rand = np.mean([adjusted_rand_score(topics, labels) for labels in found])
        information = np.mean([adjusted_mutual_info_score(topics, labels) for labels in found])
        print(f"| {k} | {rand:.3f} | {information:.3f} |", flush=True)


if __name__ == "__main__":
    main()
