"""The stages of a run, each a function from files to files: embed, fit, name, distill, label.

Every stage reads what earlier ones left in the run folder, writes its own files, and notes in run.json what it depended
on; a stage whose notes still hold is skipped.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gemix import config as settings
from gemix.config import RunConfig
from gemix.corpus.atomic import atomic_path, remove_leftovers, write_json
from gemix.corpus.shards import Shard, refuse_overlap, resolve_shards
from gemix.corpus.window import Window
from gemix.errors import GemixError
from gemix.ledger import Ledger, Stage, timed
from gemix.progress import progress
from gemix.run_folder import RunFolder

Facts = dict[str, Any]


class Run:
    """A run folder with its settings and its ledger; methods are the stages, in order."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        """Open a run folder, whose lock the caller holds, and write its settings.

        Raises:
            GemixError: the folder cannot be written or its run.json is unusable.

        """
        self.paths = RunFolder(folder)
        self.config = config
        self.ledger = Ledger(folder)
        for place in (folder, self.paths.embeddings, self.paths.teacher, self.paths.names, self.paths.student):
            remove_leftovers(place)
        settings.save(config, self.paths.config)

    def shards(self) -> list[Shard]:
        """Return the shards of the corpus that the settings name."""
        shards = resolve_shards(self.config.inputs)
        refuse_overlap(shards, self.config.inputs, self.paths.root)
        return shards

    def embed(self) -> None:
        """Corpus -> seed.parquet and embeddings/seed.npy."""
        stage = embed_stage(self.ledger, self.config, self.shards())
        self._do(stage, self._embed)

    def _embed(self) -> Facts:
        from gemix.embed import embed_documents, make_embedder

        documents, totals = self._sample()
        config = self.config
        embedder = make_embedder(config.embedder, workers=config.workers, shards=totals, seed=config.seed)
        result = embed_documents(documents, embedder, self.paths.embeddings, centre=config.centre)
        dropped = len(documents) - len(result.rows)
        if dropped:
            example = documents["id"][int(np.setdiff1d(np.arange(len(documents)), result.rows)[0])].as_py()
            say(f"{dropped:,} documents have no embedding (no known word) and are left out, the first is {example}")
        with atomic_path(self.paths.seed) as tmp:
            pq.write_table(documents.take(pa.array(result.rows)), tmp, compression="zstd")
        self.paths.sample.unlink(missing_ok=True)
        return {"documents": len(result.rows), "without_embedding": dropped, "dimension": result.dimension}

    def _sample(self) -> tuple[pa.Table, list[Any]]:
        """Return the seed sample, from the scan of an interrupted run where it still holds."""
        from gemix.corpus.seed import ShardTotals, sample_seed
        from gemix.corpus.tokens import token_counter

        config, shards = self.config, self.shards()
        stage = sample_stage(self.ledger, config, shards)
        if self.ledger.is_current(stage):
            facts = self.ledger.content["stages"]["sample"]["facts"]
            return pq.read_table(self.paths.sample), [ShardTotals(**totals) for totals in facts["shards"]]
        with timed() as seconds:
            sample = sample_seed(
                shards,
                documents=config.sample,
                tokens=config.sample_tokens,
                seed=config.seed,
                window=Window(config.window),
                text_key=config.text_key,
                id_key=config.id_key,
                counter=token_counter(config.token_counter),
            )
            sample.bad.check(sum(totals.rows for totals in sample.shards), config.max_bad_fraction)
            if sample.bad.total:
                say(f"{sample.bad.total:,} unusable rows are passed over:\n{sample.bad.describe()}")
            with atomic_path(self.paths.sample) as tmp:
                pq.write_table(sample.table, tmp, compression="zstd")
        facts = {"documents": len(sample.table), "shards": [totals._asdict() for totals in sample.shards]}
        self.ledger.record(stage, seconds[0], facts)
        return sample.table, sample.shards

    def fit(self) -> None:
        """Embeddings -> teacher/."""
        stage = fit_stage(self.ledger, self.config)
        self._do(stage, self._fit)

    def _fit(self) -> Facts:
        from gemix.sphere import GEM, metrics

        config = self.config
        X = np.load(self.paths.embeddings / "seed.npy", mmap_mode="r")
        if config.clusters > len(X):
            raise GemixError(f"--clusters {config.clusters} is more than the {len(X):,} documents of the sample")
        weights = None
        if config.balance_by == "tokens":
            weights = np.maximum(pq.read_table(self.paths.seed, columns=["tokens"])["tokens"].to_numpy(), 1)
        model = GEM(
            config.clusters,
            balance=config.balance,
            target=config.target,
            temper=config.temper,
            solver=config.solver,
            n_init=config.n_init,
            random_state=config.seed,
        )
        with _iterations("fit") as phases:
            model.fit(X, sample_weight=weights)
        model.save(self.paths.teacher)
        write_json(self.paths.teacher / "trace.json", {"phases": phases})
        masses = metrics.masses(model.labels_, config.clusters, weights)
        facts = {
            "balance": model.balance_ if np.isfinite(model.balance_) else "inf",
            "objective": float(model.objective_[-1]),
            "duality_gap": model.duality_gap_ if np.isfinite(model.duality_gap_) else None,
            "iterations": model.n_iter_,
            "converged": model.converged_,
            "smallest_to_uniform": metrics.smallest_to_uniform(masses),
            "largest_to_uniform": metrics.largest_to_uniform(masses),
            "normalized_entropy": metrics.normalized_entropy(masses),
        }
        say(
            f"teacher: {config.clusters} domains, lambda {model.balance_:.4g}, "
            f"smallest {facts['smallest_to_uniform']:.2f} and largest {facts['largest_to_uniform']:.2f} of uniform"
        )
        return facts

    def name(self) -> None:
        """Teacher and seed documents -> taxonomy.json, taxonomy.md, audit.parquet."""
        stage = name_stage(self.ledger, self.config)
        self._do(stage, self._name)

    def _name(self) -> Facts:
        from gemix.name_stage import make_namer, survey_options
        from gemix.taxonomy import build_taxonomy

        namer, options = make_namer(self.paths, self.config), survey_options(self.config)
        taxonomy = build_taxonomy(
            *self.paths.read_seed(), self.paths.read_teacher(), self.paths.root, namer=namer, **options
        )
        facts: Facts = {"domains": taxonomy.names}
        if namer is not None:
            say(namer.report())
            facts |= {"llm": namer.facts(), "unfinished": bool(namer.failed)}
        return facts

    def distill(self) -> None:
        """Teacher, taxonomy and seed documents -> student/."""
        shards = self.shards() if self.config.student_sample else []  # else the corpus need not be there
        stage = distill_stage(self.ledger, self.config, shards)
        self._do(stage, lambda: self._distill(shards))

    def _distill(self, shards: list[Shard]) -> Facts:
        from gemix.distill_stage import distill

        evaluation = distill(self.paths, self.config, shards)
        say(
            f"student: agrees with the teacher on {100 * evaluation.top1:.1f} % of {evaluation.documents:,} held-out "
            f"documents (top 3: {100 * evaluation.top3:.1f} %), mass drift {evaluation.mass_drift:.3f}"
        )
        return {"top1": evaluation.top1, "top3": evaluation.top3, "mass_drift": evaluation.mass_drift}

    def label(self) -> None:
        """Corpus and student -> labels/ and domains.csv. Markers say which shards are done, so this always runs."""
        from gemix.label import label_corpus, write_domains
        from gemix.student import load_student

        shards, config = self.shards(), self.config
        stage = label_stage(self.ledger, config, shards)
        with timed() as seconds:
            result = label_corpus(
                shards,
                self.paths.student,
                self.paths.labels,
                text_key=config.text_key,
                id_key=config.id_key,
                source_key=config.source_key,
                date_key=config.date_key,
                counter_spec=config.token_counter,
                workers=config.workers,
                max_bad_fraction=config.max_bad_fraction,
            )
        if not result.labelled and self.ledger.is_current(stage):
            say("label: nothing changed, skipped")
            return
        totals = result.totals
        write_domains(totals, load_student(self.paths.student).domains, self.paths.domains)
        facts = {"shards": totals.shards, "rows": totals.rows, "bad_rows": totals.bad.total}
        self.ledger.record(stage, seconds[0], facts)

    def all(self) -> None:
        """Run every stage.

        Raises:
            GemixError: among others, before any work starts, what the kind of student needs is not installed.

        """
        if self.config.student_kind == "fasttext":
            from gemix.student.fasttext_student import import_fasttext

            import_fasttext()
        for stage in (self.embed, self.fit, self.name, self.distill, self.label):
            stage()

    def _do(self, stage: Stage, work: Callable[[], Facts]) -> None:
        if self.ledger.is_current(stage):
            say(f"{stage.name}: nothing changed, skipped")
            return
        with timed() as seconds:
            facts = work()
        self.ledger.record(stage, seconds[0], facts)


def sample_stage(ledger: Ledger, config: RunConfig, shards: list[Shard]) -> Stage:
    """Return what the scan of the corpus depends on."""
    keys = ("text_key", "id_key", "token_counter", "seed", "sample", "sample_tokens", "window")
    return Stage("sample", _pick(config, *keys), ledger.hashes_of(shards), ["sample.parquet"])


def embed_stage(ledger: Ledger, config: RunConfig, shards: list[Shard]) -> Stage:
    """Return what the embeddings depend on."""
    sample = sample_stage(ledger, config, shards)
    inputs = dict(sample.inputs)
    kind, _, path = config.embedder.partition(":")
    if kind == "precomputed":
        inputs["embeddings"] = ledger.hash_of(Path(path))
    chosen = sample.settings | _pick(config, "embedder", "centre")
    return Stage("embed", chosen, inputs, ["seed.parquet", "embeddings/seed.npy", "embeddings/config.json"])


def fit_stage(ledger: Ledger, config: RunConfig) -> Stage:
    """Return what the teacher depends on."""
    chosen = _pick(config, "clusters", "balance", "balance_by", "target", "temper", "solver", "n_init", "seed")
    outputs = ["teacher/model.safetensors", "teacher/config.json", "teacher/trace.json"]
    return Stage("fit", chosen, ledger.output_hashes("embed"), outputs)


def name_stage(ledger: Ledger, config: RunConfig) -> Stage:
    """Return what the taxonomy depends on."""
    chosen = _pick(config, "representatives", "representatives_by", "seed", "llm_model")
    inputs = ledger.output_hashes("embed") | ledger.output_hashes("fit")
    return Stage("name", chosen, inputs, ["taxonomy.json", "taxonomy.md", "audit.parquet"])


def distill_stage(ledger: Ledger, config: RunConfig, shards: list[Shard]) -> Stage:
    """Return what the student depends on."""
    from gemix.student.base import MODELS

    inputs = ledger.output_hashes("embed") | ledger.output_hashes("fit") | ledger.output_hashes("name")
    chosen = _pick(config, "window", "seed", "student_kind", "student_sample")
    if config.student_sample:
        chosen |= _pick(config, "text_key", "id_key")
        inputs |= ledger.hashes_of(shards)
    outputs = [f"student/{MODELS[config.student_kind]}", "student/config.json", "student/evaluation.json"]
    return Stage("distill", chosen, inputs, outputs)


def label_stage(ledger: Ledger, config: RunConfig, shards: list[Shard]) -> Stage:
    """Return what the labels depend on."""
    inputs = ledger.hashes_of(shards) | ledger.output_hashes("distill")
    chosen = _pick(config, "text_key", "id_key", "source_key", "date_key", "token_counter")
    return Stage("label", chosen, inputs, ["domains.csv"])


def _pick(config: RunConfig, *keys: str) -> dict[str, Any]:
    return {key: "inf" if (value := getattr(config, key)) == float("inf") else value for key in keys}


def say(message: str) -> None:
    """Print a line for the user on standard error; results alone go to standard output."""
    print(message, file=sys.stderr)


@contextmanager
def _iterations(description: str) -> Iterator[list[dict[str, list[float | None]]]]:
    """Show the teacher's iterations, which it logs, as progress; yield their objectives and duality gaps by phase."""
    logger = logging.getLogger("gemix.sphere")
    level = logger.level
    phases: list[dict[str, list[float | None]]] = []
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
