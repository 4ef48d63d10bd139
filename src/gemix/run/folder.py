"""Where everything of a run lies, and how its seed documents and its teacher are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gemix.run.partition import Assignment, load_assignment
from gemix.runtime.errors import GemixError


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where everything of a run lies (see docs/formats.md)."""

    root: Path

    @property
    def config(self) -> Path:
        """The resolved settings."""
        return self.root / "config.yaml"

    @property
    def sample(self) -> Path:
        """The seed sample while it is being embedded."""
        return self.root / "sample.parquet"

    @property
    def seed(self) -> Path:
        """The embedded documents, in the order of the embeddings."""
        return self.root / "seed.parquet"

    @property
    def tokenizer(self) -> Path:
        """What counts all tokens of the run."""
        return self.root / "tokenizer.json"

    @property
    def embeddings(self) -> Path:
        """Folder of seed.npy."""
        return self.root / "embeddings"

    @property
    def teacher(self) -> Path:
        """The fitted GEM."""
        return self.root / "teacher"

    @property
    def partition(self) -> Path:
        """The domain of every seed document."""
        return self.root / "partition.parquet"

    @property
    def names(self) -> Path:
        """Answers of the language model that names domains."""
        return self.root / "names"

    @property
    def student(self) -> Path:
        """The distilled classifier."""
        return self.root / "student"

    @property
    def labels(self) -> Path:
        """Sidecars and markers."""
        return self.root / "labels"

    @property
    def domains(self) -> Path:
        """Documents and tokens of every domain."""
        return self.root / "domains.csv"

    def read_seed(self) -> tuple[pa.Table, np.ndarray]:
        """Return the embedded documents and their embeddings, memory-mapped."""
        return pq.read_table(self.seed), np.load(self.embeddings / "seed.npy", mmap_mode="r")

    def read_assignment(self, documents: pa.Table | None = None) -> Assignment:
        """Return the domains of the seed documents, which must be these.

        Raises:
            GemixError: they are missing or damaged, or are those of other documents.

        """
        return load_assignment(self.partition, documents)

    def read_teacher(self) -> Any:
        """Return the fitted teacher.

        Raises:
            GemixError: it is missing or damaged.

        """
        from gemix.sphere import GEM

        try:
            return GEM.load(self.teacher)
        except ValueError as error:
            raise GemixError(str(error)) from error
