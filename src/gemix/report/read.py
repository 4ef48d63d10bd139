"""What the report and `gemix show` read of a run folder, checked for belonging together."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import ValidationError

from gemix.mix.partition import read_partition
from gemix.run.folder import RunFolder
from gemix.run.ledger import Ledger
from gemix.run.settings import RunConfig, resolve
from gemix.runtime.errors import GemixError
from gemix.student.evaluate import Evaluation

if TYPE_CHECKING:
    from gemix.taxonomy.model import Taxonomy


@dataclass(frozen=True, slots=True)
class Counts:
    """Documents and tokens of every domain, (K,) int64 each.

    Attributes:
        documents: how many documents.
        tokens: how many tokens.
        corpus: whether they are those of the labelled corpus; else those of the seed sample.

    """

    documents: NDArray[np.int64]
    tokens: NDArray[np.int64]
    corpus: bool


def stages(run: Path) -> dict[str, Any]:
    """Return the records of the finished stages (see docs/formats.md).

    Raises:
        GemixError: the folder is no run folder, or its run.json is damaged.

    """
    if not (run / "run.json").exists():
        raise GemixError(f"{run} is not a run folder: it has no run.json; `gemix run` makes one")
    return dict(Ledger(run).content["stages"])


def settings(run: Path) -> RunConfig:
    """Return the settings of a run."""
    return resolve({}, stored=Ledger(run).settings())


def follows(records: dict[str, Any], later: str, earlier: str) -> bool:
    """Return whether a stage was last done with the outputs that the earlier one has now."""
    if later not in records or earlier not in records:
        return False
    seen = records[later]["inputs"]
    return all(seen.get(path) == digest for path, digest in records[earlier]["outputs"].items() if path in seen)


def taxonomy(run: Path) -> "Taxonomy":
    """Return the domains of a run.

    Raises:
        GemixError: there are none yet, they are damaged, or they are those of an earlier teacher.

    """
    # The base install labels and prints tables without what the taxonomy is made with.
    from gemix.taxonomy.edits import named_taxonomy

    records = stages(run)
    if "name" not in records:
        raise GemixError(f"{run} has no named domains yet: run `gemix name {run}` or `gemix run` first")
    if not follows(records, "name", "fit"):
        raise GemixError(f"{run}/taxonomy.json describes an earlier teacher: run `gemix name {run}` again")
    return named_taxonomy(run)


def has_labels(run: Path) -> bool:
    """Return whether the corpus is labelled by a student of the present teacher."""
    records = stages(run)
    return follows(records, "label", "distill") and follows(records, "distill", "fit")


def counts(run: Path) -> Counts:
    """Return documents and tokens by domain: of the labelled corpus where there is one, else of the sample."""
    domains = taxonomy(run).domains
    if has_labels(run):
        path = RunFolder(run).domains
        try:
            table = read_partition(path)
        except (OSError, ValueError) as error:
            raise GemixError(f"cannot read {path}: {error}") from error
        if len(table.keys) != len(domains) or table.documents is None:
            counted = "" if table.documents is not None else " and counts no documents"
            raise GemixError(
                f"{path} has {len(table.keys)} domains{counted}, the run {len(domains)}: `gemix run` again"
            )
        return Counts(table.documents, table.tokens, True)
    documents, tokens = np.array([(domain.documents, domain.tokens) for domain in domains], dtype=np.int64).T
    return Counts(documents, tokens, False)


def evaluation(run: Path) -> Evaluation | None:
    """Return how well the student follows the present teacher; None where there is no student of it.

    Raises:
        GemixError: the file is damaged.

    """
    if not follows(stages(run), "distill", "fit"):
        return None
    path = RunFolder(run).student / "evaluation.json"
    try:
        found = Evaluation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise GemixError(f"{path} is not an evaluation: {error}") from error
    k = len(taxonomy(run).domains)
    if len(found.domains) != k or {len(row) for row in found.confusion or []} - {k}:
        raise GemixError(f"{path} is not an evaluation of {k} domains: run `gemix distill {run}` again")
    return found


def seed(run: Path, columns: list[str]) -> tuple[pa.Table, NDArray[np.float16]]:
    """Return columns of the seed documents and their embeddings, memory-mapped, in the same order.

    Raises:
        GemixError: one of the files is missing or damaged, or they do not fit each other.

    """
    paths = RunFolder(run)
    embeddings = paths.embeddings / "seed.npy"
    try:
        table = pq.read_table(paths.seed, columns=columns)
        X = np.load(embeddings, mmap_mode="r")
    except (OSError, ValueError, pa.ArrowException) as error:
        raise GemixError(f"cannot read the seed sample of {run}: {error}") from error
    if len(table) != len(X):
        raise GemixError(f"{paths.seed} has {len(table):,} documents, {embeddings} {len(X):,}: embed the sample again")
    return table, X


def weights(run: Path) -> NDArray[np.int64] | None:
    """Return the weights of the seed documents in the fit, (n,): their tokens, or None where all count the same."""
    if settings(run).balance_by == "documents":
        return None
    return np.maximum(seed(run, ["tokens"])[0]["tokens"].to_numpy(), 1)
