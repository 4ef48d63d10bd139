"""The influence score of one domain of a million documents: time, memory, and what the approximate search costs.

    gemix run PAGES.jsonl.zst --out run/ --window 1000
    python benchmarks/gis_scale.py run/ PAGES.jsonl.zst --work /tmp --out docs/tables/gis_scale.md

Two kinds of rows. Passages: LSA vectors, 384 dimensions, of the 300-character passages of PAGES. Enlarged: the run's
embeddings made many (see benchmarks/speed.py). All rows are one domain, with one component.
Files are float16, memory-mapped, kept in --work.

Cells are compared with exact search: all documents where that is feasible, else a random sample of documents whose
neighbours are searched among all others. Peak memory is anonymous memory above that before (see benchmarks/memory.py).
Exact and approximate search run one after the other, on the same rows; seconds of cells are those of the whole score.
"""

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import zstandard
from memory import Peak
from scipy.stats import spearmanr
from speed import enlarge

from gemix import GEM
from gemix.embed import lsa
from gemix.runtime.atomic import write_text
from gemix.runtime.threads import cores, in_order
from gemix.taxonomy import cells, neighbours
from gemix.taxonomy.cells import nearest_in_cells
from gemix.taxonomy.cosines import highest_cosines
from gemix.taxonomy.gis import influence_scores

NEIGHBOURS = 8
SAMPLE = 2000
PASSAGE = 300
DIMENSIONS = 384


def passages(corpus: Path) -> pa.Table:
    """Cut every document into runs of whole words, PASSAGE characters each; what is left over is dropped."""
    found: list[str] = []
    with zstandard.open(corpus, "rt", encoding="utf-8") as lines:
        for line in lines:
            words: list[str] = []
            for word in json.loads(line)["text"].split():
                words.append(word)
                if sum(map(len, words)) + len(words) >= PASSAGE:
                    found.append(" ".join(words))
                    words = []
    return pa.table({"text": found})


def passage_vectors(corpus: Path, out: Path) -> None:
    """Write LSA vectors of the passages; those without a known word are left out."""
    table = passages(corpus)
    with patch.object(lsa, "DIMENSIONS", DIMENSIONS):
        model = lsa.LSA()
        model.prepare(table)
        vectors = model.embed(table)
    np.save(out.with_suffix(".part.npy"), vectors[vectors.any(axis=1)].astype(np.float16))
    out.with_suffix(".part.npy").rename(out)


def compare(x: np.ndarray, model: GEM, exact: np.ndarray, found: np.ndarray) -> str:
    """Return cells of the table: how near the cosines that were found, (m, 8) for the rows of x, are to exact ones."""
    exact, found = np.sort(exact, axis=1), np.sort(found, axis=1)
    recall = np.mean(found >= exact[:, :1] - 1e-6)  # every cosine found is one of a neighbour, or lower than the eighth
    true, rho = exact.mean(axis=1, dtype=np.float64), found.mean(axis=1, dtype=np.float64)
    terms = influence_scores(x, model, beta=0.0)
    scores, truth = (terms + 0.5 * np.log(density) for density in (rho, true))
    top = [len({*np.argsort(-scores)[:m]} & {*np.argsort(-truth)[:m]}) for m in (10, 100)]
    densest = len({*np.argsort(-rho)[:100]} & {*np.argsort(-true)[:100]})
    return (
        f"{recall:.3f} | {true.mean():.3f} | {true.std():.3f} | {np.abs(true - rho).mean():.4f} "
        f"| {spearmanr(true, rho).statistic:.4f} | {densest} | {spearmanr(truth, scores).statistic:.6f} "
        f"| {top[0]} | {top[1]}"
    )


def score(x: np.ndarray, model: GEM) -> np.ndarray:
    """Score all rows as one domain, by cells; return the cosines, (n, 8), that the search found on the way."""
    kept = []

    def search(*arguments: Any) -> np.ndarray:
        kept.append(nearest_in_cells(*arguments))
        return kept[0].copy()

    with patch.object(neighbours, "MAX_EXACT", 0), patch.object(neighbours, "nearest_in_cells", search):
        influence_scores(x, model, neighbours=NEIGHBOURS)
    return kept[0]


def exact_cosines(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the cosines of rows to their nearest neighbours among all, as the exact search finds them."""
    everything = np.arange(len(x))
    chunks = (slice(start, min(start + 2048, len(rows))) for start in range(0, len(rows), 2048))
    found = in_order(lambda part: highest_cosines(x, rows[part], everything, NEIGHBOURS), chunks)
    return np.concatenate(list(found))


def line(name: str, x: np.ndarray, exact_limit: int) -> str:
    """Measure one domain, all rows of x; return a row of the table."""
    model = GEM(1, random_state=0).fit(x[:: max(1, len(x) // 50_000)])
    peak = Peak()
    peak.start()
    clock, start = time.perf_counter(), time.process_time()
    found = score(x, model)
    seconds, clock = time.process_time() - start, time.perf_counter() - clock
    peak.stopped.set()
    rows, beside = np.arange(len(x)), " | "
    if len(x) > exact_limit:
        rows = np.sort(np.random.default_rng(1).choice(len(x), SAMPLE, replace=False))
    start = time.process_time()
    exact = exact_cosines(x, rows)
    if len(rows) == len(x):
        spent = time.process_time() - start
        beside = f"{spent:.0f} | {spent / seconds:.1f}"
    return (
        f"| {name} | {len(x):,} | {seconds:.0f} | {clock:.0f} | {(peak.highest - peak.before) / 1e9:.2f} | {beside} "
        f"| {compare(x[rows], model, exact, found[rows])} |"
    )


def main() -> None:
    """Parse the command line and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("pages", type=Path, help="corpus, .jsonl.zst with a column text")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--exact", type=int, default=100_000, help="rows up to which exact search is timed too")
    parser.add_argument("--work", type=Path, required=True, help="folder for the files, which are kept")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    cut, large = arguments.work / "gemix-passages.npy", arguments.work / f"gemix-enlarged-{arguments.rows}.npy"
    if not cut.exists():
        passage_vectors(arguments.pages, cut)
    if not large.exists():
        seed = np.load(arguments.run / "embeddings" / "seed.npy")
        enlarge(seed, arguments.rows, seed.shape[1], "float16", large.with_suffix(".part")).flush()
        large.with_suffix(".part").rename(large)
    small, big = np.load(cut, mmap_mode="r"), np.load(large, mmap_mode="r")
    lines = [
        f"{cores()} cores ({platform.machine()}), NumPy {np.__version__}; {DIMENSIONS} dimensions, memory-mapped "
        f"float16, one domain, M = {NEIGHBOURS}; cells of {cells.CELL_ROWS} members on average, or {cells.MAX_CELLS:,} "
        f"cells where that is fewer; {cells.PROBES} of them a document. Seconds are of processor time, of all cores "
        f"together: a quiet machine with two cores takes about half. Above {arguments.exact:,} rows "
        f"the errors are those of {SAMPLE:,} random documents.",
        "",
        "| data | rows | seconds | by the clock | peak memory, GB | exact, seconds | exact / cells | recall@8 "
        "| mean rho | sd rho | mean error of rho | rank correlation of rho | same 100 densest "
        "| rank correlation of GIS | same best 10 | same best 100 |",
        "|---|" + "--:|" * 15,
    ]
    for name, x, sizes in (
        ("passages", small, (16_384, 32_768, len(small))),
        ("enlarged", big, (100_000, len(big))),
    ):
        for n in sorted({min(n, len(x)) for n in sizes}):
            # Passages of one page follow each other: a prefix would hold pages whole, which random ones do not.
            lines.append(
                line(name, x[:n] if n == len(x) or name == "enlarged" else x[:: len(x) // n][:n], arguments.exact)
            )
            print(lines[-1], flush=True)
    if arguments.out:
        write_text(arguments.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
