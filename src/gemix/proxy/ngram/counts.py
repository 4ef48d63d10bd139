"""Matrices by n-gram and domain, most entries of which are zero."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sparse(NamedTuple):
    """Matrices with the same zeros, by rows: row i has the entries starts[i] to starts[i + 1].

    Attributes:
        starts: (rows + 1,) int64.
        columns: (entries,) int32, ascending in a row.
        values: the entries of each matrix, (entries,).

    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: list[NDArray[Any]]


class SparseColumns:
    """Collects matrices column by column."""

    def __init__(self, rows: int, kind: type[np.floating] = np.float32) -> None:
        self._rows = rows
        self._kind = kind
        self._found: list[NDArray[np.int32]] = []
        self._values: list[list[NDArray[Any]]] = []

    def add(self, *columns: NDArray[Any]) -> None:
        """Add the next column of every matrix, each (rows,); where the first is zero all are."""
        rows = np.flatnonzero(columns[0])
        self._found.append(rows.astype(np.int32))
        self._values.append([column[rows].astype(self._kind) for column in columns])

    def by_rows(self) -> Sparse:
        """Return the matrices of all columns so far."""
        rows = np.concatenate(self._found)
        columns = np.repeat(np.arange(len(self._found), dtype=np.int32), [len(found) for found in self._found])
        order = np.argsort(rows, kind="stable")
        starts = np.zeros(self._rows + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=self._rows), out=starts[1:])
        return Sparse(
            starts, columns[order], [np.concatenate(values)[order] for values in zip(*self._values, strict=True)]
        )
