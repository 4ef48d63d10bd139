"""How well a student follows its teacher on documents that it has never seen."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from gemix.corpus.buffers import Texts, text_list
from gemix.student.base import Student

HELD_OUT: Final = 0.1
_MARGINS: Final = (0.0, 0.5, 0.9, 0.99, 0.999, 1.0)
_CALIBRATION_BINS: Final = 10


class DomainAgreement(BaseModel):
    """One domain on the held-out documents.

    Attributes:
        domain: its number.
        name: its name.
        documents: how many the teacher puts there.
        precision: share of the student's documents in it that the teacher puts there too; None where it has none.
        recall: share of the teacher's documents in it that the student puts there too; None where it has none.

    """

    domain: int
    name: str
    documents: int
    precision: float | None
    recall: float | None


class Band(BaseModel):
    """The documents with low <= value < high; the last band of a list includes its upper end.

    Attributes:
        low: lower end.
        high: upper end.
        documents: how many there are.
        top1: share on which the student's first domain is the teacher's; None where there are no documents.

    """

    low: float
    high: float
    documents: int
    top1: float | None


class Reliability(Band):
    """The documents to whose first domain the student gives low <= probability < high.

    Attributes:
        probability: mean of these probabilities; equal to `top1` where the student is calibrated.

    """

    probability: float | None


class Evaluation(BaseModel):
    """Agreement of student and teacher on held-out documents.

    Attributes:
        training_documents: how many the student learned from.
        documents: how many were held out, chosen by a hash of their ids.
        top1: share on which the student's first domain is the teacher's.
        top3: share on which the teacher's domain is among the student's first three.
        mass_drift: total variation between the domains' shares, half the sum of |pi_student - pi_teacher|.
        by_confidence: top1 in the four quarters of the documents by the teacher's own confidence, rising.
        domains: each domain.
        confusion: K x K counts, the teacher's domains as rows, the student's as columns.
        by_length: top1 by characters of the window.
        by_margin: top1 by how much more probability the teacher gives to its first domain than to its second.
        cosine_regret: mean of x.mu_teacher - x.mu_student, which is what an error costs: nothing, where two domains lie
            side by side and the document between them; None where no embeddings were given.
        calibration_error: mean of |accuracy - probability| over the bands of `calibration`, by documents (Naeini et al.
            2015).
        calibration: ten bands of the student's probability for its first domain.

    """

    training_documents: int
    documents: int
    top1: float
    top3: float
    mass_drift: float
    by_confidence: list[float]
    domains: list[DomainAgreement]
    # Without what follows: evaluations written before there was more than one kind of student.
    confusion: list[list[int]] | None = None
    by_length: list[Band] = []
    by_margin: list[Band] = []
    cosine_regret: float | None = None
    calibration_error: float | None = None
    calibration: list[Reliability] = []


def id_hashes(ids: Sequence[str], purpose: str) -> NDArray[np.uint64]:
    """Return the blake2b-64 hash of each id, (n,), keyed by what it is for: other purposes, independent hashes."""
    digests = (hashlib.blake2b(id_.encode(), digest_size=8, key=purpose.encode()).digest() for id_ in ids)
    return np.array([int.from_bytes(digest) for digest in digests], np.uint64)


def held_out(ids: Sequence[str], fraction: float = HELD_OUT, purpose: str = "held out") -> NDArray[np.bool_]:
    """Mark the documents kept from the student, (n,): by a hash of the id, so that copies of an id stay together.

    At least one document is marked and one is not, where there are two with different ids. Another `purpose` makes
    another, independent choice.
    """
    values = id_hashes(ids, purpose)
    marked = values < np.uint64(fraction * 2**64)
    if not marked.any():
        marked = values == values.min()
    if marked.all():
        marked = values < values.max()
    return marked


def evaluate(
    student: Student,
    texts: Texts,
    responsibilities: NDArray[Any],
    training_documents: int,
    *,
    cosines: NDArray[Any] | None = None,
) -> Evaluation:
    """Compare a student with its teacher.

    Args:
        student: the trained student.
        texts: windows of held-out documents, n of them.
        responsibilities: the teacher's, (n, K).
        training_documents: how many the student learned from, for the record.
        cosines: of each document and each mean direction of the teacher, (n, K).

    """
    n, k = responsibilities.shape
    truth = responsibilities.argmax(axis=1)
    predicted, probabilities = student.predict(texts, top=3)
    first, confidence = predicted[:, 0], probabilities[:, 0]
    hit = first == truth
    confusion = np.bincount(truth * k + first, minlength=k * k).reshape(k, k)
    teacher, said, both = confusion.sum(axis=1), confusion.sum(axis=0), confusion.diagonal()
    by_confidence = np.array_split(hit[np.argsort(responsibilities.max(axis=1), kind="stable")], 4)
    ordered = np.sort(responsibilities, axis=1)
    margins = ordered[:, -1] - (ordered[:, -2] if k > 1 else 0.0)
    lengths = np.array([len(text) for text in text_list(texts)])
    calibration = _reliability(confidence, hit)
    gaps = [abs(b.top1 - b.probability) * b.documents for b in calibration if b.top1 is not None and b.probability]
    regret = None
    if cosines is not None:
        rows = np.arange(n)
        regret = float((cosines[rows, truth] - cosines[rows, first]).mean())
    return Evaluation(
        training_documents=training_documents,
        documents=n,
        top1=float(hit.mean()),
        top3=float((predicted == truth[:, None]).any(axis=1).mean()),
        mass_drift=float(0.5 * np.abs(said - teacher).sum() / n),
        by_confidence=[float(part.mean()) for part in by_confidence if len(part)],
        domains=[
            DomainAgreement(
                domain=i,
                name=student.domains[i],
                documents=int(teacher[i]),
                precision=float(both[i] / said[i]) if said[i] else None,
                recall=float(both[i] / teacher[i]) if teacher[i] else None,
            )
            for i in range(k)
        ],
        confusion=confusion.tolist(),
        by_length=_bands(lengths, hit, [0.0, *_doublings(int(lengths.max()))]),
        by_margin=_bands(margins, hit, _MARGINS),
        cosine_regret=regret,
        calibration_error=float(sum(gaps) / n),
        calibration=calibration,
    )


def _doublings(longest: int) -> list[float]:
    """Return an eighth, a quarter and half of the greatest length, and that itself."""
    return [longest / 8, longest / 4, longest / 2, float(max(longest, 1))]


def _members(values: NDArray[Any], edges: Sequence[float]) -> list[NDArray[np.bool_]]:
    last = len(edges) - 2
    return [(values >= low) & ((values < high) | (i == last)) for i, (low, high) in enumerate(pairwise(edges))]


def _bands(values: NDArray[Any], hit: NDArray[np.bool_], edges: Sequence[float]) -> list[Band]:
    return [
        Band(low=low, high=high, documents=int(inside.sum()), top1=float(hit[inside].mean()) if inside.any() else None)
        for (low, high), inside in zip(pairwise(edges), _members(values, edges), strict=True)
    ]


def _reliability(confidence: NDArray[Any], hit: NDArray[np.bool_]) -> list[Reliability]:
    edges = [i / _CALIBRATION_BINS for i in range(_CALIBRATION_BINS + 1)]
    means = [float(confidence[b].mean()) if b.any() else None for b in _members(confidence, edges)]
    return [
        Reliability(**band.model_dump(), probability=mean)
        for band, mean in zip(_bands(confidence, hit, edges), means, strict=True)
    ]
