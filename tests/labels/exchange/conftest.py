import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from label_data import save_student, write_corpus

from gemix.corpus.shards import resolve_shards
from gemix.labels import label_corpus, write_domains
from gemix.labels.labelled import LabelledCorpus, open_labels
from gemix.student import load_student


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student") / "student", seed=0)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, student_folder: Path) -> Path:
    """corpus/ with a shard in each format, 8 of 2,600 rows bad, and labels/ of it."""
    folder = tmp_path_factory.mktemp("interchange")
    write_corpus(folder / "corpus", {"a.jsonl": 300, "b.jsonl.gz": 900, "sub/c.jsonl.zst": 1200}, {"d": 200})
    shards = resolve_shards([folder / "corpus"])
    result = label_corpus(shards, student_folder, folder / "labels")
    write_domains(result.totals, load_student(student_folder).domains, folder / "labels" / "domains.csv")
    return folder


@pytest.fixture
def labelled(folder: Path) -> LabelledCorpus:
    return open_labels(resolve_shards([folder / "corpus"]), folder / "labels")
