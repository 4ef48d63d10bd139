"""Faults injected into samples: wrong labels, killed processes, damaged files, folders in use."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_data import contents, documents, label, make_rows, mixture, write_layout
from support import files_below, store_settings

from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import documents as labelled_documents
from gemix.labels.labelled import open_labels
from gemix.runtime.errors import GemixError
from gemix.runtime.lock import folder_lock
from gemix.sample import SampleSettings, gather, run, sample_corpus, select
from gemix.sample.budget import token_budgets

SCRIPT = str(Path(__file__).with_name("run_sample.py"))
TOKENS = 150_000
SETTINGS = SampleSettings(TOKENS, file_tokens=20_000)
MIXTURE = mixture(0.1, 0.2, 0.3, 0.4)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    label(write_layout(folder / "in", make_rows(6000), 5), folder / "labels")
    return folder


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an uninterrupted sample."""
    out = tmp_path_factory.mktemp("expected")
    sample_corpus(MIXTURE, resolve_shards([source / "in"]), source / "labels", out, SETTINGS)
    files = contents(out)
    assert len(files) == 17  # 8 files with their markers, and sample.json
    return files


@pytest.fixture
def copy(source: Path, tmp_path: Path) -> Path:
    """A copy of corpus and labels to damage."""
    shutil.copytree(source, tmp_path / "copy")
    return tmp_path / "copy"


def sample(place: Path, out: Path, settings: SampleSettings = SETTINGS, workers: int = 1) -> Any:
    shards = resolve_shards([place / "in"])
    return sample_corpus(MIXTURE, shards, place / "labels", out, settings, workers=workers)


@pytest.mark.slow
def test_two_workers_choose_the_same(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two workers write is compared below, where they are killed on the way."""
    corpus = open_labels(resolve_shards([source / "in"]), source / "labels")
    budgets = token_budgets(MIXTURE, corpus.names, corpus.tokens, TOKENS, 4)
    alone = select.select_documents(corpus, budgets, 0, 1)
    monkeypatch.setattr(select, "_ROWS_A_WORKER", 1000)  # else so small a corpus is chosen from by one
    assert select.select_documents(corpus, budgets, 0, 2) == alone
    assert sum(map(len, alone.rows.values())) > 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_random_moments(source: Path, expected: dict[str, bytes], tmp_path: Path, workers: int) -> None:
    rng = random.Random(workers)
    out = tmp_path / "out"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, SCRIPT, str(source / "in"), str(source / "labels"), str(out), str(workers), str(TOKENS)]
    stages: list[Callable[[], object]] = [
        lambda: out.exists(),
        lambda: list(out.glob(".work/**/*.arrow")),
        lambda: len(list(out.glob(".work/**/*.arrow"))) >= 4,
        lambda: list(out.glob("part-*.zst")),
        lambda: len(list(out.glob("part-*.json"))) >= 4,
    ]
    unfinished = 0
    for reached in stages if workers == 1 else stages[1::2]:
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, env=env)
        while process.poll() is None and not reached():
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        unfinished += not (out / "sample.json").exists()
        for name, data in contents(out).items():  # nothing half-written under a real name
            if name.startswith("part-"):
                assert data == expected[name]
    assert unfinished >= 2, "the kills came too late to test anything"
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert contents(out) == expected


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (run, "select_documents"),
        (labelled_documents, "file_stat"),
        (gather, "file_sha256"),
        (gather, "write_text"),
        (run, "_check"),
    ],
)
@pytest.mark.parametrize("call", [1, 3])
def test_interrupted_anywhere(
    source: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    call: int,
) -> None:
    calls = 0
    original = getattr(module, name)

    def fail(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(module, name, fail)
        try:
            sample(source, out)
        except KeyboardInterrupt:
            assert not (out / "sample.json").exists()
            assert not list(out.rglob("*.tmp-*"))
        else:
            assert calls < call  # what is called once a sample
    written = {path: path.stat().st_ino for path in out.glob("part-*.json")}
    sample(source, out)
    assert contents(out) == expected
    assert {path: path.stat().st_ino for path in written} == written  # done files are left alone


def test_a_finished_sample_is_only_checked(source: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    first = sample(source, tmp_path / "out")
    before = files_below(tmp_path / "out")
    assert sample(source, tmp_path / "out") == first
    after = files_below(tmp_path / "out")
    assert {path for path in after if after[path] != before.get(path)} <= {tmp_path / "out" / ".lock"}
    assert after.keys() == before.keys()


@pytest.mark.parametrize("victim", ["part-00003.jsonl.zst", "sample.json"])
@pytest.mark.parametrize("missing", [True, False])
def test_what_is_damaged_is_written_again(
    source: Path, expected: dict[str, bytes], tmp_path: Path, victim: str, missing: bool
) -> None:
    out = tmp_path / "out"
    sample(source, out)
    inodes = {path.name: path.stat().st_ino for path in out.glob("part-*")}
    if missing:
        (out / victim).unlink()
    else:
        (out / victim).write_bytes((out / victim).read_bytes()[:-5])
    sample(source, out)
    assert contents(out) == expected
    again = {path.name for path in out.glob("part-*") if path.stat().st_ino != inodes[path.name]}
    assert again <= {victim, f"{victim.partition('.')[0]}.json"}


@pytest.mark.parametrize(
    "settings",
    [
        SampleSettings(TOKENS, seed=1, file_tokens=20_000),
        SampleSettings(TOKENS // 2, file_tokens=20_000),
        SampleSettings(TOKENS, file_tokens=20_000, format="parquet"),
    ],
)
def test_another_sample_in_the_folder_is_refused(
    source: Path, expected: dict[str, bytes], tmp_path: Path, settings: SampleSettings
) -> None:
    sample(source, tmp_path / "out")
    with pytest.raises(GemixError, match=r"out holds part-00000\.\S+, which is no part of this sample"):
        sample(source, tmp_path / "out", settings)
    assert contents(tmp_path / "out") == expected


def test_files_of_others_are_refused(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "part-00000.parquet").write_bytes(b"mine")
    with pytest.raises(GemixError, match=r"holds part-00000\.parquet, which is no part of this sample"):
        sample(source, tmp_path / "out")


def test_work_of_another_sample_is_dropped(source: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "write_text", lambda path, text: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(run.Gather, "make", lambda self, file, advance: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sample(source, out, SampleSettings(TOKENS, seed=9, file_tokens=20_000))
    assert list(out.glob(".work/**/*.arrow"))
    sample(source, out)
    assert contents(out) == expected


def test_one_process_a_folder(source: Path, tmp_path: Path) -> None:
    with folder_lock(tmp_path / "out"), pytest.raises(GemixError, match="is at work in"):
        sample(source, tmp_path / "out")


def test_missing_and_outdated_labels_are_named(copy: Path, tmp_path: Path) -> None:
    labels = copy / "labels"
    (labels / "part-0.json").unlink()
    (labels / "sub" / "part-1.parquet").unlink()
    with open(copy / "in" / "part-2.parquet", "ab") as file:
        file.write(b" ")
    os.utime(copy / "in" / "sub" / "part-3.jsonl", ns=(1, 1))  # touched, not changed
    data = (labels / "part-4.parquet").read_bytes()
    (labels / "part-4.parquet").write_bytes(data[:-1] + b"X")
    with pytest.raises(GemixError) as caught:
        sample(copy, tmp_path / "out")
    message = str(caught.value)
    assert f"4 of 5 files have no valid labels in {labels}" in message
    assert "part-0.jsonl: no labels" in message
    assert "part-1.jsonl.zst: no labels" in message
    assert "part-2.parquet: the file is not the one that was labelled" in message
    assert "part-3" not in message
    assert f"{labels / 'part-4.parquet'} is not the sidecar that its marker describes" in message
    assert not (tmp_path / "out").exists()


def test_labels_of_another_version_are_not_called_missing(copy: Path, tmp_path: Path) -> None:
    marker = copy / "labels" / "part-4.json"
    marker.write_text(marker.read_text().replace('"schema": 4', '"schema": 3'))
    with pytest.raises(GemixError, match=r"part-4\.json is damaged, or of another version of gemix"):
        sample(copy, tmp_path / "out")


def test_labels_of_two_students_do_not_mix(copy: Path, tmp_path: Path) -> None:
    marker = copy / "labels" / "part-4.json"
    marker.write_text(marker.read_text().replace('"model": "m"', '"model": "other"'))
    with pytest.raises(GemixError, match="made with different students or settings"):
        sample(copy, tmp_path / "out")


def rewrite_sidecar(labels: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change a sidecar and its marker's sha256 with it, as no accident would."""
    from gemix.runtime.fingerprint import file_sha256

    sidecar, marker = labels / f"{name}.parquet", labels / f"{name}.json"
    old = file_sha256(sidecar)
    pq.write_table(change(pq.read_table(sidecar)), sidecar)
    marker.write_text(marker.read_text().replace(old, file_sha256(sidecar)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda table: table.slice(0, len(table) - 1),
            r"part-4\.jsonl\.zst and .*part-4\.parquet have not the same number",
        ),
        (lambda table: pa.concat_tables([table, table.slice(0, 1)]), r"have not the same number of rows"),
        (
            lambda table: table.take([*range(1, len(table)), 0]),
            r"part-4\.jsonl\.zst:1: this row \(id 'doc-\d+'\) is not what the same row of",
        ),
    ],
)
def test_rows_that_do_not_match(copy: Path, tmp_path: Path, change: Any, message: str) -> None:
    rewrite_sidecar(copy / "labels", "part-4", change)
    with pytest.raises(GemixError, match=message):
        sample(copy, tmp_path / "out")
    assert not list((tmp_path / "out").glob("part-*"))


def test_a_shard_that_changes_meanwhile(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = labelled_documents.read_batches

    def grow(shard: Shard, **arguments: Any) -> Any:
        yield from original(shard, **arguments)
        if shard.name == "part-0":
            with open(shard.path, "a") as file:
                file.write('{"id": "new", "text": "law"}\n')

    monkeypatch.setattr(labelled_documents, "read_batches", grow)
    with pytest.raises(GemixError, match=r"part-0\.jsonl changed while it was read"):
        sample(copy, tmp_path / "out")


def test_a_key_that_documents_have(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": str(i), "text": f"law w{i}", "domain": "example.com"} for i in range(9)]
    (tmp_path / "in" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shards = label(tmp_path / "in", tmp_path / "labels")
    made = mixture(0, 1.0, 0, 0)
    with pytest.raises(GemixError, match=r"a\.jsonl:1: the document has a 'domain' of its own; .*--domain-key NAME"):
        sample_corpus(made, shards, tmp_path / "labels", tmp_path / "out", SampleSettings(18))
    settings = SampleSettings(18, domain_key="gemix")
    sample_corpus(made, shards, tmp_path / "labels", tmp_path / "out", settings)
    assert {(row["domain"], row["gemix"], row["gemix_name"]) for row in documents(tmp_path / "out")} == {
        ("example.com", 1, "law")
    }


def test_names_of_the_domains(copy: Path, tmp_path: Path) -> None:
    domains = copy / "labels" / "domains.csv"
    domains.rename(copy / "domains.csv")  # as `gemix run` has it
    assert sample(copy, tmp_path / "a").domains[3].name == "sport"
    (copy / "domains.csv").unlink()
    with pytest.raises(GemixError, match=r"no table of the domains of .*: neither .* nor .* is there; labelling"):
        sample(copy, tmp_path / "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("domain,documents,tokens,name\n0,1,1,arts\n", r"domains\.csv has 1 domains, the labels in .* 4"),
        ("domain,documents,tokens,name\n1,1,1,arts\n", r"does not list the domains 0, 1, 2"),
        ("domain,documents,tokens,name\n1,1,1,a\n0,1,1,b\n", r"does not list the domains 0, 1, 2"),
        ("a,b\n0,1\n", r"domains\.csv: no column 'name'"),
    ],
)
def test_bad_names(copy: Path, tmp_path: Path, content: str, message: str) -> None:
    (copy / "labels" / "domains.csv").write_text(content)
    with pytest.raises(GemixError, match=message):
        sample(copy, tmp_path / "out")


@pytest.mark.parametrize("place", ["in", "in/sub", "labels/out", "labels"])
def test_an_output_among_the_inputs(copy: Path, place: str) -> None:
    before = contents(copy)
    shards = resolve_shards([copy / "in"])
    with pytest.raises(GemixError, match="--out"):
        sample_corpus(MIXTURE, shards, copy / "labels", copy / place, SETTINGS)
    assert contents(copy) == before


def test_nothing_fits(source: Path, tmp_path: Path) -> None:
    with pytest.raises(GemixError, match=r"no document fits the 2 tokens of the sample:\n  maths: 1 of 1 tokens"):
        sample(source, tmp_path / "out", SampleSettings(2))
    with pytest.raises(GemixError, match=r"--format csv: not one of jsonl\.zst, parquet"):
        sample(source, tmp_path / "out", SampleSettings(10, format="csv"))
    with pytest.raises(GemixError, match="the column meta of the Parquet files"):
        sample(source, tmp_path / "out", SampleSettings(10, format="parquet", domain_key="meta"))
    with pytest.raises(GemixError, match="--file-tokens must be at least 1, not 0"):
        sample(source, tmp_path / "out", SampleSettings(10, file_tokens=0))


def test_the_command_takes_inputs_from_the_run_and_tokens_from_the_mixture(copy: Path, tmp_path: Path) -> None:
    import typer
    from typer.testing import CliRunner

    from gemix.cli.export import sample as command

    app = typer.Typer()
    app.command()(command)
    path = tmp_path / "mixture.json"
    path.write_text(mixture(0.1, 0.2, 0.3, 0.4, budget_tokens=60_000).model_dump_json())
    arguments = ["--mixture", str(path), "--labels", str(copy / "labels"), "--out", str(tmp_path / "out"), "-j", "1"]
    done = CliRunner().invoke(app, [*arguments, "--max-epochs", "1"])
    assert isinstance(done.exception, GemixError)
    assert "give the files that were labelled" in str(done.exception)
    store_settings(copy, inputs=[str(copy / "in")])
    done = CliRunner().invoke(app, [*arguments, "--max-epochs", "1"])
    assert done.exit_code == 0, done.output
    assert "of 60,000 tokens" in done.stderr
    assert "short of their targets:\n  sport: " in done.stderr
    assert "40.00%" in done.stdout  # the weight; the share is less
    path.write_text(MIXTURE.model_dump_json())
    done = CliRunner().invoke(app, arguments)
    assert "has no budget: --tokens N" in str(done.exception)
