"""What a run promises: ids are keys, settings tell the truth, nothing is done twice."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from support import files_below
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.runtime import version

SMALL = ["--embedder", "lsa", "--clusters", "4", "--workers", "1", "--window", "400"]


def gemix(*arguments: object, code: int = 0) -> str:
    """Run a command and return what it said on standard error."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("promises") / "run"
    gemix("run", corpus, "--out", run, *SMALL)
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def config(run: Path) -> dict:
    return yaml.safe_load((run / "config.yaml").read_text())


def test_a_new_name_changes_no_more_than_what_is_shown(run: Path, corpus: Path, tmp_path: Path) -> None:
    mixture, blend = tmp_path / "mixture.json", tmp_path / "blend.txt"
    gemix("mix", "temperature", run / "domains.csv", "--temperature", 2, "--out", mixture)
    gemix("export", mixture, "--to", "megatron", "--out", blend)
    proxy, mixed = tmp_path / "proxy", tmp_path / "mixed"
    gemix("proxy", "prepare", corpus, "--labels", run / "labels", "--out", proxy)
    sample = ["sample", corpus, "--mixture", mixture, "--labels", run / "labels", "--out", mixed, "--tokens", 5000]
    gemix(*sample)
    old = mixture.read_bytes(), blend.read_bytes()
    gemix("taxonomy", "rename", run, 1, "Court rulings")
    before = files_below(tmp_path)

    # The chain, the labels, the data of proxies and the sample stand as they are.
    assert gemix("run", corpus, "--out", run).count("nothing changed, skipped") == 5
    assert "labelled 0 files now" in gemix("label", corpus, "--student", run / "student", "--out", run / "labels")
    gemix("proxy", "prepare", corpus, "--labels", run / "labels", "--out", proxy)
    gemix(*sample)
    after = files_below(tmp_path)
    assert {path.name for path in after if after[path] != before.get(path)} <= {".lock", "config.yaml"}

    # The old mixture still means the same domains, and a new one has the same weights.
    gemix("export", mixture, "--to", "megatron", "--out", blend)
    assert (mixture.read_bytes(), blend.read_bytes()) == old
    gemix("mix", "temperature", run / "domains.csv", "--temperature", 2, "--out", mixture)
    one, two = (json.loads(text)["domains"] for text in (old[0], mixture.read_bytes()))
    assert [entry.pop("name") for entry in two][1] == "Court rulings"
    assert [{k: v for k, v in entry.items() if k != "name"} for entry in one] == two

    # The name is in everything that people see.
    gemix("report", run)
    for shown in ("report.html", "taxonomy.md", "domains.csv", "student/names.json"):
        assert "Court rulings" in (run / shown).read_text(), shown


def test_an_excluded_domain_gets_no_weight(run: Path, tmp_path: Path) -> None:
    gemix("taxonomy", "exclude", run, 2)
    gemix("mix", "uniform", run / "domains.csv", "--out", tmp_path / "mixture.json")
    weights = [entry["weight"] for entry in json.loads((tmp_path / "mixture.json").read_text())["domains"]]
    assert weights == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
    gemix("taxonomy", "undo", run, 2)
    gemix("mix", "uniform", run / "domains.csv", "--out", tmp_path / "mixture.json")
    weights = [entry["weight"] for entry in json.loads((tmp_path / "mixture.json").read_text())["domains"]]
    assert weights == pytest.approx([1 / 4] * 4)


def test_mixtures_of_another_partition_are_not_taken_for_this_ones(run: Path, corpus: Path, tmp_path: Path) -> None:
    gemix("mix", "natural", run / "domains.csv", "--out", tmp_path / "mixture.json")
    gemix("run", corpus, "--out", tmp_path / "other", *SMALL, "--seed", 5)
    fault = "of another partition: its domains have the same numbers but are not the same documents"
    other = tmp_path / "other"
    sample = ["sample", corpus, "--mixture", tmp_path / "mixture.json", "--labels", other / "labels", "--tokens", 500]
    assert fault in gemix(*sample, "--out", tmp_path / "mixed", code=1)
    assert fault in gemix("mix", "reuse", tmp_path / "mixture.json", other / "domains.csv", code=1)


def test_one_flag_more_keeps_the_others(run: Path, corpus: Path) -> None:
    said = gemix("run", corpus, "--out", run, "--clusters", 3)
    assert "embed: nothing changed, skipped" in said
    assert config(run)["embed"]["embedder"] == "lsa"
    assert config(run)["embed"]["window"] == 400
    assert config(run)["fit"]["clusters"] == 3


def test_a_setting_that_failed_is_nowhere(run: Path) -> None:
    before = config(run)
    assert "--clusters 99999 is more than the" in gemix("fit", run, "--clusters", 99999, code=1)
    assert config(run) == before
    for file in ("config.yaml", "run.json"):
        assert "99999" not in (run / file).read_text()
    gemix("report", run)
    assert "99999" not in (run / "report.html").read_text()
    assert "fit: nothing changed, skipped" in gemix("fit", run)


def test_another_seed_of_the_teacher_leaves_the_sample_alone(run: Path, corpus: Path) -> None:
    gemix("fit", run, "--seed", 7)
    assert (config(run)["embed"]["seed"], config(run)["fit"]["seed"]) == (0, 7)
    said = gemix("run", corpus, "--out", run)
    assert "embed: nothing changed, skipped" in said
    assert "fit: nothing changed, skipped" in said


def test_inputs_hold_from_any_folder_and_are_shown_as_typed(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(corpus.parent)
    gemix("run", corpus.name, "--out", tmp_path / "run", *SMALL)
    monkeypatch.chdir(tmp_path)
    assert gemix("run", "--out", tmp_path / "run").count("nothing changed, skipped") == 5
    assert config(tmp_path / "run")["embed"]["inputs"] == [str(corpus)]
    gemix("report", "run")
    assert f"gemix run {corpus.name} --out" in (tmp_path / "run" / "report.html").read_text()


def test_a_patch_release_makes_nothing_again(
    run: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixture, mixed, proxy = tmp_path / "mixture.json", tmp_path / "mixed", tmp_path / "proxy"
    gemix("mix", "natural", run / "domains.csv", "--out", mixture)
    prepare = ["proxy", "prepare", corpus, "--labels", run / "labels", "--out", proxy]
    sample = ["sample", corpus, "--mixture", mixture, "--labels", run / "labels", "--out", mixed, "--tokens", 5000]
    joined = ["join", corpus, "--labels", run / "labels", "--out", tmp_path / "joined"]
    for command in (prepare, sample, joined):
        gemix(*command)
    before = files_below(tmp_path)
    for module in ("gemix.run.ledger", "gemix.proxy.prepare"):
        monkeypatch.setattr(f"{module}.__version__", "99.9.9")
    monkeypatch.setattr(version, "__version__", "99.9.9")
    assert gemix("run", corpus, "--out", run).count("nothing changed, skipped") == 5
    for command in (prepare, sample, joined):
        gemix(*command)
    after = files_below(tmp_path)
    assert {path.name for path in after if after[path] != before.get(path)} <= {".lock"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "was written by a newer gemix (schema 99): update gemix"),
        ({"schema": None, "format": 2}, "was made by gemix 0.1, whose domains went by their names: make it anew by"),
        ({"schema": "x"}, "cannot use"),
    ],
)
def test_run_folders_of_other_versions_are_refused_by_a_sentence(run: Path, change: dict, message: str) -> None:
    content = json.loads((run / "run.json").read_text()) | change
    if content["schema"] is None:
        del content["schema"]
    (run / "run.json").write_text(json.dumps(content))
    assert message in gemix("run", "--out", run, code=1)


def test_the_partition_is_what_the_teacher_said(run: Path) -> None:
    table = pq.read_table(run / "partition.parquet")
    seed = pq.read_table(run / "seed.parquet")
    assert table.schema.names == ["shard", "row", "id", "domain", "confidence"]
    assert all(table[name].equals(seed[name]) for name in ("shard", "row", "id"))
    assert set(table["domain"].to_pylist()) == set(range(4))
    assert all(0 < value <= 1 for value in table["confidence"].to_pylist())
