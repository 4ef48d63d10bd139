"""A small corpus in every format, a small student, and what tests compare."""

import gzip
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from support import write_word_tokenizer

from gemix.corpus.buffers import Texts, text_list
from gemix.corpus.window import Window
from gemix.student.characters import characters
from gemix.student.fasttext_student import FastTextStudent
from gemix.student.hashed_student import HashedReader, HashedStudent
from gemix.student.normaliser import Normaliser

WORDS = {
    "cooking": ["flour", "butter", "oven", "recipe", "salt", "simmer", "whisk", "dough", "garlic", "sauce"],
    "space": ["orbit", "rocket", "planet", "launch", "galaxy", "lunar", "telescope", "probe", "comet", "gravity"],
    "law": ["court", "judge", "appeal", "statute", "plaintiff", "verdict", "counsel", "hearing", "ruling", "treaty"],
}
DOMAINS = list(WORDS)
BESIDE = (".lock", ".shards")  # what a folder of labels holds beside the labels


class FakeStudent:
    """Predicts the domain with the most words in the text."""

    kind = "fake"
    domains = DOMAINS
    normaliser = Normaliser(Window(1000))

    def __init__(self, watch: Callable[[Sequence[str]], None] = lambda texts: None) -> None:
        self.watch = watch

    def predict(self, texts: Texts, top: int = 1) -> tuple[np.ndarray, np.ndarray]:
        texts = text_list(texts)
        self.watch(texts)
        counts = np.array([[sum(text.count(word) for word in words) for words in WORDS.values()] for text in texts])
        labels = np.argsort(-counts, axis=1, kind="stable")[:, :top].astype(np.int32)
        shares = (counts + 1) / (counts + 1).sum(axis=1, keepdims=True)
        return labels, np.take_along_axis(shares, labels, 1).astype(np.float32)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def make_text(rng: random.Random) -> str:
    words = WORDS[rng.choice(DOMAINS)]
    return " ".join(rng.choices(words, k=rng.randint(3, 40)) + rng.choices(WORDS["law"], k=2))


def make_rows(n: int, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [{"id": f"{seed}-{i}", "text": make_text(rng), "source": "made"} for i in range(n)]


def write_corpus(folder: Path, json_lines: dict[str, int], parquet: dict[str, int]) -> Path:
    """Write files of so many rows; every 250th line of JSON lines is cut in the middle: bad JSON."""
    for seed, (name, n) in enumerate((json_lines | parquet).items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = make_rows(n, seed)
        if name in parquet:
            pq.write_table(pa.Table.from_pylist(rows), path.with_name(path.name + ".parquet"), row_group_size=64)
            continue
        lines = [json.dumps(row) for row in rows]
        for i in range(249, n, 250):
            lines[i] = lines[i][:20]
        data = ("\n".join(lines) + "\n").encode()
        if name.endswith(".gz"):
            data = gzip.compress(data, mtime=0)
        elif name.endswith(".zst"):
            data = zstandard.compress(data)
        path.write_bytes(data)
    return folder


def save_student(folder: Path, seed: int) -> Path:
    """Train a real student on a few lines; another seed, other weights. Beside it lies a tokenizer, as in a run."""
    write_word_tokenizer(folder.parent / "tokenizer.json")
    rng = random.Random(1)
    labels = [i % 3 for i in range(3000)]
    examples = [(label, " ".join(rng.choices(WORDS[DOMAINS[label]], k=9))) for label in labels]
    FastTextStudent.train(examples, DOMAINS, Normaliser(Window(1000)), seed=seed).save(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its relative path, hidden ones included but `BESIDE`."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in BESIDE
    }


def temporary_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.name not in BESIDE]


def save_hashed_student(folder: Path, tokenizer: bool = True) -> Path:
    """Make a hashed student with random weights."""
    if tokenizer:
        write_word_tokenizer(folder.parent / "tokenizer.json")
    reader = HashedReader(Window(1000), 8, characters())
    weights = np.random.default_rng(0).normal(size=(1 << 8, len(DOMAINS))).astype(np.float32)
    HashedStudent.quantised(weights, np.zeros(len(DOMAINS)), DOMAINS, reader, {}).save(folder)
    return folder
