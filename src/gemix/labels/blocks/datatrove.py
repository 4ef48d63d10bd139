"""A datatrove pipeline step that labels documents: https://github.com/huggingface/datatrove (pip install datatrove)."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from gemix.labels.blocks.labeller import Labeller


class DomainLabeller(PipelineStep):  # type: ignore[misc]
    """Adds the domain of each document to its metadata; passes every document on, in order.

    Metadata gain `<key>`, `<key>_name` and `<key>_probability`, all None for a document without text. The statistics of
    the step count documents by domain.
    """

    type = "🏷️ - LABELLER"
    name = "gemix domains"

    def __init__(self, student: str | Path, *, key: str = "domain", batch_size: int = 512) -> None:
        """Say where the student is, how its columns are called, and how many documents it sees at a time."""
        super().__init__()
        self.labeller = Labeller(student)
        self.key = key
        self.batch_size = batch_size

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield the documents with their labels.

        Raises:
            GemixError: the student cannot be loaded.
            ValueError: a document has metadata of one of the new names.

        """
        documents = iter(data or ())
        while batch := list(islice(documents, self.batch_size)):
            with self.track_time("batch"):
                labels = self.labeller([document.text for document in batch])
            for document, label in zip(batch, labels, strict=True):
                domain, name, probability = label or (None, None, None)
                new = {self.key: domain, f"{self.key}_name": name, f"{self.key}_probability": probability}
                if taken := new.keys() & document.metadata.keys():
                    raise ValueError(
                        f"document {document.id!r} has metadata {min(taken)!r} of its own; choose another key"
                    )
                document.metadata |= new
                self.stat_update("documents", f"domain_{name}" if label else "without_label")
                self.update_doc_stats(document)
                yield document
