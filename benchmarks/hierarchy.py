"""A tree of 24 x 16 domains beside one flat fit with 384: sizes, and processor time on one thread.

OMP_NUM_THREADS=1 python benchmarks/hierarchy.py run/embeddings/seed.npy
"""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gemix import GEM, metrics
from gemix.sphere.hierarchy import HierarchicalGEM

COARSE, FINE = 24, 16


def sizes(labels: NDArray[np.int32], k: int) -> tuple[float, float]:
    masses = metrics.masses(labels, k)
    return metrics.smallest_to_uniform(masses), metrics.largest_to_uniform(masses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("embeddings", type=Path)
    X = np.load(parser.parse_args().embeddings, mmap_mode="r")
    print("| balance | coarse | inside a branch | fine (tree) | seconds | fine (flat) | seconds |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for balance in (0, "auto", 5000):
        start = time.process_time()
        tree = HierarchicalGEM((COARSE, FINE), balance=balance, random_state=0).fit(X)
        middle = time.process_time()
        flat = GEM(COARSE * FINE, balance=balance, random_state=0).fit(X)
        end = time.process_time()
        inside = [sizes(tree.paths_[tree.paths_[:, 0] == k, 1], FINE) for k in range(COARSE)]
        worst = min(small for small, _ in inside), max(large for _, large in inside)
        shown = [sizes(tree.paths_[:, 0], COARSE), worst, sizes(tree.labels_, COARSE * FINE)]
        cells = [str(balance), *(f"{small:.2f} to {large:.2f}" for small, large in shown), f"{middle - start:.1f}"]
        small, large = sizes(flat.labels_, COARSE * FINE)
        print(f"| {' | '.join(cells)} | {small:.2f} to {large:.2f} | {end - middle:.1f} |", flush=True)
        same = np.mean(tree.predict_proba(X).argmax(axis=1) == tree.labels_)
        sure = tree.children_[()].predict_proba(X).max(axis=1).mean()
        print(f"<!-- argmax of predict_proba is predict for {same:.2%}; largest coarse responsibility {sure:.3f} -->")


if __name__ == "__main__":
    main()
