"""How well a student follows its teacher on documents that it has never seen."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from gemix.student.base import Student

HELD_OUT: Final = 0.1


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

    """

    training_documents: int
    documents: int
    top1: float
    top3: float
    mass_drift: float
    by_confidence: list[float]
    domains: list[DomainAgreement]


def held_out(ids: Sequence[str], fraction: float = HELD_OUT) -> NDArray[np.bool_]:
    """Mark the documents kept from the student, (n,): by a hash of the id, so that copies of an id stay together.

    At least one document is marked and one is not, where there are two with different ids.
    """
    hashes = [int.from_bytes(hashlib.blake2b(i.encode(), digest_size=8, key=b"held out").digest()) for i in ids]
    values = np.array(hashes, dtype=np.uint64)
    marked = values < np.uint64(fraction * 2**64)
    if not marked.any():
        marked = values == values.min()
    if marked.all():
        marked = values < values.max()
    return marked


def evaluate(
    student: Student, texts: Sequence[str], responsibilities: NDArray[Any], training_documents: int
) -> Evaluation:
    """Compare a student with its teacher.

    Args:
        student: the trained student.
        texts: held-out texts, n of them.
        responsibilities: the teacher's, (n, K).
        training_documents: how many the student learned from, for the record.

    """
    n, k = responsibilities.shape
    truth = responsibilities.argmax(axis=1)
    predicted, _ = student.predict(texts, top=3)
    first = predicted[:, 0]
    hit = first == truth
    by_confidence = np.array_split(hit[np.argsort(responsibilities.max(axis=1), kind="stable")], 4)
    teacher, said = np.bincount(truth, minlength=k), np.bincount(first, minlength=k)
    both = np.bincount(truth[hit], minlength=k)
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
    )
