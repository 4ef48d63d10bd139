"""How well a few representatives stand for their domain, by what chose them: the ablation of the influence score.

    gemix run PAGES.jsonl.zst --out run/ --window 1000
    python benchmarks/representatives.py run/ --label topic --out docs/tables/representatives.md

Each seed splits the documents in two. A teacher is fitted to one half and representatives are chosen there; everything
is judged on the other half, which neither has seen and which the teacher labels by `predict`. Two teachers, one on the
run's embeddings and one on LSA of the same texts, are each judged in both spaces.
"""

import argparse
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import spearmanr, t
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import scale

from gemix import GEM
from gemix.embed import make_embedder
from gemix.runtime.atomic import write_text
from gemix.taxonomy.gis import influence_scores, place
from gemix.taxonomy.keywords import class_keywords
from gemix.taxonomy.representatives import select_representatives

COUNTS = (1, 3, 5, 10)
BALANCE = 5000.0
GIS = "gis (beta 0.5, M 8)"
ALL = "mean of all members"
METRICS = {
    "own": "accuracy, %, in the space that the teacher was fitted in",
    "other": "accuracy, %, in the other space",
    "keywords": "keywords of the whole domain that the representatives hold between them, %",
    "topic": "representatives of the domain's most frequent human topic, %",
}


@dataclass(frozen=True)
class Corpus:
    """Documents with two embeddings, (n, d) float32 each, and human topics as codes."""

    texts: list[str]
    topics: np.ndarray
    spaces: dict[str, np.ndarray]

    def subset(self, rows: np.ndarray) -> "Corpus":
        """Return the documents at `rows`."""
        spaces = {name: x[rows] for name, x in self.spaces.items()}
        return Corpus([self.texts[i] for i in rows], self.topics[rows], spaces)


def load(run: Path, label: str) -> Corpus:
    """Read a run's documents and embeddings, and make LSA vectors of the same texts."""
    documents = pq.read_table(run / "seed.parquet", columns=["id", "text", "meta"])
    name = json.loads((run / "embeddings" / "config.json").read_text())["embedder"]["name"]
    lsa = make_embedder("lsa")
    lsa.prepare(documents)
    spaces = {name: np.load(run / "embeddings" / "seed.npy").astype(np.float32), "lsa": lsa.embed(documents)}
    topics = np.unique([json.loads(meta)[label] for meta in documents["meta"].to_pylist()], return_inverse=True)[1]
    kept = np.flatnonzero(np.all([x.any(axis=1) for x in spaces.values()], axis=0))
    return Corpus(documents["text"].to_pylist(), topics, spaces).subset(kept)


def rankings(x: np.ndarray, model: GEM, seed: int) -> dict[str, np.ndarray]:
    """Return the scores of every way to choose, (n,) each."""
    placement = place(x, model)

    def score(**options: Any) -> np.ndarray:
        return influence_scores(x, model, placement=placement, seed=seed, **options)

    confidence, centre, gis = score(mode="confidence"), score(mode="centre"), score()
    density = (gis - confidence - centre) / 0.5
    terms = (confidence, centre, density)
    equal = np.zeros(len(x))
    for k in range(model.n_clusters):
        rows = placement.labels == k
        equal[rows] = sum(scale(term[rows]) for term in terms)
    return {
        "random": score(mode="random"), "confidence": confidence, "centre": centre, GIS: gis,
        "gis, M = 1": score(neighbours=1), "gis, M = 32": score(neighbours=32),
        "gis, beta = 50": confidence + centre + 50 * density,
        "gis, beta = 250": confidence + centre + 250 * density,
        "density alone": density, "terms made equal": equal,
    }  # fmt: skip


def accuracy(space: np.ndarray, held: np.ndarray, wanted: np.ndarray, chosen: np.ndarray, owners: np.ndarray) -> float:
    """Return the percentage of held-out rows whose nearest representative is of their domain."""
    return float(100 * np.mean(owners[np.argmax(held @ space[chosen].T, axis=1)] == wanted))


def coverage(counts: np.ndarray, columns: list[np.ndarray], chosen: np.ndarray, owners: np.ndarray) -> float:
    """Return how many percent of a domain's keywords its representatives hold between them, the mean over domains."""
    held = [counts[chosen[owners == k]][:, words].any(axis=0) for k, words in enumerate(columns)]
    return float(100 * np.mean([has.mean() for has in held if len(has)]))


def judge(seen: Corpus, held: Corpus, teacher: str, clusters: int, seed: int) -> Iterator[tuple[str, str, list[float]]]:
    """Yield (metric, way to choose, values for COUNTS) of one split."""
    x = seen.spaces[teacher]
    model = GEM(clusters, balance=BALANCE, random_state=seed).fit(x)
    labels, wanted = model.predict(x), model.predict(held.spaces[teacher])
    topics = np.zeros((clusters, held.topics.max() + 1))
    np.add.at(topics, (wanted, held.topics), 1)
    whole = class_keywords(held.texts, wanted, np.zeros(len(wanted)), clusters)
    vocabulary = sorted({word for keywords in whole for word in keywords})
    words = CountVectorizer(ngram_range=(1, 2), stop_words="english", vocabulary=vocabulary)
    counts = words.transform(seen.texts).toarray()
    columns = [np.searchsorted(vocabulary, keywords) for keywords in whole]
    for mode, scores in rankings(x, model, seed).items():
        ranked = [
            select_representatives(x, np.flatnonzero(labels == k), scores, seen.texts, COUNTS[-1])
            for k in range(clusters)
        ]
        found: dict[str, list[float]] = {metric: [] for metric in METRICS}
        for count in COUNTS:
            chosen = np.array([row for rows in ranked for row in rows[:count]])
            owners = labels[chosen]
            for space, vectors in seen.spaces.items():
                value = accuracy(vectors, held.spaces[space], wanted, chosen, owners)
                found["own" if space == teacher else "other"].append(value)
            found["keywords"].append(coverage(counts, columns, chosen, owners))
            found["topic"].append(float(100 * np.mean(seen.topics[chosen] == topics.argmax(axis=1)[owners])))
        for metric, values in found.items():
            yield metric, mode, values
    for space, vectors in seen.spaces.items():
        means = np.array([vectors[labels == k].mean(axis=0) for k in range(clusters)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        value = accuracy(means, held.spaces[space], wanted, np.arange(clusters), np.arange(clusters))
        yield "own" if space == teacher else "other", ALL, [value] * len(COUNTS)


def terms(corpus: Corpus, teacher: str, clusters: int) -> str:
    """Return a table row: the spread of each term inside a domain, and how the score's ranking follows each."""
    x = corpus.spaces[teacher]
    model = GEM(clusters, balance=BALANCE, random_state=0).fit(x)
    placement = place(x, model)
    confidence = influence_scores(x, model, mode="confidence", placement=placement)
    centre = influence_scores(x, model, mode="centre", placement=placement)
    gis = influence_scores(x, model, placement=placement)
    members = [np.flatnonzero(placement.labels == k) for k in range(clusters)]
    parts = (confidence, centre, gis - confidence - centre)
    spreads = [np.mean([part[rows].std() for rows in members]) for part in parts]
    ranks = [np.mean([spearmanr(gis[rows], part[rows]).statistic for rows in members]) for part in parts]
    same = np.mean([
        len({*rows[np.argsort(-gis[rows])[:10]]} & {*rows[np.argsort(-centre[rows])[:10]]}) for rows in members
    ])  # fmt: skip
    cells = [f"{np.median(model.concentrations_):.0f}", *(f"{value:.2f}" for value in spreads)]
    return f"| {teacher} | " + " | ".join([*cells, *(f"{value:.3f}" for value in ranks), f"{same:.1f}"]) + " |"


def table(found: dict[str, np.ndarray]) -> list[str]:
    """Return a Markdown table of means and paired differences from GIS with their 95 % intervals."""
    lines = ["| chosen by | " + " | ".join(f"m = {m}" for m in COUNTS) + " |", "|---|" + "--:|" * len(COUNTS)]
    for mode, values in found.items():
        mean, cells = values.mean(axis=0), []
        difference = values - found[GIS]
        half = t.ppf(0.975, len(values) - 1) * difference.std(axis=0, ddof=1) / np.sqrt(len(values))
        for i in range(len(COUNTS)):
            other = "" if mode == GIS else f" ({difference.mean(axis=0)[i]:+.1f} ± {half[i]:.1f})"
            cells.append(f"{mean[i]:.1f}{other}")
        lines.append(f"| {mode} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Parse the command line and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--label", default="topic", help="key in the meta column of seed.parquet")
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    corpus = load(arguments.run, arguments.label)
    half = len(corpus.texts) // 2
    lines = [
        f"{len(corpus.texts):,} documents, K = {arguments.clusters}, lambda = {BALANCE:g}, {arguments.seeds} seeds, "
        "each a split into halves and a teacher. Means; in brackets the difference from GIS, paired by seed, with its "
        f"95 % t-interval. Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}.",
        "",
        "### What the terms weigh",
        "",
        "Standard deviation inside a domain and Spearman correlation with the whole score, means over domains; `same`: "
        "of the ten best by the score, how many are among the ten best by centrality alone.",
        "",
        "| teacher | median kappa | sd log g | sd log f | sd 0.5 log rho | corr log g | corr log f | corr log rho "
        "| same |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(terms(corpus, teacher, arguments.clusters) for teacher in corpus.spaces),
    ]
    for teacher in corpus.spaces:
        found: dict[str, dict[str, list[list[float]]]] = {metric: {} for metric in METRICS}
        for seed in range(arguments.seeds):
            order = np.random.default_rng(seed).permutation(len(corpus.texts))
            seen, held = corpus.subset(np.sort(order[:half])), corpus.subset(np.sort(order[half:]))
            for metric, mode, values in judge(seen, held, teacher, arguments.clusters, seed):
                found[metric].setdefault(mode, []).append(values)
            print(f"teacher on {teacher}, seed {seed}", flush=True)
        for metric, title in METRICS.items():
            lines += ["", f"### Teacher on {teacher}: {title}", ""]
            lines += table({mode: np.array(rows) for mode, rows in found[metric].items()})
    print("\n".join(lines))
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
