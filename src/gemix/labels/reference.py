"""What the domains of labels are compared with: the documents that a student was tested on, or other labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from gemix.labels.markers import Marker
from gemix.labels.tally import MILLIONTHS
from gemix.labels.totals import Totals, totals
from gemix.runtime.errors import GemixError
from gemix.runtime.storage import is_file, is_remote, read_bytes
from gemix.student.base import EVALUATION, student_fingerprint


@dataclass(frozen=True)
class Masses:
    """Documents by domain and how sure the student was of them.

    Attributes:
        documents: (K,) int64.
        confidence: mean probability of the chosen domains; nan if it is not known.
        variance: of that probability over documents.

    """

    documents: NDArray[np.int64]
    confidence: float = float("nan")
    variance: float = float("nan")

    @property
    def total(self) -> int:
        """All documents."""
        return int(self.documents.sum())

    @property
    def shares(self) -> NDArray[np.float64]:
        """Shares of the domains, (K,)."""
        return self.documents / max(self.total, 1)

    @classmethod
    def of(cls, counts: Totals | Marker) -> Self:
        """Return the masses of labels that were counted."""
        documents = np.array(counts.documents, np.int64)
        n = max(int(documents.sum()), 1)
        mean = sum(counts.confidence) / MILLIONTHS / n
        return cls(documents, mean, max(sum(counts.confidence_squares) / MILLIONTHS / n - mean * mean, 0.0))


@dataclass(frozen=True)
class Reference:
    """What labels are compared with: a description, the masses, and the fingerprint of the student."""

    what: str
    masses: Masses
    model: str


def read_reference(path: Path) -> Reference:
    """Return the reference in a run folder or a student's folder (the held-out seed documents) or a folder of labels.

    Raises:
        GemixError: there is none, or it cannot be read.

    """
    try:
        for student in (path / "student", path):
            if is_file(student / EVALUATION):
                return _from_evaluation(student)
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror or error}") from error
    found = totals(path) if is_remote(path) or path.is_dir() else Totals()
    if not found.shards:
        raise GemixError(
            f"{path}: nothing to compare with; give a run folder, a student's folder (with evaluation.json), or labels"
        )
    return Reference(f"the labels in {path}", Masses.of(found), found.model)


class _Band(msgspec.Struct):
    """Documents to whose domain the student gives a probability from low to high, and its mean."""

    low: float
    high: float
    documents: int
    probability: float | None


class _Evaluation(msgspec.Struct):
    """What is read of evaluation.json; in `confusion` the student's domains are the columns."""

    confusion: list[list[int]]
    calibration: list[_Band]


def _from_evaluation(student: Path) -> Reference:
    path = student / EVALUATION
    try:
        content = msgspec.json.decode(read_bytes(path), type=_Evaluation)
        documents = np.array(content.confusion, np.int64).sum(axis=0)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise GemixError(f"{path} holds nothing to compare with ({error}); distil the student again") from error
    bands = [(band.documents, band.probability, band.high - band.low) for band in content.calibration]
    counted = [(n, probability, width) for n, probability, width in bands if n and probability is not None]
    total = max(sum(n for n, _, _ in counted), 1)
    mean = sum(n * probability for n, probability, _ in counted) / total
    # Inside a band probabilities are taken to be spread evenly.
    squares = sum(n * (probability**2 + width**2 / 12) for n, probability, width in counted) / total
    masses = Masses(documents, mean, max(squares - mean**2, 0.0))
    return Reference(f"the {masses.total:,} held-out seed documents", masses, student_fingerprint(student))
