"""What text by language models does to a partition: pages alone, and pages with more and more of it mixed in.

    gemix embed PAGES.jsonl.zst --out pages/ --sample 100000 --window 1000
    gemix embed SYNTHETIC.jsonl.zst --out synthetic/ --sample 100000 --window 1000
    python benchmarks/contamination.py pages/ synthetic/ --group prompt --topic topic --out docs/tables/contamination.md

`--group` is the column of the synthetic text that says which documents answer one prompt; documents without it are a
group each. A share s of the documents is synthetic, chosen in two ways: "spread", with as few answers to one prompt as
possible, and "whole", all answers to prompts drawn at random. Fits that share a seed share the synthetic documents.
"""

import argparse
import json
import platform
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

from gemix import metrics
from gemix.proxy.probe.partitions import Source, make_partition
from gemix.run.folder import RunFolder
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError

METHODS = {
    "GEM, auto": ("gem", {"balance": "auto"}),
    "GEM, 5000": ("gem", {"balance": 5000.0}),
    "k-means": ("kmeans", {}),
    "spherical k-means": ("spherical", {}),
    "vMF mixture": ("vmf", {}),
}
COLUMNS = (
    "| method | in its top two, % | purity of these, % | in pure domains, % | largest / uniform "
    "| CV of masses | ARI with clean |",
    "|---|--:|--:|--:|--:|--:|--:|",
)


def load(folder: Path, column: str) -> tuple[np.ndarray, list[str | None], dict]:
    """Return embeddings (n, d) float32, a metadata column, and what embedded them."""
    paths = RunFolder(folder)
    try:
        table, vectors = paths.read_seed()
        facts = json.loads((paths.embeddings / "config.json").read_text())["embedder"]
    except (OSError, ValueError, KeyError) as error:
        raise GemixError(f"{folder} is not a run folder with embeddings (`gemix embed` makes one): {error}") from error
    values = [json.loads(row or "{}").get(column) for row in table["meta"].to_pylist()]
    if not any(values):
        raise GemixError(f"no document of {folder} has a column {column!r}")
    return vectors.astype(np.float32), values, facts


def ordered(groups: np.ndarray, spread: bool, seed: int) -> np.ndarray:
    """Return the rows of the synthetic text in the order in which they are mixed in."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(groups))
    rank = random.permutation(groups.max() + 1)[groups[order]]
    if not spread:
        return order[np.argsort(rank, kind="stable")]
    # The first document of every group in a random order, then the second one, ...
    by_group = np.argsort(groups[order], kind="stable")
    sizes = np.bincount(groups)
    turn = np.empty(len(groups), int)
    turn[by_group] = np.concatenate([np.arange(size) for size in sizes])
    return order[np.lexsort((rank, turn))]


def domains(method: str, x: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    kind, parameters = METHODS[method]
    return make_partition(kind, Source(x, {}, clusters, parameters), seed).labels


def measure(labels: np.ndarray, added: int, clean: np.ndarray, k: int) -> list[float]:
    """Return the numbers of a row of the table; the last `added` documents are synthetic."""
    pages, synthetic = labels[: len(labels) - added], labels[len(labels) - added :]
    everything, theirs = np.bincount(labels, minlength=k), np.bincount(synthetic, minlength=k)
    top = np.argsort(-theirs, kind="stable")[:2]
    pure = theirs > everything / 2
    masses = everything / len(labels)
    return [
        100 * theirs[top].sum() / added,
        100 * theirs[top].sum() / max(everything[top].sum(), 1),
        100 * theirs[pure].sum() / added,
        metrics.largest_to_uniform(masses),
        float(masses.std() / masses.mean()),
        float(adjusted_rand_score(clean, pages)),
    ]


def cells(rows: list[list[float]]) -> str:
    """Return medians with ranges, a cell each."""
    out = []
    for i, values in enumerate(zip(*rows, strict=True)):
        digits = 0 if i < 3 else 2
        low, middle, high = (f"{value:.{digits}f}" for value in np.quantile(values, [0, 0.5, 1]))
        out.append(f"{middle} ({low} to {high})")
    return " | ".join(out)


def topics(fits: dict[tuple[str, int], np.ndarray], method: str, seeds: int, names: np.ndarray, k: int) -> str:
    """Return how a human topic of the pages lies in the domains of the pages alone, medians over topics and seeds."""
    found = []
    for seed in range(seeds):
        labels = fits[method, seed]
        for topic in np.unique(names):
            counts = np.sort(np.bincount(labels[names == topic], minlength=k))[::-1]
            found.append(100 * counts[:2].sum() / counts.sum())
    return f"{np.median(found):.0f}"


def sections(arguments: argparse.Namespace) -> Iterator[str]:
    x, topic, facts = load(arguments.pages, arguments.topic)
    y, group, other = load(arguments.synthetic, arguments.group)
    if facts != other:
        raise GemixError(f"{arguments.pages} and {arguments.synthetic} were embedded by different embedders")
    groups = np.unique([str(g) if g else f"\0{i}" for i, g in enumerate(group)], return_inverse=True)[1]
    k, seeds = arguments.clusters, range(arguments.seeds)
    yield (
        f"{len(x):,} pages, {len(y):,} synthetic documents in {groups.max() + 1:,} groups, {facts['name']}, K = {k}, "
        f"{len(seeds)} seeds: medians (ranges). Python {platform.python_version()}, NumPy {np.__version__}, "
        f"{platform.machine()}."
    )
    clean = {(method, seed): domains(method, x, k, seed) for method in METHODS for seed in seeds}
    yield "\n### No synthetic text\n"
    yield "| method | largest / uniform | CV of masses | ARI between two seeds | a human topic in its top two, % |"
    yield "|---|--:|--:|--:|--:|"
    human = np.array([str(value) for value in topic])
    for method in METHODS:
        masses = [metrics.masses(clean[method, seed], k) for seed in seeds]
        between = [adjusted_rand_score(clean[method, a], clean[method, b]) for a, b in combinations(seeds, 2)]
        size = cells([[0, 0, 0, metrics.largest_to_uniform(m), m.std() / m.mean()] for m in masses]).split(" | ")[3:]
        low, middle, high = np.quantile(between, [0, 0.5, 1])
        ari = f"{middle:.2f} ({low:.2f} to {high:.2f})"
        yield f"| {method} | {' | '.join(size)} | {ari} | {topics(clean, method, len(seeds), human, k)} |"
    for way, shares in (("spread", arguments.shares), ("whole", arguments.whole)):
        for share in shares:
            added = round(len(x) * share / (100 - share))
            if added > len(y):
                raise GemixError(f"{share:g} % needs {added:,} synthetic documents, there are {len(y):,}")
            picks = {seed: ordered(groups, way == "spread", seed)[:added] for seed in seeds}
            prompts = int(np.median([len(np.unique(groups[rows])) for rows in picks.values()]))
            yield (
                f"\n### {share:g} % synthetic, {way}: {added:,} documents, {prompts:,} groups; equal masses allow "
                f"{min(100.0, 200 / k / share * 100):.0f} % in two domains\n"
            )
            yield from COLUMNS
            for method in METHODS:
                rows = []
                for seed in seeds:
                    labels = domains(method, np.concatenate([x, y[picks[seed]]]), k, seed)
                    rows.append(measure(labels, added, clean[method, seed], k))
                yield f"| {method} | {cells(rows)} |"


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path)
    parser.add_argument("synthetic", type=Path)
    parser.add_argument("--group", default="prompt")
    parser.add_argument("--topic", default="topic")
    parser.add_argument("--shares", type=float, nargs="+", default=[1.0, 5.0, 10.0, 25.0], help="in percent")
    parser.add_argument("--whole", type=float, nargs="+", default=[10.0], help="the same, with whole groups")
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    lines = []
    try:
        for line in sections(arguments):
            print(line, flush=True)
            lines.append(line)
    except GemixError as error:
        parser.exit(1, f"error: {error}\n")
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
