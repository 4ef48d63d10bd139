"""Tokens of a whole run: what stands in tokenizer.json is what counts, in whatever language."""

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


def test_a_tokenizer_of_ones_own_counts_everything(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", make_documents(300))
    own = Path(__file__).parents[1] / "word_tokenizer.json"
    out = tmp_path / "run"
    gemix("run", tmp_path / "a.jsonl", "--out", out, "--tokenizer", own, *RUN)
    assert (out / "tokenizer.json").read_bytes() == own.read_bytes()
    assert tokens_of(read_partition(out / "domains.csv")) == 300 * 40
    other = tmp_path / "again.json"
    other.write_bytes(own.read_bytes() + b"\n")
    prepare = ("proxy", "prepare", "--labels", out / "labels", "--out", tmp_path / "proxy", "--held-out", 0.2)
    refused = " ".join(gemix(*prepare, "--tokenizer", other, code=1).split())
    assert "were counted by another tokenizer" in refused
    assert "gemix run --out RUN --tokenizer" in refused
    gemix(*prepare)
    assert f'"tokenizer": "{TokenCounter(own).fingerprint}"' in (tmp_path / "proxy" / "data.json").read_text()
