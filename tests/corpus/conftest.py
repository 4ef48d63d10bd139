import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(params=[".jsonl", ".jsonl.gz", ".jsonl.zst"])
def jsonl_format(request) -> str:
    return request.param


@pytest.fixture(params=[".jsonl.gz", ".jsonl.zst"])
def compressed_format(request) -> str:
    return request.param
