"""Label a corpus in a process of its own: run_label.py CORPUS STUDENT OUT WORKERS."""

import sys
from pathlib import Path

from gemix.corpus.shards import resolve_shards
from gemix.labels import Launcher
from gemix.labels.launch import label_corpus
from gemix.runtime.errors import GemixError

if __name__ == "__main__":
    corpus, student, out, workers = sys.argv[1:]
    try:
        result = label_corpus(
            resolve_shards([corpus]), Path(student), Path(out), launcher=Launcher(workers=int(workers))
        )
    except GemixError as error:
        sys.exit(f"error: {error}")
    print(*result.labelled)
