"""How well the student follows the teacher on documents that it has not seen, and what it confuses."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from gemix.report import read
from gemix.report.overview import order
from gemix.report.text import plain

MATRIX_LIMIT: Final = 60  # domains; a larger matrix has cells that nobody can tell apart
_PAIRS: Final = 15


def panel(run: Path) -> dict[str, Any] | None:
    """Return agreement and confusion; None where there is no student of the present teacher.

    `pairs` are the most confused: how many held-out documents of a teacher's domain the student puts into another.
    `matrix` has the teacher's domains in rows, the student's in columns, both in the order of the tree, so that similar
    domains are neighbours; it is missing where there are many domains, or no confusion in the evaluation.
    """
    measured = read.evaluation(run)
    if measured is None:
        return None
    names = [plain(name, 80) for name in read.taxonomy(run).names]
    k = len(names)
    out: dict[str, Any] = {
        "documents": measured.documents,
        "training": measured.training_documents,
        "top1": measured.top1,
        "top3": measured.top3,
        "drift": measured.mass_drift,
        "by_confidence": measured.by_confidence,
        "names": names,
        "pairs": [],
        "matrix": None,
    }
    if measured.confusion is None:
        return out
    confusion = np.asarray(measured.confusion, dtype=np.int64)
    of = confusion.sum(axis=1)
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    for place in np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS].tolist():
        i, j = divmod(place, k)
        if wrong[i, j]:
            out["pairs"].append({"teacher": i, "student": j, "documents": int(wrong[i, j]), "of": int(of[i])})
    if k <= MATRIX_LIMIT:
        by_tree = np.argsort(order(run))
        out["matrix"] = {"order": by_tree.tolist(), "counts": confusion[np.ix_(by_tree, by_tree)].tolist()}
    return out
