"""Stage 1: corpus -> seed.parquet and embeddings/seed.npy."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gemix.chain.run import Facts, Run
from gemix.corpus.check import check_shards
from gemix.corpus.seed import SeedSample, ShardTotals
from gemix.corpus.window import Window
from gemix.run.ledger import Stage, timed
from gemix.runtime.atomic import atomic_path
from gemix.runtime.progress import say
from gemix.tokens.counter import tokenizer_file

SCHEMA: Final = 3
SCAN_SCHEMA: Final = 3
_OUTPUTS: Final = ("seed.parquet", "embeddings/seed.npy", "embeddings/config.json")


def scan_plan(run: Run) -> Stage:
    """Return what the scan of the corpus depends on."""
    keys = ("text_key", "id_key", "tokenizer", "seed", "sample", "sample_bytes", "window")
    chosen, inputs = run.pick("embed", *keys), dict(run.ledger.hashes_of(run.shards))
    file = tokenizer_file(chosen["tokenizer"]) if chosen["tokenizer"] else None
    if file is not None:  # what it holds counts, not where it lies
        chosen["tokenizer"] = None
        inputs["tokenizer"] = run.ledger.hash_of(file)
    return Stage("sample", SCAN_SCHEMA, chosen, inputs, ["sample.parquet", run.paths.tokenizer.name])


def plan(run: Run) -> Stage:
    """Return what the embeddings depend on."""
    scan = scan_plan(run)
    inputs = dict(scan.inputs)
    kind, _, path = run.config("embed").embedder.partition(":")
    if kind == "precomputed":
        inputs["embeddings"] = run.ledger.hash_of(Path(path))
    chosen = scan.settings | run.pick("embed", "embedder", "centre")
    return Stage("embed", SCHEMA, chosen, inputs, [*_OUTPUTS, run.paths.tokenizer.name])


def embed(run: Run) -> None:
    """Sample the corpus and embed the sample."""
    run.do(plan(run), lambda: _embed(run))


def _embed(run: Run) -> Facts:
    from gemix.embed import embed_documents, make_embedder

    documents, totals = _sample(run)
    config = run.config("embed")
    embedder = make_embedder(config.embedder, workers=config.workers, shards=totals, seed=config.seed)
    result = embed_documents(documents, embedder, run.paths.embeddings, centre=config.centre)
    dropped = len(documents) - len(result.rows)
    if dropped:
        example = documents["id"][int(np.setdiff1d(np.arange(len(documents)), result.rows)[0])].as_py()
        say(f"{dropped:,} documents have no embedding (no known word) and are left out, the first is {example}")
    with atomic_path(run.paths.seed) as tmp:
        pq.write_table(documents.take(pa.array(result.rows)), tmp, compression="zstd")
    run.paths.sample.unlink(missing_ok=True)
    return {"documents": len(result.rows), "without_embedding": dropped, "dimension": result.dimension}


def _sample(run: Run) -> tuple[pa.Table, list[ShardTotals]]:
    """Return the seed sample with its tokens, from the scan of an interrupted run where it still holds."""
    stage = scan_plan(run)
    if run.ledger.is_current(stage):
        facts = run.ledger.content["stages"]["sample"]["facts"]
        return pq.read_table(run.paths.sample), [ShardTotals(**totals) for totals in facts["shards"]]
    with timed() as seconds:
        config = run.config("embed")
        check_shards(run.shards, config.text_key, config.id_key, run.config("label").source_key)
        sample = scan(run)
        table = _with_tokens(run, sample.table)
        with atomic_path(run.paths.sample) as tmp:
            pq.write_table(table, tmp, compression="zstd")
    facts = {"documents": len(table), "shards": [totals._asdict() for totals in sample.shards]}
    run.ledger.record(stage, seconds[0], facts)
    return table, sample.shards


def scan(run: Run, beyond: int | None = None) -> SeedSample:
    """Scan the corpus for the seed sample, or for its first `beyond` documents in the order of the hash."""
    from gemix.corpus.seed import sample_seed

    config = run.config("embed")
    sample = sample_seed(
        run.shards,
        documents=config.sample if beyond is None else beyond,
        size=config.sample_bytes if beyond is None else None,
        seed=config.seed,
        window=Window(config.window),
        text_key=config.text_key,
        id_key=config.id_key,
    )
    sample.bad.check(sum(totals.rows for totals in sample.shards), config.max_bad_fraction)
    if sample.bad.total and beyond is None:
        say(f"{sample.bad.total:,} unusable rows are passed over:\n{sample.bad.describe()}")
    return sample


def _with_tokens(run: Run, documents: pa.Table) -> pa.Table:
    """Make the tokenizer of the run; return the sample with a column of its tokens.

    They are those of the window, scaled to the bytes of the whole document.
    """
    from gemix.tokens.choose import write_tokenizer

    texts = documents["text"].to_pylist()
    counter = write_tokenizer(run.paths.tokenizer, run.config("embed").tokenizer, texts)
    read = np.array([len(text.encode()) for text in texts], np.int64)
    tokens = np.rint(counter.count(texts) * (documents["bytes"].to_numpy() / np.maximum(read, 1))).astype(np.int64)
    return documents.append_column("tokens", pa.array(tokens))
