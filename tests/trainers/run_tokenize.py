"""Tokenize in a process of its own: run_tokenize.py CORPUS LABELS TOKENIZER OUT."""

import sys
from pathlib import Path

from gemix.corpus.shards import resolve_shards
from gemix.runtime.map import Launcher
from gemix.trainers import TokenizeSettings, tokenize_corpus

if __name__ == "__main__":
    corpus, labels, tokenizer, out = sys.argv[1:]
    shards = resolve_shards([corpus])
    print("begin", flush=True)
    settings = TokenizeSettings("megatron", Path(tokenizer), file_bytes=20_000)
    tokenize_corpus(shards, Path(labels), Path(out), settings, launcher=Launcher(2))
