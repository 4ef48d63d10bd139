"""Uniform, tempered and natural targets against human topics, on the pages as they are and on Zipf-skewed resamples.

    gemix run PAGES.jsonl.zst --out run/ --window 1000
    python benchmarks/targets.py run/ --label topic --out docs/tables/targets.md

A rare topic (the smaller half) keeps a domain of its own where it is the most frequent topic of some domain.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sklearn.metrics import adjusted_rand_score
from teacher import zipf_rows

from gemix import GEM, metrics
from gemix.runtime.atomic import write_text

TARGETS = (("uniform", {"target": "uniform"}), *(
    (f"tempered, tau = {tau}", {"target": "tempered", "temper": tau}) for tau in (0.25, 0.5, 0.75)
), ("natural (tau = 1)", {"target": "tempered", "temper": 1.0}))  # fmt: skip


def rare_kept(domains: np.ndarray, topics: np.ndarray) -> float:
    """Return the share of the rarer half of topics that are the most frequent one of some domain."""
    names, codes, sizes = np.unique(topics, return_inverse=True, return_counts=True)
    table = np.zeros((domains.max() + 1, len(names)))
    np.add.at(table, (domains, codes), 1)
    winners = set(table.argmax(axis=1))
    rare = np.argsort(sizes, kind="stable")[: len(names) // 2]
    return float(np.mean([topic in winners for topic in rare]))


def main() -> None:
    """Parse the command line and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--label", default="topic")
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    x = np.load(arguments.run / "embeddings" / "seed.npy").astype(np.float32)
    meta = pq.read_table(arguments.run / "seed.parquet", columns=["meta"])["meta"].to_pylist()
    topics = np.array([json.loads(row)[arguments.label] for row in meta])
    lines = [
        f"K = {arguments.clusters}, lambda = 5000, means over {arguments.seeds} seeds (and as many resamples); "
        "standard error of NMI in brackets."
    ]
    for title, skewed in (("as they are", False), ("Zipf-skewed by topic", True)):
        picks = [zipf_rows(topics, seed) if skewed else np.arange(len(x)) for seed in range(arguments.seeds)]
        size = int(np.mean([len(rows) for rows in picks]))
        lines += [
            "", f"### {title}: {size:,} documents", "",
            "| target | NMI | ARI | smallest / uniform | largest / uniform | effective domains | rare topics kept |",
            "|---|--:|--:|--:|--:|--:|--:|",
        ]  # fmt: skip
        for name, parameters in TARGETS:
            found = []
            for seed, rows in enumerate(picks):
                model = GEM(arguments.clusters, balance=5000, random_state=seed, **parameters).fit(x[rows])
                masses = metrics.masses(model.labels_, arguments.clusters)
                found.append((
                    metrics.nmi(model.labels_, topics[rows]), adjusted_rand_score(topics[rows], model.labels_),
                    metrics.smallest_to_uniform(masses), metrics.largest_to_uniform(masses),
                    metrics.effective_domains(masses), rare_kept(model.labels_, topics[rows]),
                ))  # fmt: skip
            mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
            lines.append(
                f"| {name} | {mean[0]:.3f} ({error[0]:.3f}) | {mean[1]:.3f} | {mean[2]:.2f} | {mean[3]:.2f} "
                f"| {mean[4]:.1f} | {mean[5]:.0%} |"
            )
            print(lines[-1], flush=True)
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
