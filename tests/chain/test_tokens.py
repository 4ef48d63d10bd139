"""Tokens of a whole run: what stands in tokenizer.json is what counts, in whatever language."""

import random
from pathlib import Path

from support import make_documents, write_jsonl
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.mix.partition import Partition, read_partition
from gemix.tokens.counter import TokenCounter

RUN = ("--embedder", "lsa", "--clusters", 4, "--workers", 2)


def gemix(*arguments: object, code: int = 0) -> str:
    """Run a command and return what it said on standard error."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stderr


def tokens_of(table: Partition) -> int:
    assert table.tokens_low is not None
    assert table.tokens_high is not None
    assert (table.tokens_low == table.tokens).all()
    assert (table.tokens_high == table.tokens).all()
    return int(table.tokens.sum())


def test_the_half_without_spaces_has_its_share(tmp_path: Path) -> None:
    rng = random.Random(0)
    signs = [chr(0x4E00 + i) for i in range(300)]
    subjects = [signs[60 * i : 60 * i + 80] for i in range(4)]
    chinese = [
        {"id": f"zh-{i}", "text": "，".join("".join(rng.choices(subjects[i % 4], k=8)) for _ in range(12))}
        for i in range(200)
    ]
    english = make_documents(200)
    (tmp_path / "corpus").mkdir()
    write_jsonl(tmp_path / "corpus" / "a.jsonl", chinese + english)
    gemix("run", tmp_path / "corpus", "--out", tmp_path / "run", *RUN)
    table = read_partition(tmp_path / "run" / "domains.csv")
    counter = TokenCounter(tmp_path / "run" / "tokenizer.json")
    halves = [int(counter.count([row["text"] for row in rows]).sum()) for rows in (chinese, english)]
    assert tokens_of(table) == sum(halves)
    assert table.counter == counter.fingerprint
    assert 0.5 < halves[0] / sum(halves) < 0.9  # in words it would be 2 %
    before = (tmp_path / "run" / "tokenizer.json").read_bytes()
    gemix("run", tmp_path / "corpus", "--out", tmp_path / "again", *RUN)
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == before


def test_a_tokenizer_of_ones_own_counts_everything(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", make_documents(300))
    own = Path(__file__).parents[1] / "word_tokenizer.json"
    out = tmp_path / "run"
    gemix("run", tmp_path / "a.jsonl", "--out", out, "--tokenizer", own, *RUN)
    assert (out / "tokenizer.json").read_bytes() == own.read_bytes()
    assert tokens_of(read_partition(out / "domains.csv")) == 300 * 40
    other = tmp_path / "again.json"
    other.write_bytes(own.read_bytes() + b"\n")
    prepare = ("proxy", "prepare", "--labels", out / "labels", "--out", tmp_path / "proxy")
    refused = " ".join(gemix(*prepare, "--tokenizer", other, code=1).split())
    assert "were counted by another tokenizer" in refused
    assert "gemix run --out RUN --tokenizer" in refused
    gemix(*prepare)
    assert f'"tokenizer": "{TokenCounter(own).fingerprint}"' in (tmp_path / "proxy" / "data.json").read_text()
