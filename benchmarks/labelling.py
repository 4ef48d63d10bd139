"""Documents a second: reading, fastText's Python binding, students, labelling, and datatrove's fastText filter.

    gemix run PAGES.jsonl.zst --out run/ --clusters 24 --balance 5000
    pip install datatrove "gemix[fasttext]"
    python benchmarks/labelling.py PAGES.jsonl.zst --fasttext FOLDER --hashed run/student --work /tmp/work \
        --out docs/tables/labelling.md

FOLDER holds a student of the kind fasttext. The corpus is the pages, several times, in shards of Parquet (zstd) and of
jsonl.zst (level 3), with ids and URLs. Alone, one process works on all shards of a format, together two on half of them
each; a third one, which keeps all texts, does what needs them in memory. Methods take turns; the clock of a turn starts
when each process has done one shard by the same method, so that what it measures is what goes on for hours: memory is
there, models are loaded, kernels compiled. The median over rounds is shown. The shards fit into the page cache.
"""

import argparse
import json
import multiprocessing
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from gemix.corpus.buffers import text_list
from gemix.corpus.reader import read_batches
from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import Reading
from gemix.labels.reading import ONE_IN, beside
from gemix.labels.shard import label_shard
from gemix.runtime.atomic import write_text
from gemix.student import load_student

BYTES_A_TOKEN = 4  # of text; what the costs of a corpus counted in tokens assume
Method = Callable[["Worker", Shard], None]


class Worker:
    """What one process needs for every method; texts of shards are kept for those that do not read."""

    def __init__(self, fasttext_folder: Path, hashed_folder: Path | None, out: Path) -> None:
        import fasttext

        self.out = out
        self.tokenizer = beside(hashed_folder or fasttext_folder)
        self.binary = fasttext_folder / "model.bin"
        self.binding = fasttext.load_model(str(self.binary))
        self.students = {"fasttext": load_student(fasttext_folder)}
        if hashed_folder:
            self.students["hashed"] = load_student(hashed_folder)
        self.texts = cache(lambda shard: [batch.good_texts for batch in read_batches(shard)])
        self.lines = cache(
            lambda shard: [text.replace("\n", " ") for part in self.texts(shard) for text in text_list(part)]
        )
        normaliser = self.students["fasttext"].normaliser
        self.normalised = cache(lambda shard: list(map(normaliser, self.lines(shard))))

    def label(self, shard: Shard, student: str) -> None:
        """Write the sidecar of a shard."""
        reading = Reading(tokenizer=self.tokenizer, one_in=ONE_IN)
        label_shard(shard, self.students[student], self.out / student, model=student, reading=reading)


def read(worker: Worker, shard: Shard) -> None:
    for _ in read_batches(shard):
        pass


def binding(worker: Worker, shard: Shard) -> None:
    predict(worker, worker.lines(shard))


def binding_normalised(worker: Worker, shard: Shard) -> None:
    predict(worker, worker.normalised(shard))


def predict(worker: Worker, lines: list[str]) -> None:
    for start in range(0, len(lines), 1024):
        worker.binding.predict(lines[start : start + 1024])


def label_in_python(worker: Worker, shard: Shard) -> None:
    with patch("gemix.student.fasttext_student.can_compile", lambda: False):
        worker.label(shard, "fasttext")


def datatrove_filter(worker: Worker, shard: Shard) -> None:
    from datatrove.pipeline.filters import FastTextClassifierFilter
    from datatrove.pipeline.readers import JsonlReader, ParquetReader

    FastTextClassifierFilter._requires_dependencies = []  # it asks for one of the packages that bring `fasttext`
    reader = ParquetReader if shard.format == ".parquet" else JsonlReader
    documents = reader(str(shard.path.parent), glob_pattern=shard.path.name)()
    keep = FastTextClassifierFilter(str(worker.binary), keep_labels=[("0", 0.0)], newline_replacement=" ")
    for _ in keep(documents):
        pass


def students(kind: str) -> tuple[Method, Method]:
    """Return: predict texts in memory; label a shard."""

    def predict(worker: Worker, shard: Shard) -> None:
        for texts in worker.texts(shard):
            worker.students[kind].predict(texts)

    return predict, lambda worker, shard: worker.label(shard, kind)


def methods(hashed: bool, datatrove: bool) -> dict[str, tuple[Method, list[str], list[int]]]:
    """Return name -> function, formats, numbers of processes."""
    both, memory = ["Parquet", "jsonl.zst"], ["memory"]
    found: dict[str, tuple[Method, list[str], list[int]]] = {
        "read": (read, both, [1]),
        "fastText binding, whole texts": (binding, memory, [1]),
        "fastText binding, normalised texts": (binding_normalised, memory, [1]),
        "student `fasttext`": (students("fasttext")[0], memory, [1]),
        "label: student `fasttext`, normalised by Python": (label_in_python, both, [1]),
        "label: student `fasttext`": (students("fasttext")[1], both, [1, 2]),
    }
    if hashed:
        found["student `hashed`"] = (students("hashed")[0], memory, [1])
        found["label: student `hashed`"] = (students("hashed")[1], both, [1, 2])
    if datatrove:
        found["datatrove: reader and fastText filter"] = (datatrove_filter, both, [1])
    return found


def make_corpus(pages: Path, work: Path, shards: int, copies: int) -> tuple[int, int]:
    """Write the shards unless they are there; return documents and bytes of text of one format."""
    (shard,) = resolve_shards([pages])
    batches = list(read_batches(shard, with_extras=True))
    texts = pa.concat_arrays([batch.good_texts for batch in batches])
    urls = [extra.get("url", "") for batch in batches for extra in batch.extras or [] if extra]
    rows = np.array_split(np.tile(np.arange(len(texts)), copies), shards)
    facts = work / "corpus.json"
    wanted = {"pages": len(texts), "shards": shards, "copies": copies}
    if not facts.exists() or json.loads(facts.read_text()) != wanted:
        for i, part in enumerate(rows):
            ids = [f"{i}-{j}" for j in range(len(part))]
            table = pa.table({"id": ids, "url": [urls[row] for row in part], "text": texts.take(part)})
            for folder in ("Parquet", "jsonl.zst"):
                (work / folder).mkdir(parents=True, exist_ok=True)
            pq.write_table(table, work / "Parquet" / f"{i}.parquet", compression="zstd")
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())
            (work / "jsonl.zst" / f"{i}.jsonl.zst").write_bytes(zstandard.compress(lines.encode(), 3))
        facts.write_text(json.dumps(wanted))
    size = int(pa.compute.sum(pa.compute.binary_length(texts)).as_py()) * copies
    return len(texts) * copies, size


def serve(connection: Connection, fasttext: Path, hashed: Path | None, out: Path, datatrove: bool) -> None:
    """Do methods on shards, one after another, for the process that asks."""
    worker = Worker(fasttext, hashed, out)
    table = methods(hashed is not None, datatrove)
    while (task := connection.recv()) is not None:
        name, shards = task
        for shard in shards:
            table[name][0](worker, shard)
        connection.send(True)


def measure(crew: list[Connection], name: str, shards: list[Shard]) -> float:
    """Return the seconds that the processes take for the shards, all together, after each has done one of them."""
    dealt = [shards[i :: len(crew)] for i in range(len(crew))]
    together(crew, name, [own[:1] for own in dealt])
    start = time.perf_counter()
    together(crew, name, dealt)
    return time.perf_counter() - start


def together(crew: list[Connection], name: str, dealt: list[list[Shard]]) -> None:
    """Have every process do its shards, and wait for all."""
    for connection, own in zip(crew, dealt, strict=True):
        connection.send((name, own))
    for connection in crew:
        connection.recv()


def runs(table: dict[str, tuple[Method, list[str], list[int]]]) -> Iterator[tuple[str, str, int]]:
    for name, (_, formats, processes) in table.items():
        for source in formats:
            for count in processes:
                yield name, source, count


def report(seconds: dict[tuple[str, str, int], float], documents: int, size: int) -> list[str]:
    """Return the lines of both tables."""
    base = seconds["fastText binding, whole texts", "memory", 1]
    lines = [
        "| what | from | processes | documents/s and core | MB/s and core | times the binding |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for (name, source, count), value in seconds.items():
        core = value * count
        rates = f"{documents / core:,.0f} | {size / core / 1e6:,.0f} | {base / core:.2f}"
        lines.append(f"| {name} | {source} | {count} | {rates} |")
    lines += ["", "| core-hours, from Parquet | 1 billion documents | 15 trillion tokens |", "|---|--:|--:|"]
    for (name, source, count), value in seconds.items():
        if source == "Parquet" and count == 1 and name != "read":
            hours = value / 3600
            lines.append(f"| {name} | {1e9 / documents * hours:,.0f} | {15e12 * BYTES_A_TOKEN / size * hours:,.0f} |")
    return lines


def main() -> None:
    """Parse the command line and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path)
    parser.add_argument("--fasttext", type=Path, required=True, help="folder of a fasttext student")
    parser.add_argument("--hashed", type=Path, help="folder of a hashed student")
    parser.add_argument("--work", type=Path, required=True, help="where the shards are made")
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-datatrove", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()

    documents, size = make_corpus(arguments.pages, arguments.work, arguments.shards, arguments.copies)
    shards = {name: resolve_shards([arguments.work / name]) for name in ("Parquet", "jsonl.zst")}
    shards["memory"] = shards["Parquet"]
    with_datatrove = not arguments.without_datatrove
    context = multiprocessing.get_context("spawn")
    crew, processes = [], []
    for i in range(3):
        ours, theirs = context.Pipe()
        out = arguments.work / f"labels-{i}"
        job: tuple[Any, ...] = (theirs, arguments.fasttext, arguments.hashed, out, with_datatrove)
        processes.append(context.Process(target=serve, args=job, daemon=True))
        processes[-1].start()
        crew.append(ours)
    todo = list(runs(methods(arguments.hashed is not None, with_datatrove)))
    for name, source, _ in todo:
        if source == "memory":  # where the texts are from now on
            together(crew[2:], name, [shards[source]])
    taken: dict[tuple[str, str, int], list[float]] = {run: [] for run in todo}
    for _ in range(arguments.rounds):
        for name, source, count in todo:
            workers = crew[2:] if source == "memory" else crew[:count]
            taken[name, source, count].append(measure(workers, name, shards[source]))
    for connection in crew:
        connection.send(None)
    seconds = {run: statistics.median(values) for run, values in taken.items()}
    header = (
        f"{documents:,} web pages of {size / documents:,.0f} bytes of text on average, in {arguments.shards} shards; "
        f"median of {arguments.rounds} rounds. A token is taken for {BYTES_A_TOKEN} bytes of text. 2 cores "
        f"({platform.machine()}, {processor()}), Python {platform.python_version()}, pyarrow {pa.__version__}."
    )
    lines = [header, "", *report(seconds, documents, size)]
    print("\n".join(lines))
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")
    for i in range(3):
        shutil.rmtree(arguments.work / f"labels-{i}", ignore_errors=True)


def processor() -> str:
    """Return the name of the processor, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


if __name__ == "__main__":
    main()
