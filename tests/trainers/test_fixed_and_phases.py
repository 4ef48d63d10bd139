"""Exports of mixtures with sources that are no domains, and of mixtures in phases."""

import json
from pathlib import Path

import pytest
import yaml
from export_data import mixture
from token_data import make_corpus
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.mix.mixture import DomainWeight, Mixture
from gemix.mix.phases import join_phases
from gemix.runtime.errors import GemixError
from gemix.trainers import ForMixture, TokenizeSettings, export_mixture, read_index, tokenize_corpus
from gemix.trainers.export import repeated_domains, with_fixed

WEIGHTS = (0.1, 0.2, 0.3, 0.4)


def counted(*weights: float, budget: int = 1000) -> Mixture:
    domains = [
        DomainWeight(
            domain=f"d{k}", weight=weight, documents=10 * k, tokens=1000 * k, epochs=weight * budget / 1000 / k
        )
        for k, weight in enumerate(weights, start=1)
    ]
    return Mixture(strategy="made", budget_tokens=budget, domains=domains)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with token data and, for a fixed source, other token data."""
    folder = tmp_path_factory.mktemp("data")
    shards, labels, tokenizer = make_corpus(folder, 600)
    settings = TokenizeSettings("megatron", tokenizer, file_bytes=20_000)
    tokenize_corpus(shards, labels, folder / "data", settings)
    only_law = ForMixture(mixture(0, 1.0, 0, 0), 10**9)
    tokenize_corpus(shards, labels, folder / "code", TokenizeSettings("megatron", tokenizer, only=only_law))
    tokenize_corpus(shards, labels, folder / "other", TokenizeSettings("npy", tokenizer))
    return folder


def test_a_fixed_source_has_its_share_and_the_rest_scale(tmp_path: Path) -> None:
    told = with_fixed(counted(0.25, 0.75), ["code=0.2@/data/code_document", "books=0.3@/data/books"])
    drawn = export_mixture(told, "megatron", tmp_path / "blend", paths="/data/{domain}")
    words = (tmp_path / "blend").read_text().split()
    assert dict(zip(words[1::2], map(float, words[::2]), strict=True)) == pytest.approx(
        {"/data/d1": 0.125, "/data/d2": 0.375, "/data/code_document": 0.2, "/data/books": 0.3}
    )
    assert [d.tokens for d in drawn] == pytest.approx([125, 375, 200, 300])
    assert [d.epochs for d in drawn] == [pytest.approx(0.125), pytest.approx(0.1875), None, None]


def test_a_folder_with_an_index_is_counted(data: Path, tmp_path: Path) -> None:
    told = with_fixed(mixture(*WEIGHTS, budget_tokens=100_000), [f"code=0.5@{data / 'code'}"])
    drawn = export_mixture(told, "megatron", tmp_path / "blend", data=data / "data")
    law = read_index(data / "code").domains[1]
    assert drawn[-1].name == "code"
    assert drawn[-1].epochs == pytest.approx(50_000 / law.tokens)
    assert drawn[1].epochs == pytest.approx(0.5 * 0.2 * 100_000 / read_index(data / "data").domains[1].tokens)
    assert repeated_domains(drawn, 1.0)[0].epochs == max(d.epochs for d in drawn)
    text = (tmp_path / "blend").read_text()
    assert str(data / "code" / law.files[0].path) in text
    words = text.split()
    assert sum(float(word) for word in words[::2]) == pytest.approx(1)


def test_documents_of_a_fixed_source_need_counts(data: Path, tmp_path: Path) -> None:
    told = with_fixed(counted(0.25, 0.75), ["code=0.2@/data/code"])
    with pytest.raises(GemixError, match="documents or tokens of 'code' are not known"):
        export_mixture(told, "mosaicml-streaming", tmp_path / "streams")
    export_mixture(told, "mosaicml-streaming", tmp_path / "streams", counts="tokens")
    told = with_fixed(mixture(*WEIGHTS), [f"code=0.5@{data / 'other'}"])
    with pytest.raises(GemixError, match=r"code: .*other has another layout or tokenizer than"):
        export_mixture(told, "megatron", tmp_path / "blend", data=data / "data")


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        (["code"], "--fixed is NAME=SHARE@PATH, as code=0.2@data/code, not 'code'"),
        (["code=20%@x"], "--fixed is NAME=SHARE@PATH"),
        (["code=1.5@x"], "--fixed is NAME=SHARE@PATH"),
        (["code=0.2@"], "--fixed is NAME=SHARE@PATH"),
        (["d1=0.2@x"], "--fixed: a fixed source is called as another source is"),
        (["a=0.6@x", "b=0.5@y"], r"--fixed: the fixed sources have 1\.1 of the training, and leave nothing"),
    ],
)
def test_bad_fixed_sources_are_sentences(fixed: list[str], message: str) -> None:
    with pytest.raises(GemixError, match=message):
        with_fixed(counted(0.25, 0.75), fixed)


def test_phases_are_files_and_counts_are_those_of_the_whole(tmp_path: Path) -> None:
    told = join_phases([counted(1.0, 0.0, 0.0), counted(0.5, 0.25, 0.25)], [0.75])
    drawn = export_mixture(told, "olmo-core", tmp_path / "sources.yaml")
    assert [d.domain for d in drawn] == ["d1", "d2", "d3"]
    assert [d.share for d in drawn] == pytest.approx([0.875, 0.0625, 0.0625])
    assert [d.tokens for d in drawn] == pytest.approx([875, 62.5, 62.5])
    assert [d.epochs for d in drawn] == pytest.approx([entry.epochs for entry in told.domains])
    parts = [yaml.safe_load((tmp_path / f"sources-{n}.yaml").read_text())["sources"] for n in (1, 2)]
    assert [[(s["source_name"], s["target_ratio"]) for s in part] for part in parts] == [
        [("d1", 1.0)],
        [("d1", 0.5), ("d2", 0.25), ("d3", 0.25)],
    ]
    assert not (tmp_path / "sources.yaml").exists()


def test_both_on_the_command_line(tmp_path: Path) -> None:
    told = join_phases([counted(1.0, 0.0), counted(0.5, 0.5)], [0.5])
    (tmp_path / "m.json").write_text(told.to_json())
    arguments = ["export", str(tmp_path / "m.json"), "--to", "nemo", "--fixed", "code=0.5@/data/code"]
    done = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "blend.json")])
    assert done.exit_code == 0, done.output
    said = done.output.replace("\n", "")
    assert "blend-1.json" in said
    assert "blend-2.json: 3 domains" in said
    assert json.loads((tmp_path / "blend-2.json").read_text()) == [
        "0.25",
        "data/d1",
        "0.25",
        "data/d2",
        "0.5",
        "/data/code",
    ]
    assert "0.38" in done.output  # epochs of d1: 0.75 x 0.5 x 1000 / 1000
