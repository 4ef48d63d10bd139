"""Make a sample in a process of its own: run_sample.py CORPUS LABELS OUT WORKERS TOKENS."""

import sys
from pathlib import Path

from export_data import mixture

from gemix.corpus.shards import resolve_shards
from gemix.runtime.errors import GemixError
from gemix.sample import SampleSettings, sample_corpus

if __name__ == "__main__":
    corpus, labels, out, workers, tokens = sys.argv[1:]
    settings = SampleSettings(int(tokens), file_tokens=20_000)
    shards = resolve_shards([corpus])
    try:
        sample_corpus(mixture(0.1, 0.2, 0.3, 0.4), shards, Path(labels), Path(out), settings, workers=int(workers))
    except GemixError as error:
        sys.exit(f"error: {error}")
