import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=[".jsonl", ".json.gz", ".ndjson.zst", ".jsonl.bz2"])
def jsonl_format(request) -> str:
    return request.param


@pytest.fixture(params=[".jsonl.gz", ".jsonl.zst", ".jsonl.bz2"])
def compressed_format(request) -> str:
    return request.param
