"""What the number of domains costs: a hashed student is trained and labels, for several K, with made-up teachers.

    python benchmarks/many_domains.py PAGES.jsonl.zst --out docs/tables/many_domains.md

The teacher's responsibilities are the softmax of random weights of words: only times are of interest. Methods take
turns; the median over rounds is shown. Two epochs are trained of the trial and two of the final student.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gemix import labels
from gemix.corpus.buffers import text_buffers
from gemix.corpus.reader import read_batches
from gemix.corpus.shards import resolve_shards
from gemix.corpus.window import Window
from gemix.labels.reading import ONE_IN
from gemix.labels.shard import label_shard
from gemix.runtime.atomic import write_text
from gemix.student.characters import characters
from gemix.student.hashed_kernel import Reading, read_bags
from gemix.student.hashed_student import HashedStudent
from gemix.student.hashed_training import Recipe, bits_for, train_hashed
from gemix.tokens.choose import write_tokenizer

EPOCHS = 2


def make_responsibilities(texts: pa.Array, k: int) -> NDArray[np.float64]:
    """Return (n, K): softmax of the sum of random weights of a text's words."""
    bags = read_bags(text_buffers(texts), Reading.of(characters(), 1000, 12))
    words = np.random.default_rng(k).normal(size=(1 << 12, k)).astype(np.float32)
    sums = np.array([words[bags.buckets[a:b]].sum(axis=0) for a, b in zip(bags.ends, bags.ends[1:], strict=False)])
    powers = np.exp(sums - sums.max(axis=1, keepdims=True), dtype=np.float64)
    return powers / powers.sum(axis=1, keepdims=True)


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Parse the command line and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path)
    parser.add_argument("--domains", type=int, nargs="+", default=[24, 200, 1000])
    parser.add_argument("--documents", type=int, default=2000, help="trained on")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    (pages,) = resolve_shards([arguments.pages])
    batches = list(read_batches(pages))
    texts = pa.concat_arrays([batch.good_texts for batch in batches])
    learned = texts.slice(0, arguments.documents)
    parts = np.arange(len(learned)) % 10  # part 0 is for validation
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(pa.table({"text": texts}), Path(folder) / "pages.parquet", compression="zstd")
        (shard,) = resolve_shards([Path(folder) / "pages.parquet"])

        tokenizer = Path(folder) / "tokenizer.json"
        write_tokenizer(tokenizer, None, learned.to_pylist())
        reading = labels.Reading(tokenizer=tokenizer, one_in=ONE_IN)

        def train(k: int) -> HashedStudent:
            recipe = Recipe(max_epochs=EPOCHS)
            names = [str(i) for i in range(k)]
            return train_hashed(learned, teachers[k], parts, names, window=Window(1000), recipe=recipe)

        def label(k: int) -> None:
            out = Path(folder) / "labels"
            label_shard(shard, students[k], out, model="", reading=reading)

        teachers = {k: make_responsibilities(learned, k) for k in arguments.domains}
        students = {k: train(k) for k in arguments.domains}  # compiles, too
        training = {k: seconds(partial(train, k)) for k in arguments.domains}
        taken: dict[tuple[str, int], list[float]] = {(what, k): [] for what in "pl" for k in arguments.domains}
        for _ in range(arguments.rounds):
            for k in arguments.domains:
                taken["p", k].append(seconds(partial(students[k].predict, texts)))
                taken["l", k].append(seconds(partial(label, k)))
    median = {key: statistics.median(values) for key, values in taken.items()}
    lines = [
        f"{len(texts):,} web pages, of which {len(learned):,} are trained on; processor time, median of "
        f"{arguments.rounds} rounds (training: once). {platform.machine()}, Python {platform.python_version()}.",
        "",
        "| domains | buckets | training, s an epoch | predict, documents/s | label from Parquet, documents/s |",
        "|--:|--:|--:|--:|--:|",
    ]
    for k in arguments.domains:
        rates = [f"{len(texts) / median[what, k]:,.0f}" for what in "pl"]
        lines.append(f"| {k:,} | 2^{bits_for(k)} | {training[k] / (2 * EPOCHS):.2f} | {' | '.join(rates)} |")
    print("\n".join(lines))
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
