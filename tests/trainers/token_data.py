"""Token data of a small labelled corpus, and readers of every layout written from its description alone."""

import json
import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from export_data import label, make_rows, write_layout

from gemix.corpus.shards import Shard
from gemix.tokens import train_tokenizer
from gemix.trainers.data_index import DataIndex

Document = tuple[int, ...]


def make_corpus(folder: Path, n: int = 1200) -> tuple[list[Shard], Path, Path]:
    """Return shards, labels and tokenizer.json."""
    rows = make_rows(n)
    for row in rows[::7]:
        row["text"] += " <|endoftext|> Žluťoučký 馬"
    tokenizer = folder / "own.json"  # beside the labels lies what counted them
    train_tokenizer((row["text"] for row in rows), 300).save(str(tokenizer))
    return label(write_layout(folder / "in", rows, 4), folder / "labels"), folder / "labels", tokenizer


def wide(tokenizer: Path, path: Path) -> Path:
    """Write a copy of a tokenizer whose vocabulary needs 32 bits: one token more, with a high number."""
    content = json.loads(tokenizer.read_text())
    content["model"]["vocab"]["far away"] = 70_000
    path.write_text(json.dumps(content))
    return path


def read_megatron(prefix: Path, dtype: str) -> list[Document]:
    index, tokens = prefix.with_name(prefix.name + ".idx").read_bytes(), prefix.with_name(prefix.name + ".bin")
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, bounds = struct.unpack_from("<QBQQ", index, 9)
    assert (version, {8: "uint16", 4: "int32"}[code], bounds) == (1, dtype, sequences + 1)
    at = 9 + 25
    lengths = np.frombuffer(index, "<i4", sequences, at)
    begins = np.frombuffer(index, "<i8", sequences, at + 4 * sequences)
    documents = np.frombuffer(index, "<i8", bounds, at + 12 * sequences)
    assert len(index) == at + 12 * sequences + 8 * bounds
    assert documents.tolist() == list(range(bounds))
    data = tokens.read_bytes()
    return [tuple(np.frombuffer(data, dtype, n, b).tolist()) for n, b in zip(lengths, begins, strict=True)]


def read_raw(end: int) -> Callable[[Path, str], list[Document]]:
    def read(path: Path, dtype: str) -> list[Document]:
        tokens = np.fromfile(path, dtype)
        return split(tokens, np.flatnonzero(tokens == end) + 1)

    return read


def read_npy(path: Path, dtype: str) -> list[Document]:
    tokens = np.load(path, mmap_mode="r")
    offsets = np.load(path.with_name(path.name.replace(".npy", ".offsets.npy")), mmap_mode="r")
    assert (tokens.dtype, offsets.dtype, offsets[0]) == (dtype, "int64", 0)
    return split(tokens, offsets[1:])


def read_datatrove(path: Path, dtype: str) -> list[Document]:
    tokens = np.fromfile(path, dtype)
    name, count, _ = path.with_name(path.name + ".metadata").read_text().split("\n")
    assert (name.rsplit("|")[-1], count) == (str(np.dtype(dtype).itemsize), str(len(tokens)))
    return split(tokens, np.fromfile(path.with_name(path.name + ".index"), "<u8"))


def read_mds(path: Path, dtype: str) -> list[Document]:
    listed = json.loads((path.parent / "index.json").read_text())["shards"]
    (shard,) = [shard for shard in listed if shard["raw_data"]["basename"] == path.name]
    assert (shard["column_encodings"], shard["column_sizes"]) == ([f"ndarray:{dtype}"], [None])
    data = path.read_bytes()
    assert shard["raw_data"]["bytes"] == len(data)
    (n,) = struct.unpack_from("<I", data)
    assert shard["samples"] == n
    offsets = np.frombuffer(data, "<u4", n + 1, 4).tolist()
    found = []
    for begin, stop in pairwise(offsets):
        (size,) = struct.unpack_from("<I", data, begin)
        assert begin + 4 + size == stop
        assert data[begin + 4] >> 2 == 1  # one axis
        width = 1 << (data[begin + 4] & 3)
        length = int.from_bytes(data[begin + 5 : begin + 5 + width], "little")
        found.append(tuple(np.frombuffer(data, dtype, length, begin + 5 + width).tolist()))
    return found


def split(tokens: np.ndarray[Any, Any], ends: np.ndarray[Any, Any]) -> list[Document]:
    assert ends[-1] == len(tokens)
    return [tuple(part.tolist()) for part in np.split(tokens, ends[:-1].astype(np.int64))]


def readers(index: DataIndex) -> dict[str, Callable[[Path, str], list[Document]]]:
    return {
        "megatron": read_megatron,
        "olmo-core": read_raw(index.end),
        "mds": read_mds,
        "datatrove": read_datatrove,
        "npy": read_npy,
    }


def read_data(out: Path, index: DataIndex, held_out: bool = False) -> dict[str, list[Document]]:
    """Return the documents of every domain, in order."""
    read = readers(index)[index.layout]
    return {
        domain.name: [
            document
            for file in (domain.held_out if held_out else domain.files)
            for document in read(out / file.path, index.dtype)
        ]
        for domain in index.domains
    }
