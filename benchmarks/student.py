"""How closely students follow their teacher, and what makes them.

    gemix run PAGES.jsonl.zst --out run/ --clusters 24 --balance 5000
    python benchmarks/student.py run/ --out docs/tables/student.md

Students learn from documents of the run's seed sample and are measured on those that `gemix distill` holds out. A
second teacher with 200 domains is fitted to the same embeddings. `--windows N` embeds N further windows of the long
documents among those learned from, and one of the long documents held out: that takes minutes. `--splits N` trains and
measures the student N times more, on other documents each time: one split of a thousand documents is off by more than
a point. Embeddings are kept in the run folder, those of tokens in memory as float16 (4 GB at a window of 3,000).
"""

import argparse
import hashlib
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gemix import GEM
from gemix.corpus.reader import read_batches
from gemix.corpus.shards import resolve_shards
from gemix.corpus.window import Window
from gemix.embed import embed_further, make_embedder
from gemix.run.settings import resolve
from gemix.runtime.atomic import write_text
from gemix.student import Evaluation, Glossary, Lesson, frequent_words, held_out, read_contexts, train_student
from gemix.taxonomy import influence_scores


class Bench:
    """The documents of a run, split as `gemix distill` splits them."""

    def __init__(self, run: Path) -> None:
        self.config = resolve({}, stored=run / "config.yaml")
        self.run = run
        self.documents = pq.read_table(run / "seed.parquet", columns=["id", "text", "shard", "row"])
        self.vectors = np.load(run / "embeddings" / "seed.npy").astype(np.float64)
        self.test = held_out(self.documents["id"].to_pylist())
        self.window = Window(self.config.window)
        self.embedder = make_embedder(self.config.embedder, workers=self.config.workers, seed=self.config.seed)
        self.words, _ = frequent_words(self.documents["text"].to_pylist(), self.window)
        self.word_vectors = self.embed(pa.table({"id": self.words, "text": self.words}), "words")
        self.tokens: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.lines: list[str] = []

    def embed(self, documents: pa.Table, name: str) -> np.ndarray:
        """Return vectors of documents in the space of the run, kept in the run folder."""
        folder = self.run / "embeddings" / name
        space = self.run / "embeddings"
        result = embed_further(documents, self.embedder, folder, seed=self.documents, space=space)
        assert len(result.rows) == len(documents), "every document needs a vector"
        return np.load(result.path).astype(np.float64)

    def lesson(self, teacher: GEM) -> Lesson:
        """Return the teacher's view of the seed documents."""
        scores = influence_scores(self.vectors, teacher)
        return Lesson(self.documents, teacher.predict_proba(self.vectors), scores, teacher.transform(self.vectors))

    def glossary(self, teacher: GEM, learned: pa.Table | None = None) -> Glossary:
        """Return the teacher's view of the words of documents, by default of those learned from."""
        if learned is None:
            learned = self.documents.filter(pa.array(~self.test))
        ids, texts = learned["id"].to_pylist(), learned["text"].to_pylist()
        words, frequencies = frequent_words(texts, self.window)
        position = {word: i for i, word in enumerate(self.words)}
        vectors = self.word_vectors[[position[word] for word in words]]
        directions = teacher.concentrations_[:, None] * teacher.mean_directions_
        contexts = read_contexts(ids, texts, words, self.window, self.embed_tokens, directions)
        return Glossary(words, frequencies, teacher.predict_proba(vectors), contexts)

    def embed_tokens(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield what the embedder makes of the tokens of each text, and remember it."""
        new = [text for text in dict.fromkeys(texts) if text not in self.tokens]
        found = self.embedder.embed_tokens(new)
        for text in texts:
            if text not in self.tokens:  # then it is the next of the new ones
                starts, vectors = next(found)
                self.tokens[text] = starts, vectors.astype(np.float16)
            starts, vectors = self.tokens[text]
            yield starts, vectors.astype(np.float32)

    def train(self, lesson: Lesson, **options: object) -> Evaluation:
        """Train a student and measure it."""
        names = [str(i) for i in range(lesson.responsibilities.shape[1])]
        with tempfile.TemporaryDirectory() as folder:
            return train_student(lesson, names, Path(folder), window=self.window, **options)

    def measure(self, title: str, lesson: Lesson, **options: object) -> None:
        """Train a student and add a line to the table."""
        start = time.process_time()
        result = self.train(lesson, **options)
        seconds = time.process_time() - start
        certain = lesson.responsibilities.max(axis=1).min() == 1.0  # has no quarters
        quarters = "" if certain else " ".join(f"{100 * value:.0f}" for value in result.by_confidence)
        self.lines.append(
            f"| {title} | {result.training_documents:,} | {100 * result.top1:.1f} | {100 * result.top3:.1f} "
            f"| {result.mass_drift:.3f} | {result.cosine_regret:.4f} | {result.calibration_error:.3f} | {quarters} "
            f"| {seconds:.0f} |"
        )
        print(self.lines[-1], flush=True)

    def splits(self, lesson: Lesson, teacher: GEM, count: int) -> str:
        """Say what the student reaches on other documents, held out by the hashes of other ids."""
        results = []
        for salt in range(count):
            ids = [f"{salt} {id_}" for id_ in self.documents["id"].to_pylist()]
            documents = self.documents.set_column(0, "id", [ids])
            learned = documents.filter(pa.array(~held_out(ids)))
            found = self.train(replace(lesson, documents=documents), glossary=self.glossary(teacher, learned))
            results.append([100 * found.top1, 100 * found.top3, found.mass_drift])
        top1, top3, drift = (
            f"{np.mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
            for values, digits in zip(zip(*results, strict=True), (1, 1, 3), strict=True)
        )
        return f"The student of gemix on {count} other splits: top-1 {top1}, top-3 {top3}, mass drift {drift}."

    def part(self, lesson: Lesson, share: float) -> Lesson:
        """Return the held-out documents and this share of the others."""
        kept = self.test.copy()
        learned = np.random.default_rng(0).permutation(np.flatnonzero(~self.test))
        kept[learned[: int(share * len(learned))]] = True
        return Lesson(
            lesson.documents.filter(pa.array(kept)),
            lesson.responsibilities[kept],
            lesson.scores[kept],
            lesson.cosines[kept],
        )

    def windows(self) -> tuple[pa.Table, pa.Table]:
        """Return further windows of the documents learned from, in the order of a hash, and second ones held out."""
        held = dict(zip(self.documents["id"].to_pylist(), self.test, strict=True))
        size = self.config.window
        more: list[tuple[str, str, str]] = []
        second: list[tuple[str, str, str]] = []
        for shard in resolve_shards(self.config.inputs):
            for batch in read_batches(shard, text_key=self.config.text_key, id_key=self.config.id_key):
                for document_id, text in zip(batch.ids.to_pylist(), batch.texts.to_pylist(), strict=True):
                    if text is None or document_id not in held:
                        continue
                    whole = " ".join(text.split())
                    starts = range(size, min(len(whole) - 3 * size // 10 + 1, 20 * size), size)
                    parts = [(f"{document_id}:{at}", document_id, whole[at : at + size].strip()) for at in starts]
                    if held[document_id]:
                        second += parts[:1]
                    else:
                        more += parts
        return _table(more), _table(second)


def _table(rows: list[tuple[str, str, str]]) -> pa.Table:
    """Return ids and texts in the order of a hash of the first entry."""
    rows = sorted(rows, key=lambda row: hashlib.blake2b(row[0].encode(), digest_size=8).digest())
    return pa.table({"id": [row[1] for row in rows], "text": [row[2] for row in rows]})


def itself(bench: Bench, teacher: GEM, second: pa.Table, vectors: np.ndarray) -> str:
    """Say how often the teacher agrees with itself on the next window of held-out documents."""
    position = {document_id: i for i, document_id in enumerate(bench.documents["id"].to_pylist())}
    rows = [position[document_id] for document_id in second["id"].to_pylist()]
    first = teacher.predict_proba(bench.vectors[rows]).argmax(axis=1)
    ranked = np.argsort(-teacher.predict_proba(vectors), axis=1, kind="stable")[:, :3]
    top1, top3 = np.mean(ranked[:, 0] == first), np.mean((ranked == first[:, None]).any(axis=1))
    return (
        f"The teacher itself, given the next {bench.config.window} characters of the {len(rows)} held-out documents "
        f"that are long enough, gives the same domain to {100 * top1:.1f} % and has it among its first three for "
        f"{100 * top3:.1f} %."
    )


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--splits", type=int, default=0, help="train on so many other splits of the documents, too")
    parser.add_argument("--windows", type=int, default=0, help="embed so many further windows of the documents")
    arguments = parser.parse_args()

    bench = Bench(arguments.run)
    teacher = GEM.load(arguments.run / "teacher")
    lesson = bench.lesson(teacher)
    glossary = bench.glossary(teacher)
    bench.measure("fastText (the paper's)", lesson, kind="fasttext")
    bench.measure("hashed, documents alone", lesson)
    alone = glossary._replace(contexts=None)
    bench.measure("hashed, + the teacher's view of single words", lesson, glossary=alone)
    bench.measure("hashed (gemix): + these words in context", lesson, glossary=glossary)
    hard = replace(lesson, responsibilities=np.eye(teacher.n_clusters)[lesson.responsibilities.argmax(axis=1)])
    bench.measure("hashed, hard labels in place of soft ones", hard, glossary=glossary)
    for divisor in (2, 4, 8):
        some = bench.part(lesson, 1 / divisor)
        learned = some.documents.filter(pa.array(~held_out(some.documents["id"].to_pylist())))
        bench.measure(f"hashed on 1/{divisor} of these documents", some, glossary=bench.glossary(teacher, learned))
    notes = []
    if arguments.splits:
        notes += ["", bench.splits(lesson, teacher, arguments.splits)]
    if arguments.windows:
        more, second = bench.windows()
        more = more.slice(0, arguments.windows)
        further = Lesson(more, teacher.predict_proba(bench.embed(more, "windows")))
        bench.measure("hashed + further windows of these documents", lesson, glossary=glossary, further=further)
        notes += ["", itself(bench, teacher, second, bench.embed(second, "second_windows"))]
    many = GEM(200, balance="auto", random_state=0).fit(bench.vectors)
    lesson = bench.lesson(many)
    bench.measure("K = 200: fastText", lesson, kind="fasttext")
    bench.measure("K = 200: hashed (gemix)", lesson, glossary=bench.glossary(many))

    header = [
        f"K = {bench.config.clusters}, lambda = {bench.config.balance}, {len(bench.documents):,} documents of which "
        f"{bench.test.sum():,} are held out, window {bench.config.window}; shares in percent. Quarters: top-1 by the "
        "teacher's own confidence, from the least sure quarter of the held-out documents to the surest. "
        f"Seconds of CPU. Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores.",
        "",
        "| student | documents | top-1 | top-3 | mass drift | cosine regret | calibration error | quarters | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    if arguments.out:
        write_text(arguments.out, "\n".join([*header, *bench.lines, *notes]) + "\n")


if __name__ == "__main__":
    main()
