"""From the teacher's opinion of documents to a student that has been measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gemix.corpus.window import Window
from gemix.runtime.atomic import write_json
from gemix.runtime.errors import GemixError
from gemix.student.base import Student
from gemix.student.contexts import parts_of
from gemix.student.evaluate import Evaluation, evaluate, held_out
from gemix.student.words import Glossary

Kind = Literal["hashed", "fasttext"]


@dataclass(frozen=True)
class Lesson:
    """Documents and what the teacher says of them.

    Attributes:
        documents: n rows with id and text (strings); the text is what the teacher read.
        responsibilities: (n, K).
        scores: influence scores (see `gemix.taxonomy.influence_scores`), (n,); fastText needs them, because it learns
            the most typical documents of a large domain only.
        cosines: of each document and each mean direction, (n, K), for the cosine regret; None to do without.

    """

    documents: pa.Table
    responsibilities: NDArray[Any]
    scores: NDArray[np.float64] | None = None
    cosines: NDArray[Any] | None = None


# Each argument is a choice of its own, given by name.
def train_student(
    lesson: Lesson,
    domains: list[str],
    folder: Path,
    *,
    window: Window,
    kind: Kind = "hashed",
    seed: int = 0,
    further: Lesson | None = None,
    glossary: Glossary | None = None,
    partition: str | None = None,
) -> Evaluation:
    """Train a student on nine tenths of the documents, measure it on the others, and write it to `folder`.

    The student that is written is the one that was measured. Files: the model, config.json, evaluation.json.

    Args:
        lesson: the documents that the teacher was fitted to.
        domains: K keys.
        folder: made if it is not there.
        window: what student and teacher read of a text.
        kind: see docs/student.md.
        seed: of every random step.
        further: other documents to learn from; one with the id of a held-out document is left out.
        glossary: what the teacher thinks of single words, for the hashed student.
        partition: fingerprint of what gave the domains their numbers, for the record.

    Raises:
        GemixError: too few documents, or a folder that cannot be written.

    """
    ids = lesson.documents["id"].to_pylist()
    if len(set(ids)) < 2:
        raise GemixError("a student needs at least two documents: one to learn from and one to be measured on")
    test = held_out(ids)
    learned = _rows(lesson, ~test)
    if further is not None:
        kept_back = {id_ for id_, held in zip(ids, test, strict=True) if held}
        own = np.array([id_ not in kept_back for id_ in further.documents["id"].to_pylist()], bool)
        learned = _joined(learned, _rows(further, own))
    student = _train(kind, learned, domains, window, seed, glossary)
    if partition is not None:
        student.training["partition"] = partition
    measured = _rows(lesson, test)
    evaluation = evaluate(
        student,
        measured.documents["text"],
        measured.responsibilities,
        student.training["documents"],
        cosines=measured.cosines,
    )
    student.save(folder)
    write_json(folder / "evaluation.json", evaluation.model_dump())
    return evaluation


def _train(
    kind: Kind, lesson: Lesson, domains: list[str], window: Window, seed: int, glossary: Glossary | None
) -> Student:
    texts = lesson.documents["text"]
    if kind == "fasttext":
        from gemix.student.fasttext_training import train_fasttext

        if lesson.scores is None:
            raise ValueError("a fastText student needs the influence scores of all documents")
        return train_fasttext(
            texts.to_pylist(), lesson.responsibilities, lesson.scores, domains, window=window, seed=seed
        )
    from gemix.student.hashed_training import train_hashed

    parts = parts_of(lesson.documents["id"].to_pylist())
    return train_hashed(texts, lesson.responsibilities, parts, domains, window=window, seed=seed, glossary=glossary)


def _rows(lesson: Lesson, chosen: NDArray[np.bool_]) -> Lesson:
    return Lesson(
        lesson.documents.select(["id", "text"]).filter(pa.array(chosen)),
        lesson.responsibilities[chosen],
        None if lesson.scores is None else lesson.scores[chosen],
        None if lesson.cosines is None else lesson.cosines[chosen],
    )


def _joined(one: Lesson, other: Lesson) -> Lesson:
    return Lesson(
        pa.concat_tables([one.documents, other.documents]),
        np.concatenate([one.responsibilities, other.responsibilities]),
    )
