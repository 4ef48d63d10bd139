"""Documents for embedders, and an embedder that needs no model."""

import argparse
import collections
import email.message
import hashlib
import inspect
import logging
import pathlib
import random
import statistics
import subprocess
import threading
from typing import Any

import numpy as np
import pyarrow as pa


def docstrings(n: int) -> list[str]:
    """The n longest docstrings of some modules of the standard library."""
    modules = [
        argparse,
        collections,
        email.message,
        inspect,
        logging,
        pathlib,
        random,
        statistics,
        subprocess,
        threading,
    ]
    found = set()
    for module in modules:
        for _, thing in inspect.getmembers(module):
            for member in [thing, *vars(thing).values()] if inspect.isclass(thing) else [thing]:
                if isinstance(doc := getattr(member, "__doc__", None), str):
                    found.add(inspect.cleandoc(doc))
    longest = sorted(found, key=lambda text: (-len(text), text))[:n]
    assert len(longest) == n
    return longest


def documents(texts: list[str]) -> pa.Table:
    rows = range(1, len(texts) + 1)
    return pa.table({"id": [f"doc-{i}" for i in rows], "text": texts, "shard": ["a"] * len(texts), "row": list(rows)})


class Hashed:
    """Vectors from a hash of the text; "zero" gives zeros. Keeps the ids that it was asked for."""

    name = "hashed"

    def __init__(self, version: int = 1, dimension: int = 8) -> None:
        self.version, self.dimension = version, dimension
        self.asked: list[str] = []
        self.prepared = 0

    def fingerprint(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version}

    def prepare(self, documents: pa.Table) -> None:
        self.prepared += 1

    def embed(self, documents: pa.Table) -> np.ndarray:
        self.asked += documents["id"].to_pylist()
        return np.array([self.vector(text) for text in documents["text"].to_pylist()], np.float32)

    def vector(self, text: str) -> np.ndarray:
        if text == "zero":
            return np.zeros(self.dimension)
        seed = hashlib.sha256(f"{self.version}{text}".encode()).digest()
        x = np.random.default_rng(list(seed)).normal(size=self.dimension) + 0.5
        return x / np.linalg.norm(x)
