"""Embed a Parquet table in a process of its own: FILE SPEC FOLDER WORKERS [LARGEST_FILE_IN_BYTES]."""

import resource
import sys
from pathlib import Path

import pyarrow.parquet as pq

from gemix.embed import embed_documents, make_embedder
from gemix.runtime.errors import GemixError

if __name__ == "__main__":
    table, spec, folder, workers, *limit = sys.argv[1:]
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), int(limit[0])))
    try:
        embed_documents(pq.read_table(table), make_embedder(spec, workers=int(workers)), Path(folder), chunk_rows=16)
    except GemixError as error:
        sys.exit(f"GemixError: {error}")
