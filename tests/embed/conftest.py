import sys
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from embed_data import docstrings

from gemix.embed.minilm import MiniLM


@pytest.fixture(scope="session")
def real_text() -> pa.Table:
    """Forty docstrings, the longest well beyond 256 word pieces, and texts that tokenizers stumble over."""
    odd = [
        "",
        " ",
        "a",
        "naïve Größe Ελλάδα 東京 العربية \u200b\ufeff 👩‍👩‍👧‍👦",
        "x" * 5000,
        "1e-9 " * 400,
        "\x00\x07 control",
    ]
    texts = docstrings(40 - len(odd)) + odd
    return pa.table({"id": [f"doc-{i}" for i in range(len(texts))], "text": texts})


@pytest.fixture(scope="session")
def int8() -> MiniLM:
    return MiniLM("int8")


@pytest.fixture(scope="session")
def fp32() -> MiniLM:
    return MiniLM("fp32")
