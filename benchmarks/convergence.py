"""How far the default tolerance is from convergence, and what it costs beside faiss.

    pip install faiss-cpu
    python benchmarks/convergence.py run/embeddings/seed.npy --rows 0 400000 1000000

For each size (0: the embeddings themselves; others enlarged with noise as in benchmarks/speed.py) and K: a fit at the
defaults, then plain EM and momentum from where it ended until no label moves for ten iterations. `moved`: labels that
differ then. `gain`: nats a document. `x faiss`: processor time over that of 20 iterations of faiss's spherical k-means
on all points. For the embeddings themselves also the adjusted Rand index between six seeds.
"""

import argparse
import time
from itertools import combinations
from pathlib import Path

import faiss
import numpy as np
from sklearn.metrics import adjusted_rand_score
from speed import enlarge

from gemix import GEM
from gemix.sphere.levels import sample
from gemix.sphere.mixture import Components, Momentum, Prior, m_step
from gemix.sphere.rows import Rows
from gemix.sphere.steps import ExactStep, SampledStep, reference_rows

STILL, MOST = 10, 1000


def continued(model: GEM, x: np.ndarray) -> tuple[float, float, int]:
    """Go on from a fit until no label moves; return labels that moved, gain of F and iterations."""
    rows, k = Rows(x), model.n_clusters
    prior = Prior(model.prior_strength / rows.count, model.prior_resultant_, rows.max_concentration)
    parts = Components(model.mean_directions_, model.concentrations_, np.full(k, -np.log(k)))
    some = sample(rows, reference_rows(k), np.random.RandomState(0))
    problem = model.balance_, model.target_, 1e-6, model.potentials_
    step = ExactStep(*problem) if some is rows else SampledStep(some, *problem)
    ahead, plain, floor, still, labels, values = Momentum(prior.highest, False), None, -np.inf, 0, model.labels_, []
    while still < STILL and len(values) < MOST:
        offset = float(parts.bias().mean())
        found = step.run(rows, parts.scaled(), parts.bias() - offset, -np.inf)
        value = found.assignment.objective + offset + parts.prior_term(prior)
        if plain is not None and value < floor:
            parts, plain = plain, None
            ahead.restart()
            continue
        values.append(value)
        shift = (parts.bias() - offset - found.assignment.potentials).astype(rows.dtype)
        now = np.concatenate([(rows.products(parts.scaled(), c) + shift).argmax(axis=1) for c in rows.slices()])
        still, labels = still + 1 if np.array_equal(now, labels) else 0, now
        masses, sums = found.assignment.masses, found.sums
        plain = m_step(sums, masses, parts.log_alpha, prior, False, parts.directions)
        floor = value + plain.linear_term(masses, sums) - parts.linear_term(masses, sums)
        floor += plain.prior_term(prior) - parts.prior_term(prior)
        parts = ahead.beyond(plain)
    return float(np.mean(labels != model.labels_)), values[-1] - values[0], len(values)


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[0, 400_000, 1_000_000])
    parser.add_argument("--clusters", type=int, nargs="+", default=[24, 256])
    arguments = parser.parse_args()
    seed = np.load(arguments.embeddings).astype(np.float32)
    GEM(64, random_state=0, max_iter=2).fit(seed[:2000])  # compiles the kernels
    print(
        "| rows | K | iterations | passes | x faiss | moved | gain | iterations more |\n"
        "|--:|--:|--:|--:|--:|--:|--:|--:|"
    )
    for n in arguments.rows:
        x = enlarge(seed, n, seed.shape[1]) if n else seed
        for k in arguments.clusters:
            begin = time.process_time()
            model = GEM(k, random_state=0).fit(x)
            middle = time.process_time()
            faiss.Kmeans(x.shape[1], k, niter=20, spherical=True, seed=0, max_points_per_centroid=len(x)).train(x)
            ratio = (middle - begin) / (time.process_time() - middle)
            moved, gain, more = continued(model, x)
            print(
                f"| {len(x):,} | {k} | {model.n_iter_} | {model.n_evaluations_} | {ratio:.2f} | {moved:.2%} "
                f"| {gain:.1e} | {more} |",
                flush=True,
            )
            if not n:
                fits = [model.labels_, *(GEM(k, random_state=s).fit(x).labels_ for s in range(1, 6))]
                agreement = np.mean([adjusted_rand_score(a, b) for a, b in combinations(fits, 2)])
                print(f"<!-- K = {k}: adjusted Rand index between six seeds {agreement:.3f} -->", flush=True)


if __name__ == "__main__":
    main()
