"""The n-gram proxy beside models that are really trained on a sample of each mixture: time, and what is lost.

    python benchmarks/ngram.py PROXY --out docs/tables/ngram.md

PROXY is a folder of `gemix proxy prepare`. The peer draws whole documents of each domain at random until the mixture's
tokens are reached, counts them and fits its own smoothing: what one would do without counts by domain. Times are CPU
seconds of all threads together; the order of the documents that are drawn is the only thing that is random.
"""

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from scipy.stats import spearmanr

from gemix.proxy.dataset import Part, ProxyData, read_data
from gemix.proxy.documents import document_ends
from gemix.proxy.ngram import NgramProxy
from gemix.proxy.ngram import mixture_kernel as kernel
from gemix.proxy.ngram.model import MixtureModel
from gemix.runtime.atomic import write_text

VALID = 100_000  # tokens of all validation sets together


class AverageCounts(MixtureModel):
    """The model of expected counts, as if a part of every document were read."""

    def reading(self, passes: np.ndarray) -> kernel.Reading:
        """Return a reading in which what can be read is read."""
        return super().reading(passes)._replace(missing=np.where(passes > 0, -np.inf, 0.0))


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call, and what it returns."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def draw(data: ProxyData, w: np.ndarray, budget: int, random: np.random.Generator) -> ProxyData:
    """Return the data of one domain: random documents of all, in the shares of a mixture."""
    pieces = []
    for tokens, share in zip(data.train, w, strict=True):
        ends = document_ends(tokens, data.end)
        starts = np.concatenate([[0], ends[:-1]])
        order = random.permutation(len(ends))
        sums = np.cumsum((ends - starts)[order])
        n = int(np.searchsorted(sums, share * budget))
        if n < len(order):  # the last document by chance, so that the expectation is right
            before = sums[n - 1] if n else 0
            n += random.random() < (share * budget - before) / (sums[n] - before)
        pieces += [tokens[starts[i] : ends[i]] for i in order[:n]]
    text = np.concatenate(pieces)
    part = Part(name="sample", documents=len(pieces), tokens=len(text), bytes=0)
    return ProxyData(data.vocabulary, data.end, [part], [text], data.valid, data.held_out, "")


def mixtures(data: ProxyData, n: int, budget: int, random: np.random.Generator) -> np.ndarray:
    """Return random mixtures whose domains are not repeated."""
    available = np.array([len(tokens) for tokens in data.train])
    found: list[np.ndarray] = []
    while len(found) < n:
        w = np.minimum(random.dirichlet(np.full(len(available), 0.3)), available / budget)
        w /= w.sum()
        if (w * budget <= available).all():
            found.append(w)
    return np.array(found)


def cost(data: ProxyData, orders: list[int], many: int, budget: int) -> list[str]:
    """Measure time by order; return a table."""
    lines = [
        f"| order | n-grams | counting, s | tokens/s | {many} mixtures, s | one sampled model, s | times one mixture |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    each = VALID // len(data.valid)
    random = np.random.default_rng(0)
    W = random.dirichlet(np.ones(len(data.train)), many)
    for order in orders:
        counting, proxy = cpu(lambda order=order: NgramProxy(data, order, each))
        seconds, _ = cpu(lambda proxy=proxy: list(proxy.train_many(W, budget)))
        sampled = draw(data, W[0], budget, random)
        peer, _ = cpu(lambda order=order, sampled=sampled: NgramProxy(sampled, order, each).train(np.ones(1), budget))
        ngrams, speed = len(proxy._model.grams.prefix), sum(map(len, data.train)) / counting
        lines.append(
            f"| {order} | {ngrams:,} | {counting:.1f} | {speed:,.0f} | {seconds:.1f} | {peer:.1f} "
            f"| {peer / (seconds / many):,.0f} |"
        )
        print(lines[-1], flush=True)
    return lines


def accuracy(data: ProxyData, budgets: list[int], n: int) -> list[str]:
    """Compare losses with those of sampled models; return a table."""
    lines = [
        "| budget | models | sampled loss | proxy - sampled | rank correlation "
        "| average counts - sampled | rank correlation |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    each = VALID // len(data.valid)
    random = np.random.default_rng(1)
    proxy, average = NgramProxy(data, 3, each), NgramProxy(data, 3, each)
    average._model = AverageCounts(**vars(average._model))
    for budget in budgets:
        W = mixtures(data, n, budget, random)
        real = np.array([NgramProxy(draw(data, w, budget, random), 3, each).train(np.ones(1), budget) for w in W])
        cells = []
        for model in (proxy, average):
            losses = np.array([losses for _, losses in model.train_many(W, budget)])
            ranks = np.mean([spearmanr(a, b)[0] for a, b in zip(losses.T, real.T, strict=True)])
            cells += [f"{(losses - real).mean():+.3f}", f"{ranks:.2f}"]
        lines.append(f"| {budget:,} | {n} | {real.mean():.3f} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--orders", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--mixtures", type=int, default=512)
    parser.add_argument("--models", type=int, default=24)
    options = parser.parse_args()
    data = read_data(options.data)
    list(NgramProxy(data, 2, 1000).train_many(np.eye(len(data.train)), 1000))  # compile
    total = sum(map(len, data.train))
    head = (
        f"{len(data.train)} domains with {total:,} tokens of {data.vocabulary:,} kinds, at most "
        f"{VALID:,} validation tokens in {len(data.valid)} sets. "
        f"CPU seconds, of all threads together; {platform.machine()}, {processor()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}, numba {numba.__version__}."
    )
    tables = [*cost(data, options.orders, options.mixtures, total // 4), ""]
    tables += accuracy(data, [total // 100, total // 20, total // 4], options.models)
    write_text(options.out, "\n".join([head, "", *tables]) + "\n")


def processor() -> str:
    """Return the name of the processor, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


if __name__ == "__main__":
    main()
