"""How well keywords tell domains apart: documents that they were not made from are guessed from ten words a domain.

    gemix embed PAGES.jsonl.zst --out pages/
    gemix embed ANSWERS.jsonl.zst --out answers/ --embedder lsa
    python benchmarks/keywords.py pages/ --label topic --out docs/tables/keywords.md
    python benchmarks/keywords.py answers/ --clusters 20 --group prompt

A teacher is fitted to all documents with each seed; keywords are made from one half of the documents and judged on the
other: a document is guessed to be of the domain that has most of its ten words in it, ties are shared out. Documents
that have the value of --group in common stay in one half. Beside it: class-based TF-IDF (Grootendorst 2022), which
these keywords replaced. Intervals: bootstrap over held-out documents or groups, paired, each with all its seeds.
"""

import argparse
import itertools
import json
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.optimize import linear_sum_assignment
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

from gemix import GEM
from gemix.runtime.atomic import write_text
from gemix.taxonomy.keywords import class_keywords
from gemix.taxonomy.names import keyword_names

WORDS = 10
RESAMPLES = 2_000
WORD = re.compile(r"[^\W\d_]{2,}")
# Words that say nothing of a domain, whichever it is. What may be a subject (file, story, estate's "real") is not among
# them.
FILLER = set((Path(__file__).with_name("filler_words.txt")).read_text().split())
CONTRACTIONS = {
    "don",
    "ve",
    "ll",
    "re",
    "isn",
    "aren",
    "wasn",
    "weren",
    "didn",
    "doesn",
    "hasn",
    "haven",
    "hadn",
    "won",
    "ain",
}

Keywords = Callable[[Sequence[str], np.ndarray, int], list[list[str]]]


def tfidf(texts: Sequence[str], labels: np.ndarray, domains: int) -> list[list[str]]:
    """Return ten keywords a domain by class-based TF-IDF with a lift of two, a phrase or its words."""
    stop = sorted(ENGLISH_STOP_WORDS.union(CONTRACTIONS))
    least = min(5, max(1, len(texts) // 200))
    vectorizer = CountVectorizer(ngram_range=(1, 2), binary=True, min_df=least, stop_words=stop,
                                 token_pattern=r"[^\W\d_]{2,}", dtype=np.float64)  # fmt: skip
    matrix = vectorizer.fit_transform(texts)
    terms, sizes = vectorizer.get_feature_names_out(), np.bincount(labels, minlength=domains)
    inside = np.stack([np.asarray(matrix[labels == k].sum(axis=0)).ravel() for k in range(domains)])
    total, found = inside.sum(axis=0), []
    for k in range(domains):
        weights = inside[k] / max(inside[k].sum(), 1) * np.log1p(total.sum() / domains / total)
        outside = (total - inside[k]) / max(len(texts) - sizes[k], 1)
        weights[inside[k] / max(sizes[k], 1) < 2 * outside] = 0
        order = np.lexsort((np.arange(len(terms)), -weights))[:200]
        found.append(distinct([(terms[i], inside[k, i]) for i in order if weights[i] > 0]))
    return found


def distinct(candidates: list[tuple[str, float]]) -> list[str]:
    """Take ten terms in their order, one for a phrase and its words and for a word and its plural."""
    held, kept = dict(candidates), []
    for term, documents in candidates:
        words = {singular(word) for word in term.split()}
        if len(kept) == WORDS or len(words) <= term.count(" "):
            continue
        rivals = [other for other in kept if words & {singular(word) for word in other.split()}]
        if not rivals:
            kept.append(term)
        elif " " in term and all(" " not in other and documents >= 0.5 * held[other] for other in rivals):
            kept[kept.index(rivals[0])] = term
            kept = [term for term in kept if term not in rivals[1:]]
    return kept


def singular(word: str) -> str:
    """Return a word without its last s."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def likelihood(texts: Sequence[str], labels: np.ndarray, domains: int) -> list[list[str]]:
    """Return ten keywords a domain as gemix makes them."""
    return class_keywords(texts, labels, np.zeros(len(texts)), domains, WORDS)


WAYS: dict[str, Keywords] = {"class TF-IDF": tfidf, "log-likelihood": likelihood}


@dataclass(frozen=True)
class Corpus:
    """Documents, the terms that each holds, what keeps them together, and partitions of them by name."""

    texts: list[str]
    terms: list[set[str]]
    groups: np.ndarray
    partitions: dict[str, list[np.ndarray]] = field(default_factory=dict)


def load(run: Path, clusters: int, seeds: int, labels: Sequence[str], group: str | None) -> Corpus:
    """Read an embedded sample and part it with a teacher of each seed, and by labels that the corpus carries."""
    documents = pq.read_table(run / "seed.parquet", columns=["text", "meta"])
    x = np.load(run / "embeddings" / "seed.npy").astype(np.float32)
    texts = documents["text"].to_pylist()
    meta = [json.loads(one) for one in documents["meta"].to_pylist()]
    groups = [str(one.get(group)) for one in meta] if group else list(map(str, range(len(texts))))
    corpus = Corpus(texts, [held(text) for text in texts], np.unique(groups, return_inverse=True)[1])
    fits = [GEM(clusters, random_state=seed).fit(x).labels_ for seed in range(seeds)]
    corpus.partitions[f"teacher, K = {clusters}"] = fits
    for label in labels:
        codes = np.unique([str(one.get(label)) for one in meta], return_inverse=True)[1]
        corpus.partitions[label] = [codes] * seeds
    return corpus


def held(text: str) -> set[str]:
    """Return the words and pairs of neighbouring words of a text."""
    words = WORD.findall(text.casefold())
    return {*words, *map(" ".join, itertools.pairwise(words))}


def hits(corpus: Corpus, rows: np.ndarray, labels: np.ndarray, keywords: list[list[str]]) -> np.ndarray:
    """Return for each row how likely the guess from its words is right, (rows,)."""
    counts = np.array([[len(corpus.terms[i].intersection(words)) for words in keywords] for i in rows])
    best = counts == counts.max(axis=1, keepdims=True)
    return best[np.arange(len(rows)), labels[rows]] / best.sum(axis=1)


def interval(corpus: Corpus, rows: list[np.ndarray], values: list[np.ndarray]) -> tuple[float, float]:
    """Return the middle 95 % of the mean over resampled groups; rows and values are of every seed."""
    row, value = np.concatenate(rows), np.concatenate(values)
    sums, sizes = np.bincount(corpus.groups[row], value), np.bincount(corpus.groups[row])
    drawn = np.random.default_rng(0).integers(0, len(sums), (RESAMPLES, len(sums)))
    low, high = np.quantile([sums[d].sum() / sizes[d].sum() for d in drawn], [0.025, 0.975])
    return float(low), float(high)


def first_words_kept(partitions: list[np.ndarray], keywords: list[list[list[str]]]) -> float:
    """Return the share of domains of two seeds, matched by their documents, that have one first keyword."""
    domains, kept = len(keywords[0]), []
    firsts = [[(words or [""])[0] for words in found] for found in keywords]
    for a in range(len(partitions)):
        for b in range(a):
            table = np.zeros((domains, domains))
            np.add.at(table, (partitions[a], partitions[b]), 1)
            kept += [firsts[a][i] == firsts[b][j] for i, j in zip(*linear_sum_assignment(-table), strict=True)]
    return float(np.mean(kept))


def judge(corpus: Corpus, partition: str) -> Iterator[str]:
    """Yield the rows of a table: guesses, their difference, fillers in names, first keywords that stay."""
    found: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    rows: list[np.ndarray] = []
    for seed, labels in enumerate(corpus.partitions[partition]):
        chosen = np.random.default_rng(seed).random(corpus.groups.max() + 1)[corpus.groups] < 0.5
        seen, unseen = np.flatnonzero(chosen), np.flatnonzero(~chosen)
        rows.append(unseen)
        for way, make in WAYS.items():
            keywords = make([corpus.texts[i] for i in seen], labels[seen], int(labels.max()) + 1)
            found[way].append(hits(corpus, unseen, labels, keywords))
    partitions = list({id(labels): labels for labels in corpus.partitions[partition]}.values())
    for way, make in WAYS.items():
        low, high = interval(corpus, rows, found[way])
        whole = [make(corpus.texts, labels, int(labels.max()) + 1) for labels in partitions]
        names = [name for keywords in whole for name in keyword_names(keywords)]
        fillers = [name for name in names if FILLER & set(name.split("-"))]
        kept = f"{first_words_kept(partitions, whole):.0%}" if len(partitions) > 1 else ""
        yield (
            f"| {partition} | {way} | {np.mean(np.concatenate(found[way])):.1%} ({low:.1%} to {high:.1%}) "
            f"| {len(fillers)} of {len(names)} | {kept} |"
        )
        print("\n".join(names[: len(whole[0])]), flush=True)
    gain = [b - a for a, b in zip(*found.values(), strict=True)]
    low, high = interval(corpus, rows, gain)
    yield f"| {partition} | difference | {np.mean(np.concatenate(gain)):+.1%} ({low:+.1%} to {high:+.1%}) | | |"


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--label", nargs="*", default=[], help="keys in the meta column of seed.parquet: partitions")
    parser.add_argument("--group", help="key in the meta column: documents with one value stay together")
    parser.add_argument("--clusters", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    corpus = load(arguments.run, arguments.clusters, arguments.seeds, arguments.label, arguments.group)
    lines = [
        f"{len(corpus.texts):,} documents, {arguments.seeds} seeds. Python {platform.python_version()}, NumPy "
        f"{np.__version__}, {platform.machine()}.",
        "",
        "| partition | keywords | held-out documents guessed (95 %) | names with filler words | first keyword kept |",
        "|---|---|--:|--:|--:|",
        *(row for partition in corpus.partitions for row in judge(corpus, partition)),
    ]
    print("\n".join(lines))
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
