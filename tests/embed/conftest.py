import sys
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from embed_data import docstrings

from gemix.embed.minilm import MiniLM
from gemix.embed.weights import load_minilm


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
def one_passage(real_text) -> pa.Table:
    """These texts, the long ones cut after 254 word pieces: no model reads more at once."""
    _, tokenizer = load_minilm()
    tokenizer.no_truncation()

    def cut(text: str) -> str:
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        return text[: offsets[253][1]] if len(offsets) > 254 else text

    return real_text.set_column(1, "text", [[cut(text) for text in real_text["text"].to_pylist()]])


@pytest.fixture(scope="session")
def int8() -> MiniLM:
    return MiniLM("int8")


@pytest.fixture(scope="session")
def fp32() -> MiniLM:
    return MiniLM("fp32")
