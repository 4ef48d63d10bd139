from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import make_documents, write_jsonl

PAGES = Path(__file__).resolve().parents[2] / "shared" / "data" / "web_pages.jsonl.zst"


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 900 documents in three formats."""
    folder = tmp_path_factory.mktemp("corpus")
    documents = make_documents(900)
    write_jsonl(folder / "a.jsonl.zst", documents[:300])
    write_jsonl(folder / "b.jsonl", documents[300:600])
    (folder / "sub").mkdir()
    pq.write_table(pa.Table.from_pylist(documents[600:]), folder / "sub" / "c.parquet")
    return folder


@pytest.fixture(scope="session")
def pages() -> Path:
    """Real web pages with human topics, where they are at hand."""
    if not PAGES.exists():
        pytest.skip("the measurement data (web_pages.jsonl.zst) is not on this machine")
    return PAGES
