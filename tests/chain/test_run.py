"""The main job, end to end, on small real files."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import make_documents, write_jsonl
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.runtime.lock import folder_lock

SMALL = ["--embedder", "lsa", "--clusters", "4", "--workers", "1", "--window", "400"]


def gemix(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def label_bytes(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in sorted((run / "labels").rglob("*.parquet"))}


@pytest.fixture(scope="module")
def finished(corpus, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("run") / "run"
    code, out, err = gemix("run", corpus, "--out", run, *SMALL)
    assert code == 0, err
    assert "labels" in out
    return run


def test_every_document_has_a_domain(finished, corpus):
    assert {p.name for p in finished.iterdir() if not p.name.startswith(".")} == {
        "run.json", "config.yaml", "seed.parquet", "embeddings", "teacher", "taxonomy.json", "taxonomy.md",
        "audit.parquet", "student", "labels", "domains.csv", "partition.parquet",
        "tokenizer.json",
    }  # fmt: skip
    sidecars = sorted((finished / "labels").rglob("*.parquet"))
    assert [str(p.relative_to(finished / "labels")) for p in sidecars] == ["a.parquet", "b.parquet", "sub/c.parquet"]
    tables = [pq.read_table(p) for p in sidecars]
    assert [t.num_rows for t in tables] == [300, 300, 300]
    assert sum(t["domain"].null_count for t in tables) == 0
    ids = [i for t in tables for i in t["id"].to_pylist()]
    assert ids == [d["id"] for d in make_documents(900)]
    with open(finished / "domains.csv", newline="") as file:
        domains = list(csv.DictReader(file))
    counts = [sum(t["domain"].to_pylist().count(k) for t in tables) for k in range(4)]
    assert [int(d["documents"]) for d in domains] == counts
    assert sum(int(d["tokens"]) for d in domains) == 900 * 40
    assert len({d["name"] for d in domains}) == 4


def test_the_domains_are_the_subjects(finished):
    subject = {d["id"]: d["subject"] for d in make_documents(900)}
    by_domain: dict[int, list[str]] = {}
    for path in (finished / "labels").rglob("*.parquet"):
        table = pq.read_table(path)
        for i, domain in zip(table["id"].to_pylist(), table["domain"].to_pylist(), strict=True):
            by_domain.setdefault(domain, []).append(subject[i])
    majority = sum(max(map(members.count, set(members))) for members in by_domain.values())
    assert majority > 0.7 * 900


def test_run_json_records_inputs_settings_versions_and_seeds(finished):
    stages = json.loads((finished / "run.json").read_text())["stages"]
    assert list(stages) == ["sample", "embed", "fit", "name", "distill", "label"]
    for stage in stages.values():
        assert {"key", "settings", "inputs", "outputs", "versions", "seconds", "finished", "facts"} <= set(stage)
    assert set(stages["embed"]["inputs"]) == {"a", "b", "sub/c"}
    assert stages["fit"]["settings"] == {
        "clusters": 4, "balance": "auto", "balance_by": "documents", "target": "uniform",
        "temper": 0.5, "solver": "exact", "tol": 1e-4, "n_init": 1, "seed": 0,
    }  # fmt: skip
    assert stages["fit"]["facts"]["duality_gap"] < 1e-6 * abs(stages["fit"]["facts"]["objective"])
    assert "scikit-learn" in stages["fit"]["versions"]


def test_nothing_changed_means_nothing_done(finished, corpus):
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in finished.rglob("*") if p.is_file()}
    code, _, err = gemix("run", corpus, "--out", finished, *SMALL)
    assert code == 0
    assert err.count("nothing changed, skipped") == 5
    for path, (mtime, data) in before.items():
        assert path.read_bytes() == data
        assert path.stat().st_mtime_ns == mtime or path.name in ("config.yaml", ".lock")


def test_a_changed_setting_redoes_what_depends_on_it(finished, corpus, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    settings = [*SMALL]
    settings[settings.index("4")] = "3"
    code, _, err = gemix("run", corpus, "--out", run, *settings)
    assert code == 0
    assert err.count("nothing changed, skipped") == 1
    assert "embed: nothing changed" in err
    assert max(max(pq.read_table(p)["domain"].to_pylist()) for p in (run / "labels").rglob("*.parquet")) == 2


def test_a_damaged_output_is_made_again(finished, corpus, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "teacher" / "config.json").write_text("{}")
    code, _, err = gemix("run", corpus, "--out", run, *SMALL)
    assert code == 0
    assert "fit: nothing changed" not in err
    assert label_bytes(run) == label_bytes(finished)


def test_stages_one_by_one_with_yaml_give_the_same_bytes(finished, corpus, tmp_path):
    run = tmp_path / "run"
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"inputs: ['{corpus}']\nembedder: lsa\nclusters: 4\nworkers: 2\nwindow: 400\n")
    assert gemix("embed", "--out", run, "--config", settings)[0] == 0
    for stage in ("fit", "name", "distill"):
        code, _, err = gemix(stage, run, "--config", settings)
        assert code == 0
        assert "are settings of other stages" in err
    code, _, err = gemix("label", corpus, "--student", run / "student", "--out", run / "labels", "-j", "2")
    assert code == 0, err
    assert label_bytes(run) == label_bytes(finished)
    for name in ("taxonomy.json", "teacher/model.safetensors", "student/model.safetensors", "seed.parquet"):
        assert (run / name).read_bytes() == (finished / name).read_bytes()


def test_a_corpus_that_was_moved_gives_the_same_teacher(finished, corpus, tmp_path):
    shutil.copytree(corpus, tmp_path / "elsewhere")
    code, _, err = gemix("run", tmp_path / "elsewhere", "--out", tmp_path / "run", *SMALL)
    assert code == 0, err
    for name in ("teacher/model.safetensors", "student/model.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes()


def test_documents_without_a_known_word_do_not_move_the_space(tmp_path):
    # No word of theirs is in two documents: they have no vector, and what the others were fitted to has their words.
    strange = [{"id": f"s{i}", "text": " ".join(f"q{i}x{j}" for j in range(30))} for i in range(250)]
    write_jsonl(tmp_path / "corpus.jsonl", make_documents(250) + strange)
    code, _, err = gemix("run", tmp_path / "corpus.jsonl", "--out", tmp_path / "run", *SMALL)
    assert code == 0, err
    assert "250 documents have no embedding" in err
    evaluation = json.loads((tmp_path / "run" / "student" / "evaluation.json").read_text())
    assert evaluation["top1"] > 0.8


def test_dry_run_writes_nothing(corpus, tmp_path):
    code, out, err = gemix("run", corpus, "--out", tmp_path / "run", *SMALL, "--dry-run")
    assert code == 0
    assert "3 input files" in out
    assert out.count("to do") == 5
    assert "clusters: 4" in err
    assert not (tmp_path / "run").exists()


def test_a_second_run_in_the_same_folder_is_refused(corpus, tmp_path):
    with folder_lock(tmp_path):
        code, _, err = gemix("run", corpus, "--out", tmp_path, *SMALL)
    assert code == 1
    assert "is at work in" in err


def test_balance_by_tokens(corpus, tmp_path):
    code, _, err = gemix(
        "run", corpus, "--out", tmp_path / "run", *SMALL, "--balance-by", "tokens", "--balance", "1000"
    )
    assert code == 0, err
    assert (
        json.loads((tmp_path / "run" / "run.json").read_text())["stages"]["fit"]["facts"]["smallest_to_uniform"] > 0.8
    )


def test_ctrl_c_leaves_a_resumable_run(finished, corpus, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "gemix", "run", str(corpus), "--out", str(run), *SMALL]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (run / "embeddings").exists() and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the same command goes on from here" in err
    assert "Traceback" not in err
    assert gemix("run", corpus, "--out", run, *SMALL)[0] == 0
    assert label_bytes(run) == label_bytes(finished)
