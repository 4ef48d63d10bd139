"""A whole GEM fit beside faiss and scikit-learn k-means, in seconds.

    pip install faiss-cpu
    python benchmarks/speed.py run/embeddings/seed.npy --out docs/tables/speed.md

The data are real embeddings (unit rows, any run's) made many: a row drawn with replacement, plus Gaussian noise of norm
0.75, made unit again; for 768 dimensions the rows are first turned into 768 by a random orthonormal map. float32, in
memory. GEM runs to its default tolerance; faiss makes 20 spherical iterations on all points, scikit-learn at
most 20 Lloyd iterations from one k-means++ start. GEM and faiss take turns, and the median over rounds is shown;
scikit-learn, which takes minutes, runs once. Kernels are compiled, or read from their cache, before the clock starts.
"""

import argparse
import logging
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import sklearn
import sklearn.cluster
from sklearn.exceptions import ConvergenceWarning

from gemix import GEM
from gemix.runtime.atomic import write_text
from gemix.runtime.threads import cores

SHAPES = ((1_000_000, 384), (400_000, 768))
NOISE = 0.75


def enlarge(seed: np.ndarray, n: int, d: int, dtype: str = "float32", out: Path | None = None) -> np.ndarray:
    """Return n unit rows in d dimensions around the rows of `seed`, in memory or as a .npy file at `out`."""
    random = np.random.default_rng(0)
    seed = seed.astype(np.float32)
    if d != seed.shape[1]:
        map_, _ = np.linalg.qr(random.standard_normal((d, seed.shape[1])))
        seed = seed @ map_.T.astype(np.float32)
    shape = (n, d)
    rows = np.empty(shape, dtype) if out is None else np.lib.format.open_memmap(out, "w+", dtype, shape)
    for start in range(0, n, 20_000):
        m = min(20_000, n - start)
        x = seed[random.integers(len(seed), size=m)]
        x = x + NOISE / np.sqrt(d) * random.standard_normal((m, d), dtype=np.float32)
        rows[start : start + m] = x / np.linalg.norm(x, axis=1, keepdims=True)
    return rows


class Clock(logging.Handler):
    """Keeps (seconds, F) of every iteration of the last phase of a fit, the one on all rows."""

    def __init__(self) -> None:
        super().__init__()
        self.start, self.trace = time.perf_counter(), []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one iteration."""
        iteration, objective, _ = record.args
        if iteration == 0:
            self.trace = []
        self.trace.append((time.perf_counter() - self.start, objective))

    def seconds_to(self, share: float) -> float:
        """Return when F came within `share` of its last value."""
        final = self.trace[-1][1]
        return next(seconds for seconds, value in self.trace if value >= final - share * abs(final))


def gem(x: np.ndarray, k: int) -> dict[str, float]:
    """Fit GEM; return seconds in all, seconds to within 1e-3 of the final F, and facts."""
    logger, clock = logging.getLogger("gemix.sphere"), Clock()
    logger.setLevel(logging.INFO)
    logger.addHandler(clock)
    start = time.perf_counter()
    model = GEM(k, balance=5000, random_state=0).fit(x)
    seconds = time.perf_counter() - start
    logger.removeHandler(clock)
    return {
        "seconds": seconds, "close": clock.seconds_to(1e-3), "iterations": model.n_iter_,
        "passes": model.n_evaluations_, "gap": model.duality_gap_ / abs(model.objective_[-1]),
        "largest": float(np.bincount(model.labels_, minlength=k).max() * k / len(x)),
    }  # fmt: skip


def faiss_kmeans(x: np.ndarray, k: int) -> dict[str, float]:
    """Train faiss's spherical k-means on all points."""
    start = time.perf_counter()
    model = faiss.Kmeans(x.shape[1], k, niter=20, spherical=True, seed=0, max_points_per_centroid=len(x))
    model.train(x)
    seconds = time.perf_counter() - start
    _, labels = model.index.search(x, 1)
    return {"seconds": seconds, "largest": float(np.bincount(labels[:, 0], minlength=k).max() * k / len(x))}


def lloyd(x: np.ndarray, k: int) -> dict[str, float]:
    """Fit scikit-learn's k-means."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = sklearn.cluster.KMeans(k, algorithm="lloyd", n_init=1, max_iter=20, random_state=0).fit(x)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "largest": float(np.bincount(model.labels_, minlength=k).max() * k / len(x))}


METHODS: dict[str, Callable[[np.ndarray, int], dict[str, float]]] = {
    "GEM (exact)": gem, "faiss Kmeans": faiss_kmeans, "scikit-learn KMeans": lloyd,
}  # fmt: skip
ONCE = "scikit-learn KMeans"


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("--clusters", type=int, nargs="+", default=[24, 256])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="leave out scikit-learn, which takes minutes at K = 256")
    parser.add_argument("--shrink", type=int, default=1, help="divide the number of rows, for a quick look")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    seed = np.load(arguments.embeddings, mmap_mode="r")
    lines = [
        f"Median of {arguments.rounds} rounds in turns (scikit-learn: one); {cores()} cores ({platform.machine()}), "
        f"faiss {faiss.__version__}, scikit-learn {sklearn.__version__}, NumPy {np.__version__}. `close`: seconds "
        "until F is within 1e-3 of its final value. `passes`: over all rows. `largest`: largest cluster over the mean.",
        "",
        "| rows | K | method | seconds | x faiss | close | iterations on all rows | passes | largest |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for n, d in SHAPES:
        x = enlarge(seed, n // arguments.shrink, d)
        for k in arguments.clusters:
            gem(x[: max(20_000, 20 * k)], k)
            rounds = [
                {
                    name: method(x, k)
                    for name, method in METHODS.items()
                    if name != ONCE or (first and not arguments.quick)
                }
                for first in [True, *[False] * (arguments.rounds - 1)]
            ]
            peer = float(np.median([result["faiss Kmeans"]["seconds"] for result in rounds]))
            for name in rounds[0]:
                seconds = float(np.median([result[name]["seconds"] for result in rounds if name in result]))
                last = rounds[0][name]
                own = f"{last['close']:.1f} | {last['iterations']} | {last['passes']}" if "close" in last else " | | "
                lines.append(
                    f"| {len(x):,} x {d} | {k} | {name} | {seconds:.1f} | {seconds / peer:.2f} | {own} "
                    f"| {last['largest']:.2f} |"
                )
                print(lines[-1], flush=True)
        del x
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
