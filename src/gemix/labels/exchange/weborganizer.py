"""Arrays as WebOrganizer keeps them: https://github.com/CodeCreator/WebOrganizer (Corpus Annotations)."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from gemix.corpus.reader import read_batches
from gemix.corpus.shards import Shard
from gemix.labels.documents import LabelRows
from gemix.labels.exchange.convert import Advance, Labels
from gemix.labels.labelled import tokens_of
from gemix.runtime.errors import GemixError
from gemix.runtime.storage import to_path
from gemix.student.base import Student, student_fingerprint
from gemix.student.load import load_student


@dataclass(frozen=True)
class WebOrganizer:
    """One number a row: `domains_<name>/<shard>__choice.npy` and `tokens/<shard>.npy`, both int64.

    A row without a label has the choice -1 and 0 tokens; tokens that were not counted are estimated from the bytes.
    With a student, by its folder, also `domains_<name>__logits/<shard>__logits.npy`, (rows, K) float32: natural
    logarithms of its probabilities, which softmax gives back; nan without a label. The sidecars hold the first domain
    only, so the student reads the documents once more for these.
    """

    name: str = "gemix"
    student: str | None = None

    @property
    def folders(self) -> list[str]:
        """Return where they lie."""
        return [f"domains_{self.name}", "tokens", f"domains_{self.name}__logits"]

    def files(self, shard: Shard) -> list[str]:
        """Return the arrays."""
        files = [f"domains_{self.name}/{shard.name}__choice.npy", f"tokens/{shard.name}.npy"]
        return files + ([f"domains_{self.name}__logits/{shard.name}__logits.npy"] if self.student else [])

    def write(self, labels: Labels, paths: list[Path], advance: Advance) -> None:
        """Write them; memory stays bounded, however many rows and domains there are."""
        n = labels.marker.rows
        choice, tokens = (_new_array(path, np.int64, (n,)) for path in paths[:2])
        row = 0
        for batch in LabelRows(labels.shard, labels.folder).rest():
            end = row + len(batch)
            choice[row:end] = pc.fill_null(batch["domain"], -1).to_numpy()
            tokens[row:end] = tokens_of(batch, labels.rates)
            row = end
            advance(0 if self.student else len(batch))
        if row != n:
            raise GemixError(f"the sidecar of {labels.shard.path} has {row:,} rows, its marker {n:,}")
        if self.student:
            self._write_logits(labels, paths[2], choice, advance)

    def _write_logits(self, labels: Labels, path: Path, choice: Any, advance: Advance) -> None:
        student = _student(to_path(self.student or ""), labels.marker.model)
        logits = _new_array(path, np.float32, (len(choice), len(labels.names)))
        rows = LabelRows(labels.shard, labels.folder)
        row = 0
        for batch in read_batches(labels.shard, text_key=labels.text_key, id_key=labels.id_key):
            rows.take_for(batch.ids)
            good = row + np.flatnonzero(batch.texts.is_valid())
            logits[row : row + len(batch)] = np.nan
            if len(good):
                logits[good] = log_probabilities(student, batch.good_texts)
                if not np.array_equal(logits[good].argmax(axis=1), choice[good]):
                    raise GemixError(f"{labels.shard.path}: the student does not give the labels that are there")
            row += len(batch)
            advance(len(batch))
        rows.end()


def log_probabilities(student: Student, texts: Any) -> np.ndarray:
    """Return the logarithm of the probability of every domain, (n, K) float32; -inf for domains unknown to the student.

    Of equal probabilities the domain that the student puts first is the largest, by the least possible amount.
    """
    k = len(student.domains)
    labels, probabilities = student.predict(texts, top=k)
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities)
    first = logs[:, :1]
    logs[:, 1:] = np.where(logs[:, 1:] >= first, np.nextafter(first, np.float32(-np.inf)), logs[:, 1:])
    out = np.full((len(labels), k), -np.inf, np.float32)
    np.put_along_axis(out, labels.astype(np.intp), logs, axis=1)
    return out


@lru_cache(maxsize=1)
def _student(folder: Path, model: str) -> Student:
    if student_fingerprint(folder) != model:
        raise GemixError(f"{folder} is not the student that made these labels")
    return load_student(folder)


def _new_array(path: Path, dtype: Any, shape: tuple[int, ...]) -> Any:
    """Return a new .npy file as an array that lies on the disk."""
    if 0 in shape:  # nothing to map
        with open(path, "wb") as file:
            np.save(file, np.empty(shape, dtype))
        return np.empty(shape, dtype)
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
