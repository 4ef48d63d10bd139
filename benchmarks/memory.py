"""A fit on a memory-mapped float16 file larger than it may hold in memory: peak memory and time.

    python benchmarks/memory.py run/embeddings/seed.npy --work /tmp --out docs/tables/memory.md

Peak memory is the largest anonymous resident size (RssAnon of /proc/self/status, sampled every 20 ms), above that
before the fit: mapped pages of the file belong to the page cache, which the system takes back when it needs it.
"""

import argparse
import platform
import threading
import time
from pathlib import Path

import numpy as np
from speed import enlarge

from gemix import GEM
from gemix.runtime.atomic import write_text
from gemix.runtime.threads import cores


def anonymous() -> int:
    """Return bytes of resident memory that no file stands behind."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])


class Peak(threading.Thread):
    """Samples memory until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.highest = anonymous()
        self.stopped = threading.Event()

    def run(self) -> None:
        """Sample."""
        while not self.stopped.wait(0.02):
            self.highest = max(self.highest, anonymous())


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--work", type=Path, required=True, help="folder for the file, which is kept")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    path = arguments.work / f"gemix-{arguments.rows}x{arguments.dimension}.npy"
    if not path.exists():
        seed = np.load(arguments.embeddings)
        enlarge(seed, arguments.rows, arguments.dimension, "float16", path.with_suffix(".part")).flush()
        path.with_suffix(".part").rename(path)
    x = np.load(path, mmap_mode="r")
    peak = Peak()
    peak.start()
    start = time.perf_counter()
    model = GEM(arguments.clusters, balance=5000, random_state=0).fit(x)
    seconds = time.perf_counter() - start
    peak.stopped.set()
    sizes = np.bincount(model.labels_, minlength=arguments.clusters) * arguments.clusters / len(x)
    lines = [
        f"{cores()} cores ({platform.machine()}), memory-mapped float16.",
        "",
        "| rows | file, GB | K | seconds | peak memory, GB | iterations | passes | relative gap | largest |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        f"| {len(x):,} x {x.shape[1]} | {x.nbytes / 1e9:.1f} | {arguments.clusters} | {seconds:.0f} "
        f"| {(peak.highest - peak.before) / 1e9:.2f} | {model.n_iter_} | {model.n_evaluations_} "
        f"| {model.duality_gap_ / abs(model.objective_[-1]):.0e} | {sizes.max():.2f} |",
    ]
    print("\n".join(lines))
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
