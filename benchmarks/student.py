"""What makes the student follow its teacher: which documents, which labels, how much text.

    gemix run PAGES.jsonl.zst --out run/ --clusters 24 --balance 5000
    python benchmarks/student.py run/ --out docs/tables/student.md

Students are trained on documents of the run's seed sample and measured on those that `gemix distill` holds out.
"""

import argparse
import platform
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from gemix import GEM, KMeans, SphericalKMeans
from gemix.config import resolve
from gemix.corpus.atomic import write_text
from gemix.corpus.window import Window
from gemix.student.evaluate import evaluate, held_out
from gemix.student.fasttext_student import FastTextStudent
from gemix.student.normaliser import Normaliser
from gemix.student.train import DROPPED_WORDS, MAX_COPIES, QUOTA, noisy_copies, select_training, soften
from gemix.taxonomy import influence_scores


class Bench:
    """The documents of a run, split as `gemix distill` splits them."""

    def __init__(self, run: Path) -> None:
        self.config = resolve({}, stored=run / "config.yaml")
        self.teacher = GEM.load(run / "teacher")
        self.x = np.load(run / "embeddings" / "seed.npy")
        documents = pq.read_table(run / "seed.parquet", columns=["id", "text"])
        self.texts = documents["text"].to_pylist()
        self.test = held_out(documents["id"].to_pylist())
        self.normaliser = Normaliser(Window(self.config.window))
        self.words = [self.normaliser(text).split() for text in self.texts]
        self.scores = influence_scores(self.x, self.teacher)
        self.lines: list[str] = []

    def measure(
        self, title: str, opinions: np.ndarray, *, soft: bool, dropped: float, copies: int, rows: np.ndarray
    ) -> None:
        """Train a student on `rows` and add a line to the table."""
        k = opinions.shape[1]
        drawn = soften(opinions[rows]) if soft else np.eye(k)[opinions[rows].argmax(axis=1)]
        words = [self.words[row] for row in rows]
        start = time.perf_counter()
        examples = noisy_copies(words, drawn, copies, dropped, np.random.default_rng(0))
        student = FastTextStudent.train(examples, [str(i) for i in range(k)], self.normaliser)
        seconds = time.perf_counter() - start
        texts = [self.texts[row] for row in np.flatnonzero(self.test)]
        result = evaluate(student, texts, opinions[self.test], len(rows))
        # A clusterer that is always certain has no quarters.
        certain = opinions.max(axis=1).min() == 1.0
        quarters = "" if certain else " ".join(f"{100 * value:.0f}" for value in result.by_confidence)
        self.lines.append(
            f"| {title} | {len(rows):,} | {100 * result.top1:.1f} | {100 * result.top3:.1f} "
            f"| {result.mass_drift:.3f} | {quarters} | {seconds:.0f} |"
        )
        print(self.lines[-1], flush=True)

    def best(self, labels: np.ndarray, fraction: float = 1.0) -> np.ndarray:
        """Return this fraction of every domain's training documents, the most typical first."""
        rows = np.flatnonzero(~self.test)
        kept = [m[np.argsort(-self.scores[m], kind="stable")] for m in (rows[labels[rows] == k] for k in set(labels))]
        return np.sort(np.concatenate([m[: int(np.ceil(fraction * len(m)))] for m in kept]))


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()

    bench = Bench(arguments.run)
    k = bench.config.clusters
    opinions = bench.teacher.predict_proba(bench.x)
    labels = opinions.argmax(axis=1)
    training = np.flatnonzero(~bench.test)
    everything = select_training(labels, bench.scores, training, k)
    plain = {"soft": False, "dropped": 0.0, "copies": 10}
    noisy = {"soft": False, "dropped": DROPPED_WORDS, "copies": MAX_COPIES}
    product = noisy | {"soft": True}

    for fraction in (0.5, 0.8):
        title = f"{fraction:.0%} of every domain by GIS, 10 epochs"
        bench.measure(title, opinions, **plain, rows=bench.best(labels, fraction))
    bench.measure(f"at most {QUOTA} equal shares a domain, 10 epochs", opinions, **plain, rows=everything)
    bench.measure(f"+ {MAX_COPIES} copies, {DROPPED_WORDS:.0%} of words left out", opinions, **noisy, rows=everything)
    bench.measure("+ labels drawn from softened responsibilities (gemix)", opinions, **product, rows=everything)
    order = np.random.default_rng(0).permutation(everything)
    for divisor in (2, 4):
        rows = np.sort(order[: len(order) // divisor])
        bench.measure(f"gemix on 1/{divisor} of these documents", opinions, **product, rows=rows)
    for title, model in (
        ("k-means", KMeans(k, random_state=0)),
        ("spherical k-means", SphericalKMeans(k, random_state=0)),
    ):
        other = np.eye(k)[model.fit_predict(bench.x)]
        rows = select_training(other.argmax(axis=1), bench.scores, training, k)
        bench.measure(f"labels of {title}, {MAX_COPIES} copies, words left out", other, **noisy, rows=rows)

    header = [
        f"K = {k}, lambda = {bench.config.balance}, {len(bench.x):,} documents of which {bench.test.sum():,} are held "
        f"out, window {bench.config.window}; percent. Quarters: top-1 by the teacher's own confidence, from the least "
        f"sure quarter of the held-out documents to the surest. Python {platform.python_version()}, "
        f"{platform.machine()}.",
        "",
        "| student | documents | top-1 | top-3 | mass drift | top-1 by quarter | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    if arguments.out:
        write_text(arguments.out, "\n".join([*header, *bench.lines]) + "\n")


if __name__ == "__main__":
    main()
