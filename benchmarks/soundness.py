"""How often a domain is called mixed: domains of a teacher, unions of two of them, and random groups of documents.

python benchmarks/soundness.py pages/ --clusters 24
"""

import argparse
from pathlib import Path

import numpy as np

from gemix import GEM
from gemix.taxonomy.soundness import judge


def main() -> None:
    """Parse the command line and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    x, k = np.load(arguments.run / "embeddings" / "seed.npy"), arguments.clusters
    ids = [""] * len(x)
    mixed: dict[str, list[bool]] = {"domains": [], "unions of two": [], "random groups": []}
    coherences: dict[str, list[float]] = {name: [] for name in mixed}
    for seed in range(arguments.seeds):
        random = np.random.default_rng(seed)
        labels = GEM(k, random_state=seed).fit(x.astype(np.float32)).labels_
        partitions = {"domains": (labels, range(k)), "random groups": (random.integers(0, k, len(x)), range(k))}
        for name, (parts, wanted) in partitions.items():
            note(judge(x, parts, k, ids, seed), wanted, mixed[name], coherences[name])
        for _ in range(k // 4):  # one union at a time, beside domains that are left as they are
            a, b = random.choice(k, 2, replace=False)
            parts = np.where(labels == b, a, labels)
            note(judge(x, parts, k, ids, seed), [a], mixed["unions of two"], coherences["unions of two"])
    print("| group | called mixed | coherence: lowest, median, highest |\n|---|--:|--:|")
    for name, found in mixed.items():
        low, middle, high = np.quantile(coherences[name], [0, 0.5, 1])
        print(f"| {name} | {sum(found)} of {len(found)} | {low:.2f}, {middle:.2f}, {high:.2f} |")


def note(found, wanted, mixed: list[bool], coherences: list[float]) -> None:
    """Keep what was found of some domains."""
    for k in wanted:
        mixed.append(any(flag.kind == "mixed" for flag in found.flags[k]))
        coherences.append(found.coherences[k])


if __name__ == "__main__":
    main()
