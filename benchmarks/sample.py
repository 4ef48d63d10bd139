"""Time and memory of `gemix sample`.

    PYTHONPATH=tests/export python benchmarks/sample.py FOLDER FILES DOCUMENTS_A_FILE TOKENS WORKERS

Makes a labelled corpus in FOLDER, unless it is there, and samples from it in a process that does nothing else.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from export_data import NAMES, label, mixture

from gemix.corpus.shards import resolve_shards
from gemix.sample import SampleSettings, sample_corpus


def make_corpus(folder: Path, files: int, documents: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(5000)])
    for file in range(files):
        names, lengths = rng.choice(NAMES, documents, p=[0.4, 0.3, 0.2, 0.1]), rng.integers(5, 120, documents)
        with open(folder / f"{file}.jsonl", "w") as out:
            for i, (name, length) in enumerate(zip(names, lengths, strict=True)):
                text = " ".join([str(name), *words[rng.integers(0, len(words), length)]])
                out.write(json.dumps({"id": f"{file}-{i}", "text": text}) + "\n")


def measure(folder: Path, tokens: int, workers: int) -> None:
    shards = resolve_shards([folder / "in"])
    settings = SampleSettings(tokens, file_tokens=2_000_000)
    start = time.perf_counter()
    out = folder / f"out-{time.time_ns()}"
    report = sample_corpus(mixture(0.1, 0.2, 0.3, 0.4), shards, folder / "labels", out, settings, workers=workers)
    seconds = time.perf_counter() - start
    users = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peaks = ", ".join(f"{resource.getrusage(who).ru_maxrss / 1024:,.0f}" for who in users)
    worst = max(abs(domain.tokens / domain.target - 1) for domain in report.domains)
    print(f"{report.documents:,} documents, {report.tokens:,} tokens in {seconds:.1f} s; largest error {worst:.1e}")
    print(f"peak memory of the process, of its largest worker: {peaks} MB")


if __name__ == "__main__":
    place, sizes = Path(sys.argv[1]), [int(argument) for argument in sys.argv[2:]]
    if len(sizes) == 2:
        measure(place, *sizes)
    else:
        if not place.exists():
            make_corpus(place / "in", *sizes[:2])
            label(place / "in", place / "labels")
        subprocess.run([sys.executable, __file__, str(place), *map(str, sizes[2:])], check=True)
