"""Exports that point at data with an index: its paths, its exact counts, nothing that is not there."""

import fnmatch
import json
from pathlib import Path

import pytest
import yaml
from export_data import NAMES, mixture
from hypothesis import given, settings
from hypothesis import strategies as st
from token_data import make_corpus
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.mix.mixture import DomainWeight, Mixture
from gemix.runtime.errors import GemixError
from gemix.trainers import TRAINERS, DataIndex, TokenizeSettings, export_mixture, tokenize_corpus
from gemix.trainers.export import moved_shares

WEIGHTS = (0.1, 0.2, 0.3, 0.4)
LAYOUT = {"megatron": "megatron", "nemo": "megatron", "olmo-core": "olmo-core", "olmix": "olmo-core"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, DataIndex]]:
    folder = tmp_path_factory.mktemp("corpus")
    shards, labels, tokenizer = make_corpus(folder)
    return {
        layout: (
            folder / layout,
            tokenize_corpus(
                shards, labels, folder / layout, TokenizeSettings(layout, tokenizer, held_out=0.1, file_bytes=20_000)
            ),
        )
        for layout in ("megatron", "olmo-core", "mds")
    }


def test_megatron_is_told_every_file_and_its_part_of_the_share(
    made: dict[str, tuple[Path, DataIndex]], tmp_path: Path
) -> None:
    folder, index = made["megatron"]
    export_mixture(mixture(*WEIGHTS), "megatron", tmp_path / "blend", data=folder)
    words = (tmp_path / "blend").read_text().split()
    told = dict(zip(words[1::2], map(float, words[::2]), strict=True))
    assert list(told) == [str(folder / file.path) for domain in index.domains for file in domain.files]
    assert len(told) > len(NAMES)
    assert all(Path(prefix + suffix).is_file() for prefix in told for suffix in (".bin", ".idx"))
    for domain, weight in zip(index.domains, WEIGHTS, strict=True):
        for file in domain.files:
            assert told[str(folder / file.path)] == pytest.approx(weight * file.tokens / domain.tokens)


def test_olmo_core_is_told_every_file(made: dict[str, tuple[Path, DataIndex]], tmp_path: Path) -> None:
    folder, index = made["olmo-core"]
    export_mixture(mixture(*WEIGHTS), "olmo-core", tmp_path / "sources.yaml", data=folder)
    sources = yaml.safe_load((tmp_path / "sources.yaml").read_text())["sources"]
    paths = [source["paths"] for source in sources]
    assert paths == [[str(folder / file.path) for file in domain.files] for domain in index.domains]
    assert all(Path(path).is_file() for several in paths for path in several)


def test_documents_are_weighed_by_exact_lengths(made: dict[str, tuple[Path, DataIndex]], tmp_path: Path) -> None:
    folder, index = made["mds"]
    export_mixture(mixture(*WEIGHTS), "mosaicml-streaming", tmp_path / "streams.yaml", data=folder)
    streams = yaml.safe_load((tmp_path / "streams.yaml").read_text())
    assert [stream["local"] for stream in streams] == [str(folder / domain.folder) for domain in index.domains]
    tokens = [
        stream["proportion"] * domain.tokens / domain.documents
        for stream, domain in zip(streams, index.domains, strict=True)
    ]
    assert [n / sum(tokens) for n in tokens] == pytest.approx(WEIGHTS)


def test_epochs_are_those_of_the_data(made: dict[str, tuple[Path, DataIndex]], tmp_path: Path) -> None:
    folder, index = made["megatron"]
    domains = [
        DomainWeight(domain=domain.domain, weight=weight, tokens=1, epochs=99.0)  # as something else counted
        for domain, weight in zip(index.domains, WEIGHTS, strict=True)
    ]
    told = Mixture(strategy="made", budget_tokens=1_000_000, domains=domains)
    drawn = export_mixture(told, "megatron", tmp_path / "blend", data=folder)
    assert [d.tokens for d in drawn] == pytest.approx([w * 1_000_000 for w in WEIGHTS])
    assert [d.epochs for d in drawn] == pytest.approx(
        [w * 1_000_000 / domain.tokens for w, domain in zip(WEIGHTS, index.domains, strict=True)]
    )
    assert not moved_shares(drawn)


@pytest.mark.parametrize("to", TRAINERS)
def test_a_trainer_takes_only_the_layout_that_it_reads(
    made: dict[str, tuple[Path, DataIndex]], to: str, tmp_path: Path
) -> None:
    folder, _ = made["mds"]
    out = tmp_path / {"nemo": "f.json", "torchtitan": "f.py", "litgpt": "f.py", "hf-datasets": "f.py"}.get(to, "f")
    if to == "mosaicml-streaming":
        return
    with pytest.raises(
        GemixError, match=r"has the layout mds, and this trainer reads (files of its own|\S+( or \S+)?:)"
    ):
        export_mixture(mixture(*WEIGHTS), to, out, data=folder)
    assert not out.exists()


def test_a_domain_without_data_is_refused_if_it_has_weight(tmp_path: Path) -> None:
    counts = {"documents": 0, "tokens": 0, "bytes": 0}
    domain = {"name": "law", "folder": "d0000", "files": [], "held_out": [], "domain": "domain-00", **counts}
    index = DataIndex.model_validate(
        {
            "layout": "megatron",
            "tokenizer": "t",
            "partition": "p",
            "seed": 0,
            "held_out": 0,
            "key": "",
            "domains": [domain],
        }
    )
    (tmp_path / "index.json").write_text(index.to_json())
    named = Mixture(strategy="made", domains=[DomainWeight(domain="domain-00", name="law", weight=1)])
    other = named.model_copy(update={"partition": "q"})
    with pytest.raises(GemixError, match=r"has no documents of domain-00 law, to which the mixture gives 1"):
        export_mixture(named, "megatron", tmp_path / "blend", data=tmp_path)
    with pytest.raises(GemixError, match=r"has no documents of else, to which"):
        export_mixture(mixture(1.0, names=["else"]), "megatron", tmp_path / "blend", data=tmp_path)
    with pytest.raises(GemixError, match=r"of another partition"):
        export_mixture(other, "megatron", tmp_path / "blend", data=tmp_path)
    with pytest.raises(GemixError, match=r"cannot read .*nowhere"):
        export_mixture(mixture(1.0, names=["law"]), "megatron", tmp_path / "blend", data=tmp_path / "nowhere")
    assert not (tmp_path / "blend").exists()


@settings(max_examples=10)  # what takes long is YAML
@given(st.lists(st.integers(1, 10_000), min_size=200, max_size=200))
def test_levanter_loses_no_domain(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    """In every block of levanter's a domain has its weight times the size of the block, rounded down."""
    weights = [max(size / sum(sizes), 1e-4) for size in sizes]
    weights = [weight / sum(weights) for weight in weights]
    domains = [DomainWeight(domain=f"domain-{k:02d}", weight=weight) for k, weight in enumerate(weights)]
    out = tmp_path_factory.mktemp("levanter") / "data.yaml"
    drawn = export_mixture(Mixture(strategy="made", domains=domains), "levanter", out)
    data = yaml.safe_load(out.read_text())["data"]
    block = data["mixture_block_size"]
    assert block < 1 << 16
    total = sum(data["train_weights"].values())
    counts = [int(weight / total * block) for weight in data["train_weights"].values()]
    assert sum(counts) == block
    assert min(counts) >= 1
    assert [d.share for d in drawn] == [count / block for count in counts]
    assert [d.share for d in drawn] == pytest.approx(weights, rel=0.35, abs=1 / block)


def test_levanter_cannot_draw_less_than_a_sequence_a_block(tmp_path: Path) -> None:
    with pytest.raises(GemixError, match=r"blocks of at most 32,768 sequences, and 'b' with a weight of 1e-06"):
        export_mixture(mixture(1 - 1e-6, 1e-6, names=["a", "b"]), "levanter", tmp_path / "data.yaml")


def test_moved_shares_are_named(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(mixture(1 - 1.5 / 32768, 1.5 / 32768, names=["a", "b"]).to_json())
    done = CliRunner().invoke(app, ["export", str(tmp_path / "m.json"), "--to", "levanter", "-o", str(tmp_path / "o")])
    assert done.exit_code == 0, done.output
    assert "warning: levanter rounds the share of b from 0.005% to 0.00" in done.stderr
    assert "rounds the share of a" not in done.stderr


def test_regmix_finds_the_files_of_each_domain_alone(tmp_path: Path) -> None:
    domains = [DomainWeight(domain=f"domain-{k:02d}", weight=0.25) for k in (7, 70, 700)]
    domains.append(DomainWeight(domain="law [uk]*", weight=0.25))
    out = tmp_path / "mixture.yaml"
    export_mixture(Mixture(strategy="made", domains=domains), "regmix", out)
    content = yaml.safe_load(out.read_text())
    stems = ["d0007", "d0070", "d0700", "law [uk]*"]
    for split in ("train", "valid"):
        files = [f"{split}_{stem}_0_000000000{n}.bin" for stem in stems for n in range(2)]
        found = [[file for file in files if fnmatch.fnmatchcase(file, f"{prefix}*")] for prefix in content[split]]
        assert found == [files[i : i + 2] for i in range(0, 8, 2)]


def test_the_list_of_trainers() -> None:
    done = CliRunner().invoke(app, ["export", "--list"])
    assert done.exit_code == 0, done.output
    assert all(name in done.stdout for name in TRAINERS)
    assert "llm-foundry" not in done.stdout
    assert "megatron-core 0.16.1" in done.stdout


def test_the_commands_together(tmp_path: Path) -> None:
    _, labels, tokenizer = make_corpus(tmp_path, 400)
    arguments = [str(tmp_path / "in"), "--labels", str(labels), "--layout", "megatron", "-o", str(tmp_path / "data")]
    (tmp_path / "tokenizer.json").unlink()  # the labels' own
    done = CliRunner().invoke(app, ["tokenize", *arguments, "-j", "1"])
    assert done.exit_code == 1
    assert "error: which tokenizer? the labels in" in done.stderr
    done = CliRunner().invoke(app, ["tokenize", *arguments, "-j", "1", "--tokenizer", str(tokenizer)])
    assert done.exit_code == 0, done.output
    assert "d0003" in done.stdout
    told = mixture(*WEIGHTS, budget_tokens=100_000)
    (tmp_path / "m.json").write_text(told.to_json())
    arguments = [str(tmp_path / "m.json"), "--to", "nemo", "--data", str(tmp_path / "data")]
    done = CliRunner().invoke(app, ["export", *arguments, "-o", str(tmp_path / "blend.json")])
    assert done.exit_code == 0, done.output
    assert "40.000%" in done.stdout
    assert "40,000" in done.stdout
    assert len(json.loads((tmp_path / "blend.json").read_text())) == 8
