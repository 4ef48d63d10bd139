"""Attributes of the Dolma toolkit, as https://github.com/allenai/dolma/blob/main/docs/data-format.md has them."""

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow.compute as pc

from gemix.corpus.reader import read_batches
from gemix.corpus.shards import Shard
from gemix.labels.documents import LabelRows
from gemix.labels.exchange.convert import Advance, Labels
from gemix.labels.exchange.lines import numbers, open_lines

_OTHER = re.compile(r"[^a-zA-Z0-9_]")  # what Dolma, too, makes an underscore


@dataclass(frozen=True)
class DolmaAttributes:
    """`attributes/<name>/<document file>`: one line a document, in the order of the documents.

    A document of domain "food-recipe" has the attribute `<name>__food_recipe`: one span over the whole text, [0, its
    length in characters, the probability]. A document without a label has no attribute.
    """

    name: str = "gemix"

    @property
    def folders(self) -> list[str]:
        """Return where they lie."""
        return [f"attributes/{self.name}"]

    def files(self, shard: Shard) -> list[str]:
        """Return the one file: the mixer looks for the name of the document file."""
        file = shard.path.name if not shard.is_parquet else f"{shard.path.stem}.jsonl.gz"
        return [f"attributes/{self.name}/{Path(shard.name).parent / file}"]

    def write(self, labels: Labels, paths: list[Path], advance: Advance) -> None:
        """Write it; the documents are read for their lengths and their `source`."""
        encode = msgspec.json.Encoder().encode
        tags = tag_names(self.name, labels.names)
        suffix = ".jsonl.gz" if labels.shard.is_parquet else labels.shard.format
        rows = LabelRows(labels.shard, labels.folder)
        batches = read_batches(labels.shard, text_key=labels.text_key, id_key=labels.id_key, with_extras=["source"])
        with open_lines(paths[0], suffix) as file:
            for batch in batches:
                table = rows.take_for(batch.ids)
                lines = []
                for document, extra, domain, length, score in zip(
                    table["id"].to_pylist(),
                    batch.extras or [],
                    table["domain"].to_pylist(),
                    pc.utf8_length(batch.texts).to_pylist(),
                    numbers(table["probability"]),
                    strict=True,
                ):
                    line = {
                        "id": document,
                        "attributes": {} if domain is None else {tags[domain]: [[0, length, score]]},
                    }
                    if isinstance(extra.get("source"), str):
                        line["source"] = extra["source"]
                    lines.append(encode(line) + b"\n")
                file.write(b"".join(lines))
                advance(len(batch))
        rows.end()


def tag_names(name: str, domains: list[str]) -> list[str]:
    """Return the attribute of each domain: letters, digits and underscores; the number is added where two are equal."""
    tags = [f"{_OTHER.sub('_', name)}__{_OTHER.sub('_', domain)}" for domain in domains]
    return [f"{tag}_{k}" if tags.count(tag) > 1 else tag for k, tag in enumerate(tags)]
