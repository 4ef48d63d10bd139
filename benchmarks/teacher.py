"""GEM beside k-means, spherical k-means and the plain vMF mixture: balance, agreement with human topics, time.

    python benchmarks/teacher.py PAGES.jsonl.zst --label topic --out docs/tables/teacher.md

PAGES is any corpus with a human label column; every document of it is used. Two corpora are made from it: as it is, and
a Zipf-skewed subsample in which the r-th largest label (ranks drawn once) keeps 1/r of the first one's documents.
Methods run one after the other in this process, from the same seeds; times are wall seconds of one fit.
"""

import argparse
import json
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from gemix import GEM, KMeans, SphericalKMeans, VonMisesFisherMixture, metrics
from gemix.corpus.seed import sample_seed
from gemix.corpus.shards import resolve_shards
from gemix.corpus.window import Window
from gemix.embed import embed_documents, make_embedder
from gemix.runtime.atomic import write_text

BALANCE = 5000.0


def methods(k: int, seed: int) -> dict[str, Any]:
    """Return the estimators under comparison."""
    return {
        "k-means": KMeans(k, random_state=seed),
        "spherical k-means": SphericalKMeans(k, random_state=seed),
        "vMF mixture": VonMisesFisherMixture(k, random_state=seed),
        "GEM (mm)": GEM(k, balance=BALANCE, solver="mm", random_state=seed),
        "GEM (exact)": GEM(k, balance=BALANCE, random_state=seed),
    }


def load(corpus: str, label: str, embedder: str, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Embed every document of the corpus; return unit rows (n, d) float32 and their labels."""
    sample = sample_seed(resolve_shards([corpus]), documents=10**9, window=Window(window))
    with TemporaryDirectory() as folder:
        made = make_embedder(embedder, workers=2, shards=sample.shards)
        result = embed_documents(sample.table, made, Path(folder))
        x = np.load(Path(folder) / "seed.npy").astype(np.float32)
    labels = np.array([json.loads(meta)[label] for meta in sample.table["meta"].to_pylist()])
    return x, labels[result.rows]


def zipf_rows(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the rows of a subsample whose label sizes fall as 1 / rank."""
    random = np.random.default_rng(seed)
    names, sizes = np.unique(labels, return_counts=True)
    top = sizes.min()
    kept = [
        random.choice(np.flatnonzero(labels == name), max(1, top // rank), replace=False)
        for rank, name in enumerate(random.permutation(names), start=1)
    ]
    return np.sort(np.concatenate(kept))


def measure(make: Callable[[int], Any], x: np.ndarray, labels: np.ndarray, seeds: int) -> dict[str, float]:
    """Fit once a seed and average what is measured."""
    rows = []
    for seed in range(seeds):
        model = make(seed)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(x)
        seconds = time.perf_counter() - start
        masses = metrics.masses(model.labels_, model.n_clusters)
        trace = getattr(model, "objective_", np.zeros(1)) if isinstance(model, GEM) else np.zeros(1)
        rows.append(
            {
                "smallest": metrics.smallest_to_uniform(masses),
                "largest": metrics.largest_to_uniform(masses),
                "effective": metrics.effective_domains(masses),
                "nmi": metrics.nmi(model.labels_, labels),
                "silhouette": metrics.cosine_silhouette(x, model.labels_),
                "F": trace[-1],
                "gap": getattr(model, "duality_gap_", np.nan) / abs(trace[-1]) if trace[-1] else np.nan,
                "worst step": np.diff(trace).min(initial=np.inf) / abs(trace[-1]) if len(trace) > 1 else np.nan,
                "iterations": model.n_iter_,
                "seconds": seconds,
            }
        )
    out = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    # Claims about every fit are shown by their worst case.
    out |= {"smallest": min(r["smallest"] for r in rows), "largest": max(r["largest"] for r in rows)}
    out |= {"gap": max(r["gap"] for r in rows), "worst step": min(r["worst step"] for r in rows)}
    return out


def table(x: np.ndarray, labels: np.ndarray, k: int, seeds: int) -> list[str]:
    """Measure every method; return the lines of a Markdown table."""
    lines = [
        "| method | smallest / uniform | largest / uniform | effective domains | NMI | silhouette | F | relative gap "
        "| smallest step of F | iterations | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name in methods(k, 0):
        m = measure(lambda seed, name=name: methods(k, seed)[name], x, labels, seeds)
        certified = f"{m['F']:.4f} | {m['gap']:.1e} | {m['worst step']:.1e}" if m["F"] else " | | "
        lines.append(
            f"| {name} | {m['smallest']:.2f} | {m['largest']:.2f} | {m['effective']:.1f} | {m['nmi']:.3f} "
            f"| {m['silhouette']:.3f} | {certified} | {m['iterations']:.0f} | {m['seconds']:.2f} |"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Parse the command line and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--label", default="topic", help="column with human labels")
    parser.add_argument("--embedders", nargs="+", default=["minilm", "lsa"])
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--window", type=int, default=3000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()

    lines = [
        f"K = {arguments.clusters}, lambda = {BALANCE:g}, window {arguments.window}, {arguments.seeds} seeds, float64. "
        "Smallest and largest cluster are the worst over the seeds, counted in documents; gap and smallest step "
        "(relative to F) too; the other figures are means. An infinite gap certifies nothing. "
        f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}.",
    ]
    for embedder in arguments.embedders:
        x, labels = load(arguments.corpus, arguments.label, embedder, arguments.window)
        x = x.astype(np.float64)
        rows = zipf_rows(labels)
        for title, xs, ys in (("as it is", x, labels), ("Zipf-skewed", x[rows], labels[rows])):
            heading = f"### {embedder}, {title}: {len(xs):,} documents, d = {xs.shape[1]}"
            print(heading, flush=True)
            lines += ["", heading, "", *table(xs, ys, arguments.clusters, arguments.seeds)]
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
