"""`gemix labels split`: the documents of a labelled corpus as text, in a folder a domain."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from gemix.corpus.rows import Batch
from gemix.corpus.shards import Shard, refuse_overlap
from gemix.labels.documents import labelled_batches
from gemix.labels.labelled import open_labels
from gemix.mix.domain_ids import shown
from gemix.runtime.atomic import keep_text
from gemix.runtime.errors import GemixError
from gemix.runtime.map import Launcher
from gemix.trainers.by_domain import Order, write_by_domain
from gemix.trainers.data_index import DataIndex
from gemix.trainers.layouts.base import Layout
from gemix.trainers.layouts.text import JsonLines, ParquetText, columns_of, unify

FORMATS: Final[dict[str, Layout]] = {"parquet": ParquetText(), "jsonl.zst": JsonLines()}


def split_corpus(
    shards: Sequence[Shard],
    labels: Path,
    out: Path,
    form: str,
    order: Order = Order(),  # noqa: B008
    *,
    launcher: Launcher = Launcher(),  # noqa: B008
) -> DataIndex | None:
    """Write every labelled document with all its columns to the folder of its domain, `out`/d0007/.

    Beside the folders lie index.json and a README.md by which `datasets.load_dataset(out, "d0007")` reads a domain.
    Order, sameness of bytes and resuming are those of `gemix.trainers.tokenize_corpus`.

    Args:
        shards: The labelled corpus.
        labels: Folder of its sidecars and markers.
        out: Made if it is not there.
        form: "parquet" or "jsonl.zst".
        order: Of the documents.
        launcher: Who does it; a rank does its share of the first pass, a call without one all that is left.

    Returns:
        What is there, as in index.json; tokens are those that the labels count. None for a rank.

    Raises:
        GemixError: labels missing or outdated, an unknown format, `out` holds other data, or something cannot be read
            or written.

    """
    if form not in FORMATS:
        raise GemixError(f"--format {form}: not one of {', '.join(FORMATS)}")
    order.check()
    refuse_overlap(shards, [labels], out)
    corpus = open_labels(shards, labels)
    keys = corpus.settings["text_key"], corpus.settings["id_key"]
    coding = TextCoding(*keys, corpus.settings["tokenizer"], with_columns=form == "parquet")
    index = write_by_domain(corpus, out, coding, FORMATS[form], order, launcher, {}, _informed)
    if index is not None:
        keep_text(out / "README.md", _readme(index))
    return index


@dataclass
class TextCoding:
    """A document as a JSON object: its id as text, its text, its other columns; picklable."""

    text_key: str
    id_key: str
    name: str
    with_columns: bool
    _columns: list[pa.Schema] = field(default_factory=list)

    @property
    def identity(self) -> list[str | None]:
        """What decides the object: the corpus alone."""
        return []

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a byte."""
        return np.dtype("u1")

    def read(self, shard: Shard, labels: Path, keys: tuple[str, str]) -> Iterator[tuple[Batch, pa.Table]]:
        """Yield the documents of a shard beside their labels, with all their columns."""
        return labelled_batches(shard, labels, *keys, ("id", "domain", "tokens"), with_extras=True)

    def documents(self, batch: Batch) -> Iterator[tuple[int | None, bytes]]:
        """Yield the objects of the good rows."""
        columns = batch.ids.to_pylist(), batch.texts.to_pylist(), batch.extras or []
        rows = [
            {self.id_key: document_id, self.text_key: text} | extras
            for document_id, text, extras in zip(*columns, strict=True)
            if text is not None
        ]
        encoded = [msgspec.json.encode(row, enc_hook=str) for row in rows]
        if self.with_columns:
            found = columns_of([msgspec.json.decode(row) for row in encoded])
            self._columns = [unify([*self._columns, found])]
        yield from ((None, row) for row in encoded)

    def remarks(self) -> bytes:
        """Return the columns that the objects had since the last call, in Arrow's own form."""
        schema, self._columns = unify(self._columns), []
        return bytes(schema.serialize())


def _informed(layout: Layout, remarks: list[bytes]) -> Layout:
    if not isinstance(layout, ParquetText):
        return layout
    schema = unify([pa.ipc.read_schema(pa.py_buffer(data)) for data in remarks])
    return replace(layout, columns=bytes(schema.serialize()))


def _readme(index: DataIndex) -> str:
    """Return a dataset card: a configuration for every domain that has documents."""
    full = [domain for domain in index.domains if domain.files]
    lines = ["---", "configs:"]
    for domain in full:
        lines += [f"- config_name: {json.dumps(domain.folder)}", f"  data_files: {domain.folder}/*.{index.layout}"]
    lines += ["---", "", "# Documents by domain", "", "| folder | domain | documents | tokens | bytes |"]
    lines += ["|---|---|---:|---:|---:|"]
    for domain in full:
        title = shown(domain.domain, domain.name).replace("|", "\\|")
        lines.append(f"| {domain.folder} | {title} | {domain.documents:,} | {domain.tokens:,} | {domain.bytes:,} |")
    return "\n".join([*lines, ""])
