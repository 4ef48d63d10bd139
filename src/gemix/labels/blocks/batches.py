"""Labels on batches, for whatever hands out batches: Ray Data, Spark, Daft, Hugging Face datasets, Polars, pandas."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from gemix.labels.blocks.labeller import Label, Labeller

# What Spark wants to hear beside the function: append it to the schema of the input.
SPARK_COLUMNS: Final = "{key} int, {key}_name string, {key}_probability float"

_TYPES: Final = (pa.int32(), pa.string(), pa.float32())


class DomainLabels:
    """A callable from a batch to the same batch with three more columns: `<key>`, `<key>_name`, `<key>_probability`.

    A batch is a pyarrow Table or RecordBatch, a pandas DataFrame, or a mapping of names to NumPy arrays or lists;
    the result is of the same kind, its rows in the same order. Rows without a text have null, in NumPy arrays -1, None
    and nan. Pickling it sends the path of the student; each process loads it once.
    """

    def __init__(self, student: str | Path, *, text_key: str = "text", key: str = "domain") -> None:
        """Say where the student is, which column holds the text and how the new columns are called."""
        self.labeller = Labeller(student)
        self.text_key = text_key
        self.key = key

    def __call__(self, batch: Any) -> Any:
        """Return the batch with its labels.

        Raises:
            GemixError: the student cannot be loaded.
            KeyError: no column of texts.
            ValueError: a column has one of the new names already.
            TypeError: a batch of another kind.

        """
        if isinstance(batch, pa.Table | pa.RecordBatch):
            names = batch.schema.names
            return self._arrow(batch, self._label(names, lambda: batch.column(self.text_key).to_pylist()))
        if isinstance(batch, Mapping):
            return self._mapping(batch, self._label(list(batch), lambda: list(batch[self.text_key])))
        if hasattr(batch, "assign") and hasattr(batch, "columns"):
            names = list(batch.columns)
            return self._pandas(batch, self._label(names, lambda: batch[self.text_key].tolist()))
        raise TypeError(f"a batch is a table, a data frame or a mapping of columns, not {type(batch).__name__}")

    def map_in_pandas(self, frames: Iterator[Any]) -> Iterator[Any]:
        """Label every frame of an iterator: what Spark's `mapInPandas` calls."""
        return map(self, frames)

    def map_in_arrow(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Label every record batch of an iterator: what Spark's `mapInArrow` calls."""
        return map(self, batches)

    def struct(self, texts: pa.Array | pa.ChunkedArray) -> pa.StructArray:
        """Return the labels alone, one struct a text: what a function of one column returns, in Daft for example."""
        columns = _columns(self.labeller(texts.to_pylist()))
        arrays = [pa.array(values, kind) for values, kind in zip(columns, _TYPES, strict=True)]
        return pa.StructArray.from_arrays(arrays, names=list(self._names))

    def spark_schema(self, schema: str) -> str:
        """Return the schema of the result where the input has the schema `schema`, both as Spark's DDL."""
        return f"{schema}, {SPARK_COLUMNS.format(key=self.key)}"

    def _label(self, names: Sequence[str], texts: Any) -> list[list[Any]]:
        """Return the three new columns as lists with None where there is no label."""
        if self.text_key not in names:
            raise KeyError(f"no column {self.text_key!r}; there are {', '.join(map(repr, names))}")
        taken = [name for name in self._names if name in names]
        if taken:
            raise ValueError(f"the batch has a column {taken[0]!r} of its own; choose another key")
        return _columns(self.labeller(texts()))

    @property
    def _names(self) -> tuple[str, str, str]:
        return self.key, f"{self.key}_name", f"{self.key}_probability"

    def _arrow(self, batch: Any, columns: list[list[Any]]) -> Any:
        for name, values, kind in zip(self._names, columns, _TYPES, strict=True):
            batch = batch.append_column(pa.field(name, kind), pa.array(values, kind))
        return batch

    def _pandas(self, frame: Any, columns: list[list[Any]]) -> Any:
        import pandas as pd

        numbers, names, probabilities = columns
        values = (
            pd.array(numbers, dtype="Int32"),
            pd.array(names, dtype="string"),
            pd.array(probabilities, dtype="Float32"),
        )
        return frame.assign(**dict(zip(self._names, values, strict=True)))

    def _mapping(self, batch: Mapping[str, Any], columns: list[list[Any]]) -> dict[str, Any]:
        if not isinstance(batch[self.text_key], np.ndarray):
            return {**batch, **dict(zip(self._names, columns, strict=True))}
        numbers, names, probabilities = columns
        values = (
            np.array([-1 if k is None else k for k in numbers], np.int32),
            np.array(names, dtype=object),
            np.array([np.nan if p is None else p for p in probabilities], np.float32),
        )
        return {**batch, **dict(zip(self._names, values, strict=True))}


def _columns(labels: list[Label | None]) -> list[list[Any]]:
    return [[None if label is None else label[i] for label in labels] for i in range(3)]
