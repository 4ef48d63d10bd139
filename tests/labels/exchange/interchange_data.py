"""Labelled folders, the command line, and lines of compressed files."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zstandard
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.corpus.shards import resolve_shards
from gemix.labels import label_corpus, write_domains
from gemix.labels.labelled import LabelledCorpus, open_labels
from gemix.student import load_student

READ: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes,
    ".gz": gzip.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


def gemix(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def lines(path: Path) -> list[bytes]:
    return READ[path.suffix](path.read_bytes()).split(b"\n")[:-1]


def label(corpus: Path, student_folder: Path, **options: Any) -> LabelledCorpus:
    """Label a folder and open its labels."""
    shards = resolve_shards([corpus])
    out = corpus.parent / "labels"
    result = label_corpus(shards, student_folder, out, max_bad_fraction=1, **options)
    write_domains(result.totals, load_student(student_folder).domains, out / "domains.csv")
    return open_labels(shards, out)
