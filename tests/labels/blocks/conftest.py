import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from label_data import make_rows, save_student


@pytest.fixture(scope="session")
def student_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student") / "student", seed=0)


@pytest.fixture
def documents() -> list[dict]:
    """300 documents, two of them without text."""
    rows = make_rows(300, 0)
    rows[7]["text"] = None
    rows[8]["text"] = " \n"
    return rows
