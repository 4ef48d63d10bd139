"""A labelled corpus, made with the real labeller and a student that reads the domain from the text."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from support import write_word_tokenizer

from gemix.corpus.buffers import text_list
from gemix.corpus.shards import Shard, resolve_shards
from gemix.corpus.window import Window
from gemix.labels import Reading
from gemix.labels.shard import label_shard
from gemix.labels.totals import totals, write_domains
from gemix.mix.mixture import DomainWeight, Mixture
from gemix.student.normaliser import Normaliser

NAMES = ["arts", "law", "maths", "sport"]


class ReadingStudent:
    """Predicts the domain whose name is the first word of the text."""

    kind = "fake"
    domains = NAMES
    normaliser = Normaliser(Window(1000))

    def predict(self, texts: Sequence[str], top: int = 1) -> tuple[np.ndarray, np.ndarray]:
        labels = np.array([[NAMES.index(text.split(maxsplit=1)[0])] for text in text_list(texts)], np.int32)
        return labels, np.ones((len(texts), 1), np.float32)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def make_rows(n: int, seed: int = 0, longest: int = 60) -> list[dict[str, Any]]:
    """Documents of 2 to `longest` words, four times as many in the first domain as in the last."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        name = rng.choices(NAMES, weights=[4, 3, 2, 1])[0]
        words = [name, *(f"w{rng.randrange(1000)}" for _ in range(rng.randint(1, longest - 1)))]
        rows.append({"id": f"doc-{i:06d}", "text": " ".join(words), "url": f"u{i}", "score": i / 8, "tags": [i, "x"]})
    return rows


def write_layout(folder: Path, rows: list[dict[str, Any]], shards: int, seed: int = 0, tags: bool = True) -> Path:
    """Spread rows over files in all formats; every 97th line of JSON lines is followed by a broken one."""
    random.Random(seed).shuffle(rows)
    for s in range(shards):
        mine = rows[s::shards]
        path = folder / ("sub" if s % 2 else ".") / f"part-{s}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if s % 3 == 2:
            pq.write_table(
                pa.Table.from_pylist([row | ({"tags": None} if tags else {}) for row in mine]), f"{path}.parquet"
            )
            continue
        lines = [json.dumps(row) + ("\n{broken" if i % 97 == 96 else "") for i, row in enumerate(mine)]
        data = ("\n".join(lines) + "\n").encode()
        if s % 3:
            path.with_name(path.name + ".jsonl.zst").write_bytes(zstandard.compress(data))
        else:
            path.with_name(path.name + ".jsonl").write_bytes(data)
    return folder


def label(
    corpus: Path,
    labels: Path,
    text_key: str = "text",
    id_key: str = "id",
    tokenizer: Path | None = None,
    one_in: int = 1,
) -> list[Shard]:
    shards = resolve_shards([corpus])
    tokenizer = tokenizer or write_word_tokenizer(labels.parent / "tokenizer.json")
    for shard in shards:
        reading = Reading(text_key=text_key, id_key=id_key, tokenizer=tokenizer, one_in=one_in)
        label_shard(shard, ReadingStudent(), labels, model="m", reading=reading)
    write_domains(totals(labels, shards), NAMES, labels / "domains.csv")
    return shards


def mixture(*weights: float, names: Sequence[str] = NAMES, **fields: Any) -> Mixture:
    domains = [DomainWeight(domain=name, weight=weight) for name, weight in zip(names, weights, strict=True)]
    return Mixture(strategy="made", domains=domains, **fields)


def documents(out: Path) -> list[dict[str, Any]]:
    """The documents of a sample, in the order of its files."""
    rows: list[dict[str, Any]] = []
    for path in sorted(out.glob("part-*.jsonl.zst")):
        with open(path, "rb") as file:
            data = zstandard.ZstdDecompressor().stream_reader(file).read()
        rows += [msgspec.json.decode(line) for line in data.splitlines()]
    for path in sorted(out.glob("part-*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included, by its relative path; but for the empty lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def tokens_of(length: int) -> Any:
    """A document for litdata's workers, which import this function."""
    import torch

    return torch.full((170,), length, dtype=torch.int32)
