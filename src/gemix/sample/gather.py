"""Second pass: one output file from its part of every scratch file, sorted by position."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from gemix.labels.spill import SCHEMA, read_spill
from gemix.runtime.atomic import atomic_path, write_text
from gemix.runtime.fingerprint import file_sha256
from gemix.sample.files import FileMarker, file_marker_path, file_path, trusted_file

_BATCH = 1 << 12  # documents written at a time


@dataclass(frozen=True, slots=True)
class OutputFile:
    """An output file, by its number."""

    number: int

    @property
    def name(self) -> str:
        """What it is called."""
        return f"part-{self.number:05d}"


@dataclass(frozen=True)
class Gather:
    """Makes one output file and its marker; picklable."""

    out: Path
    spills: Sequence[Path]
    key: str
    files: int
    format: str
    text_key: str
    id_key: str
    domain_key: str

    def standing(self, task: OutputFile) -> bytes | None:
        """Return the marker of an output file that is as it was written."""
        found = trusted_file(file_path(self.out, task.number, self.format), self.key)
        return None if found is None else msgspec.json.encode(found)

    def make(self, task: OutputFile, advance: Callable[[int], None]) -> bytes:
        """Write an output file, then its marker."""
        file = task.number
        batches = [batch for path in self.spills for batch in read_spill(path, file, self.files) if batch.num_rows]
        # Documents at one position, which have one hash, are ordered by their content: nothing depends on the input.
        table = pa.Table.from_batches(batches, SCHEMA).sort_by([("position", "ascending"), ("document", "ascending")])
        del batches
        path = file_path(self.out, file, self.format)
        with atomic_path(path) as tmp:
            (self._write_jsonl if self.format == "jsonl.zst" else self._write_parquet)(tmp, table)
            sha256 = file_sha256(tmp)
        counts = table.group_by("domain").aggregate([("tokens", "count"), ("tokens", "sum")]).sort_by("domain")
        numbers = counts["domain"].to_pylist()
        documents = dict(zip(numbers, counts["tokens_count"].to_pylist(), strict=True))
        tokens = dict(zip(numbers, counts["tokens_sum"].to_pylist(), strict=True))
        marker = FileMarker(2, self.key, documents, tokens, sha256)
        write_text(file_marker_path(path), msgspec.json.format(msgspec.json.encode(marker), indent=2).decode() + "\n")
        advance(table.num_rows)
        return msgspec.json.encode(marker)

    def _write_jsonl(self, path: Path, table: pa.Table) -> None:
        with open(path, "wb") as file, zstandard.ZstdCompressor(write_checksum=True).stream_writer(file) as stream:
            for documents in _pieces(table):
                stream.write(b"\n".join([*documents, b""]))

    def _write_parquet(self, path: Path, table: pa.Table) -> None:
        """Write the columns that every document has, and the others as one JSON object."""
        schema = pa.schema(
            [
                (self.id_key, pa.string()),
                (self.text_key, pa.large_string()),
                (self.domain_key, pa.int32()),
                (f"{self.domain_key}_name", pa.string()),
                ("meta", pa.large_string()),
            ]
        )
        with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
            for documents in _pieces(table):
                rows = [msgspec.json.decode(document) for document in documents]
                columns = [[row.pop(name) for row in rows] for name in schema.names[:-1]]
                columns.append([msgspec.json.encode(row).decode() for row in rows])
                writer.write_batch(pa.record_batch(list(map(pa.array, columns, schema.types)), schema=schema))


def _pieces(table: pa.Table) -> Iterator[list[bytes]]:
    for batch in table.select(["document"]).to_batches(max_chunksize=_BATCH):
        yield batch["document"].to_pylist()
