"""Token data of merged domains are the files that are there, under other names."""

import errno
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from installed import need_streaming
from token_data import make_corpus, read_data
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.mix.mixture import DomainWeight, Mixture
from gemix.runtime.errors import GemixError
from gemix.trainers import LAYOUTS, TokenizeSettings, export_mixture, read_index, tokenize_corpus
from gemix.trainers.merge import merge_data

NODES = {"domain-00": ["arts", "sport"], "domain-01": ["law"], "domain-02": ["maths"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with token data in all layouts and a run in which sport was merged into arts."""
    folder = tmp_path_factory.mktemp("made")
    shards, labels, tokenizer = make_corpus(folder, 500)
    for layout in LAYOUTS:
        settings = TokenizeSettings(layout, tokenizer, held_out=0.2, file_bytes=20_000)
        tokenize_corpus(shards, labels, folder / layout, settings)
    rows = (labels / "domains.csv").read_text().splitlines()
    (folder / "run").mkdir()
    leaves = [f"{row},{node}" for row, node in zip(rows, ["node", 0, 1, 2, 0], strict=True)]
    (folder / "run" / "domains-merged.leaves.csv").write_text("\n".join([*leaves, ""]))
    merged = "domain,name,tokens,partition\n" + "".join(
        f"{k},{'+'.join(n)},9,p\n" for k, n in enumerate(NODES.values())
    )
    (folder / "run" / "domains-merged.csv").write_text(merged)
    return folder


def merge(made: Path, layout: str, out: Path) -> None:
    merge_data(made / layout, made / "run" / "domains-merged.csv", made / "run" / "domains-merged.leaves.csv", out)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_merged_domains_have_the_documents_of_their_parts(made: Path, layout: str, tmp_path: Path) -> None:
    for _ in range(2):  # the second time it only checks
        merge(made, layout, tmp_path / "out")
    fine, index = read_index(made / layout), read_index(tmp_path / "out")
    assert [domain.domain for domain in index.domains] == list(NODES)
    assert index.partition == "p"
    for held_out in (False, True):
        parts, found = read_data(made / layout, fine, held_out), read_data(tmp_path / "out", index, held_out)
        for names in NODES.values():
            expected = [document for name in names for document in parts[name]]
            assert found["+".join(names)] == expected
    for domain, names in zip(index.domains, NODES.values(), strict=True):
        for what in ("documents", "tokens", "bytes"):
            assert getattr(domain, what) == sum(getattr(d, what) for d in fine.domains if d.name in names)
    for path in (tmp_path / "out").rglob("part-*"):
        assert path.stat().st_nlink > 1  # no byte was written again


def test_streaming_reads_merged_domains(made: Path, tmp_path: Path) -> None:
    streaming = need_streaming()
    merge(made, "mds", tmp_path / "out")
    index = read_index(tmp_path / "out")
    dataset = streaming.LocalDataset(str(tmp_path / "out" / "d0000"))
    found = Counter(tuple(sample["tokens"].tolist()) for sample in dataset)
    assert found == Counter(read_data(tmp_path / "out", index)["arts+sport"])


def test_where_links_are_not_possible_files_are_copied(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, path: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(path))

    monkeypatch.setattr(os, "link", refuse)
    merge(made, "npy", tmp_path / "out")
    times = {path: path.stat().st_ino for path in tmp_path.rglob("part-*")}
    merge(made, "npy", tmp_path / "out")
    assert {path: path.stat().st_ino for path in tmp_path.rglob("part-*")} == times
    index = read_index(tmp_path / "out")
    assert len(read_data(tmp_path / "out", index)["arts+sport"]) == index.domains[0].documents


def test_a_mixture_over_merged_domains_is_exported(made: Path, tmp_path: Path) -> None:
    merge(made, "megatron", tmp_path / "out")
    weights = zip(NODES, (0.5, 0.25, 0.25), strict=True)
    domains = [DomainWeight(domain=key, weight=weight, share=None, epochs=None) for key, weight in weights]
    told = Mixture(strategy="made", partition="p", domains=domains)
    drawn = export_mixture(told, "megatron", tmp_path / "blend", data=tmp_path / "out")
    assert [one.weight for one in drawn] == [0.5, 0.25, 0.25]
    with pytest.raises(GemixError, match="another partition"):
        export_mixture(told.model_copy(update={"partition": "q"}), "megatron", tmp_path / "b", data=tmp_path / "out")


def test_what_does_not_fit_is_refused(made: Path, tmp_path: Path) -> None:
    merge(made, "npy", tmp_path / "out")
    with pytest.raises(GemixError, match="holds other data"):
        merge(made, "mds", tmp_path / "out")
    with pytest.raises(GemixError, match="is where the data of the single domains lie"):
        merge(made, "npy", made / "npy")
    other = json.loads((made / "npy" / "index.json").read_text()) | {"partition": "else"}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "index.json").write_text(json.dumps(other))
    tables = made / "run" / "domains-merged.csv", made / "run" / "domains-merged.leaves.csv"
    with pytest.raises(GemixError, match=r"leaves\.csv is of other domains than"):
        merge_data(tmp_path / "data", *tables, tmp_path / "new")
    with pytest.raises(GemixError, match=r"which domains are merged\?"):
        merge_data(made / "npy", tables[0], tables[0], tmp_path / "new")


def test_on_the_command_line(made: Path, tmp_path: Path) -> None:
    command = ["tokenize", str(made / "run"), "--from", str(made / "npy"), "--out", str(tmp_path / "out"), "--layout"]
    assert "has the layout npy" in CliRunner().invoke(app, [*command, "mds"]).output
    done = CliRunner().invoke(app, [*command, "npy"])
    assert done.exit_code == 0, done.output
    assert "arts+sport" in done.output
    command[1] = str(tmp_path)
    assert "is not there" in CliRunner().invoke(app, [*command, "npy"]).output
