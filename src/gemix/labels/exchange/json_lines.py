"""Sidecars as JSON lines."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from gemix.corpus.shards import Shard
from gemix.labels.documents import LabelRows
from gemix.labels.exchange.convert import Advance, Labels
from gemix.labels.exchange.lines import names_of, numbers, open_lines


@dataclass(frozen=True)
class JsonLines:
    """`<shard>.jsonl.zst`: the columns of the sidecar and the domain's name, a row a line."""

    @property
    def folders(self) -> list[str]:
        """Return where they lie."""
        return [""]

    def files(self, shard: Shard) -> list[str]:
        """Return the one file."""
        return [f"{shard.name}.jsonl.zst"]

    def write(self, labels: Labels, paths: list[Path], advance: Advance) -> None:
        """Write it."""
        encode = msgspec.json.Encoder().encode
        with open_lines(paths[0], ".jsonl.zst") as file:
            for batch in LabelRows(labels.shard, labels.folder).rest():
                table = pa.Table.from_batches([batch])
                columns = {
                    "id": table["id"].to_pylist(),
                    "domain": table["domain"].to_pylist(),
                    "name": names_of(table["domain"], labels.names),
                    "probability": numbers(table["probability"]),
                    "bytes": table["bytes"].to_pylist(),
                    "tokens": table["tokens"].to_pylist(),
                    "reason": table["reason"].to_pylist(),
                }
                rows = zip(*columns.values(), strict=True)
                file.write(b"".join(encode(dict(zip(columns, row, strict=True))) + b"\n" for row in rows))
                advance(len(batch))
