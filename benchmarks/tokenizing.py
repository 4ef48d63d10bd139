"""Speed of `gemix tokenize` beside `tokenizers` alone, datatrove's tokeniser and a script as Megatron's, taking turns.

    python benchmarks/tokenizing.py PAGES.jsonl.zst --work FOLDER --documents 20000 --shards 8 --rounds 3 --out TABLE.md

All read the same documents with the same tokenizer, trained on them, on all cores. `tokenizers` alone has its texts in
memory and keeps nothing; it is what the others cannot outdo.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import zstandard
from tokenizers import Tokenizer

from gemix.corpus.buffers import Texts, text_list
from gemix.corpus.shards import resolve_shards
from gemix.corpus.window import Window
from gemix.labels import Launcher, Reading
from gemix.labels.shard import label_shard
from gemix.labels.totals import totals, write_domains
from gemix.student.normaliser import Normaliser
from gemix.tokens import train_tokenizer
from gemix.trainers import TokenizeSettings, tokenize_corpus

VOCABULARY, DOMAINS = 32_768, 100
METHODS = ("tokenizers", "gemix", "datatrove", "megatron-style")


class Student:
    """Gives a document the domain that its length says."""

    kind = "fake"
    domains = tuple(f"domain {k}" for k in range(DOMAINS))
    normaliser = Normaliser(Window(1000))

    def predict(self, texts: Texts, top: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return labels, and that they are certain."""
        lengths = np.array([[len(text) % DOMAINS] for text in text_list(texts)], np.int32)
        return lengths, np.ones((len(lengths), 1), np.float32)

    def save(self, folder: Path) -> None:
        """Refuse: nothing needs it."""
        raise NotImplementedError


def read_texts(path: Path) -> Iterator[str]:
    with zstandard.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)["text"]


def make_corpus(pages: Path, work: Path, documents: int, shards: int) -> None:
    texts = list(islice(read_texts(pages), documents))
    (work / "in").mkdir(parents=True)
    train_tokenizer(texts[: documents // 4], VOCABULARY).save(str(work / "tokenizer.json"))
    for shard in range(shards):
        with zstandard.open(work / "in" / f"{shard:03d}.jsonl.zst", "wt", encoding="utf-8") as file:
            for i in range(shard, len(texts), shards):
                file.write(json.dumps({"id": str(i), "text": texts[i]}) + "\n")
    found = resolve_shards([work / "in"])
    for one in found:
        label_shard(one, Student(), work / "labels", model="m", reading=Reading())
    write_domains(totals(work / "labels", found), Student.domains, work / "labels" / "domains.csv")


def alone(work: Path, out: Path, cores: int) -> float:
    """Return seconds: the library's own threads over texts in memory, in groups of 1,000."""
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    texts = [text for path in sorted((work / "in").iterdir()) for text in read_texts(path)]
    start = time.perf_counter()
    for i in range(0, len(texts), 1000):
        tokenizer.encode_batch_fast(texts[i : i + 1000], add_special_tokens=False)
    return time.perf_counter() - start


def gemix(work: Path, out: Path, cores: int) -> float:
    start = time.perf_counter()
    settings = TokenizeSettings("megatron", work / "tokenizer.json")
    tokenize_corpus(resolve_shards([work / "in"]), work / "labels", out, settings, launcher=Launcher(cores))
    return time.perf_counter() - start


def datatrove(work: Path, out: Path, cores: int) -> float:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer

    start = time.perf_counter()
    step = DocumentTokenizer(str(out), str(work / "tokenizer.json"), eos_token="<|endoftext|>", shuffle_documents=True)
    shards = len(list((work / "in").iterdir()))
    pipeline = [JsonlReader(str(work / "in")), step]
    LocalPipelineExecutor(pipeline, tasks=shards, workers=cores, logging_dir=str(out / "logs")).run()
    return time.perf_counter() - start


def encode(task: tuple[Path, Path]) -> list[bytes]:
    tokenizer = Tokenizer.from_file(str(task[0]))
    return [np.array(tokenizer.encode(text).ids, np.uint16).tobytes() for text in read_texts(task[1])]


def megatron_style(work: Path, out: Path, cores: int) -> float:
    """Return seconds of what Megatron's preprocess_data.py does: a document at a time, in processes, one file."""
    start = time.perf_counter()
    out.mkdir()
    tasks = [(work / "tokenizer.json", path) for path in sorted((work / "in").iterdir())]
    with multiprocessing.get_context("spawn").Pool(cores) as pool, open(out / "all.bin", "wb") as file:
        for documents in pool.imap(encode, tasks):
            for document in documents:
                file.write(document)
    return time.perf_counter() - start


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", choices=METHODS)
    given = parser.parse_args(arguments)
    cores = len(os.sched_getaffinity(0))
    if given.only:
        methods: dict[str, Callable[[Path, Path, int], float]] = dict(
            zip(METHODS, (alone, gemix, datatrove, megatron_style), strict=True)
        )
        before = time.process_time()
        seconds = methods[given.only](given.work, given.work / "out", cores)
        used = time.process_time() - before
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak = max(children.ru_maxrss, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024
        print(json.dumps([seconds, used + children.ru_utime + children.ru_stime, peak]))
        return
    if not given.work.exists():
        make_corpus(given.pages, given.work, given.documents, given.shards)
    times: dict[str, list[float]] = {name: [] for name in METHODS}
    work: dict[str, list[float]] = {name: [] for name in METHODS}
    peaks = dict.fromkeys(METHODS, 0.0)
    for _ in range(given.rounds):
        for name in METHODS:
            shutil.rmtree(given.work / "out", ignore_errors=True)
            command = [sys.executable, __file__, *arguments, "--only", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, used, peak = json.loads(done.stdout.splitlines()[-1])
            times[name].append(seconds)
            work[name].append(used)
            peaks[name] = max(peaks[name], peak)
    texts = [text for path in sorted((given.work / "in").iterdir()) for text in read_texts(path)]
    size = sum(len(text.encode()) for text in texts) / 1e6
    lines = [
        f"{len(texts):,} documents, {size:,.0f} MB of text, vocabulary of {VOCABULARY:,}, {DOMAINS} domains, "
        f"{cores} cores; median of {given.rounds} rounds, taking turns.",
        "",
        "| | seconds | MB/s | speed, of `tokenizers` alone | core-seconds | largest process, MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    base = float(np.median(times["tokenizers"]))
    for name in METHODS:
        seconds = float(np.median(times[name]))
        lines.append(
            f"| {name} | {seconds:.1f} | {size / seconds:.1f} | {base / seconds:.0%} "
            f"| {np.median(work[name]):.1f} | {peaks[name]:,.0f} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
