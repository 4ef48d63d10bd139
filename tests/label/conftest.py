import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from label_data import save_student, write_corpus

from gemix.corpus.shards import Shard, resolve_shards


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student"), seed=0)


@pytest.fixture(scope="session")
def other_student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("other_student"), seed=1)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Four shards, one in each format, of different sizes; 8 of the 2,600 rows are bad."""
    return write_corpus(tmp_path / "corpus", {"a.jsonl": 300, "b.jsonl.gz": 900, "sub/c.jsonl.zst": 1200}, {"d": 200})


@pytest.fixture
def shards(corpus: Path) -> list[Shard]:
    return resolve_shards([corpus])
