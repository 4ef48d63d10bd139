"""Stage 2: embeddings -> teacher/ and partition.parquet."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gemix.chain.run import Facts, Run
from gemix.run.ledger import Stage
from gemix.run.partition import Assignment, save_assignment
from gemix.runtime.atomic import atomic_path, write_json
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import content_hash
from gemix.runtime.progress import progress, say

if TYPE_CHECKING:
    from gemix.sphere import GEM

SCHEMA: Final = 2
Phases = list[dict[str, list[float | None]]]


def plan(run: Run) -> Stage:
    """Return what the teacher depends on."""
    keys = ("clusters", "balance", "balance_by", "target", "temper", "solver", "tol", "n_init", "seed")
    outputs = ["teacher/model.safetensors", "teacher/config.json", "teacher/trace.json", run.paths.partition.name]
    return Stage("fit", SCHEMA, run.pick("fit", *keys), run.ledger.output_hashes("embed"), outputs)


def fit(run: Run) -> None:
    """Fit the teacher to the embeddings and note the domain of every document."""
    run.do(plan(run), lambda: _fit(run))


def _fit(run: Run) -> Facts:
    from gemix.sphere import GEM, metrics

    config = run.config("fit")
    X = np.load(run.paths.embeddings / "seed.npy", mmap_mode="r")
    if config.clusters > len(X):
        raise GemixError(f"--clusters {config.clusters} is more than the {len(X):,} documents of the sample")
    documents = pq.read_table(run.paths.seed, columns=["shard", "row", "id", "tokens"])
    weights = np.maximum(documents["tokens"].to_numpy(), 1) if config.balance_by == "tokens" else None
    model = GEM(
        config.clusters,
        balance=config.balance,
        target=config.target,
        temper=config.temper,
        solver=config.solver,
        tol=config.tol,
        n_init=config.n_init,
        random_state=config.seed,
    )
    with _iterations("fit") as phases:
        model.fit(X, sample_weight=weights)
    model.save(run.paths.teacher)
    write_json(run.paths.teacher / "trace.json", {"phases": phases})
    with atomic_path(run.paths.partition) as new:
        save_assignment(new, documents, Assignment(model.labels_, _confidence(model, X)))
        _carry_edits(run, new)
    masses = metrics.masses(model.labels_, config.clusters, weights)
    return {
        "balance": model.balance_ if np.isfinite(model.balance_) else "inf",
        "objective": float(model.objective_[-1]),
        "duality_gap": model.duality_gap_ if np.isfinite(model.duality_gap_) else None,
        "iterations": model.n_iter_,
        "converged": model.converged_,
        "smallest_to_uniform": metrics.smallest_to_uniform(masses),
        "largest_to_uniform": metrics.largest_to_uniform(masses),
    }


def _carry_edits(run: Run, new: Path) -> None:
    """Carry what people said of the domains of the partition that `new` is about to replace."""
    from gemix.taxonomy.carry import carry_file
    from gemix.taxonomy.edits import edits_path
    from gemix.taxonomy.model import load_taxonomy

    path, old = edits_path(run.paths.root), run.paths.partition
    if not path.exists() or not old.exists():
        return
    columns = ["shard", "row", "domain"]
    notes = carry_file(
        path,
        pq.read_table(old, columns=columns),
        pq.read_table(new, columns=columns),
        old_teacher=content_hash(old),
        teacher=content_hash(new),
        names=load_taxonomy(run.paths.root).names if (run.paths.root / "taxonomy.json").exists() else (),
    )
    for note in notes:
        say(note)


def _confidence(model: "GEM", X: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the responsibility of each document's own domain, (n,)."""
    parts = range(0, len(X), 8192)
    found = [model.predict_proba(X[at : at + 8192]) for at in parts]
    own = [part[np.arange(len(part)), model.labels_[at : at + 8192]] for at, part in zip(parts, found, strict=True)]
    return np.concatenate(own).astype(np.float32)


@contextmanager
def _iterations(description: str) -> Iterator[Phases]:
    """Show the teacher's iterations, which it logs, as progress; yield their objectives and duality gaps by phase."""
    logger = logging.getLogger("gemix.sphere")
    level = logger.level
    phases: Phases = []
    with progress(description, unit="iterations") as advance:

        class Advance(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                advance(1)
                iteration, objective, gap = cast(tuple[int, float, float], record.args)
                if iteration == 0:
                    phases.append({"objective": [], "duality_gap": []})
                phases[-1]["objective"].append(float(objective))
                phases[-1]["duality_gap"].append(float(gap) if np.isfinite(gap) else None)

        handler = Advance()
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield phases
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
