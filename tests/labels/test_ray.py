"""A real Ray cluster on this machine, started once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from label_data import contents
from ray_work import work

from gemix.corpus.shards import Shard
from gemix.labels import Launcher, parts
from gemix.labels.launch import label_corpus
from gemix.runtime.errors import GemixError
from gemix.runtime.pool import Failure
from gemix.runtime.ray_pool import run_on_ray

ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "gemix[ray]"')
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Two processors; workers find the modules of these tests."""
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 << 20,
        runtime_env={"env_vars": {"PYTHONPATH": paths}},
    )
    yield
    ray.shutdown()


def run(tasks: list[str]) -> dict[str, str]:
    outcomes: dict[str, str] = {}

    def done(task: str, outcome: str | Failure) -> None:
        assert task not in outcomes, "reported twice"
        outcomes[task] = f"FAILED {outcome.message}" if isinstance(outcome, Failure) else outcome

    run_on_ray(work, tasks, 2, "local", advance=lambda task, n: None, done=done)
    assert set(outcomes) == set(tasks)
    return outcomes


@pytest.mark.usefixtures("cluster")
def test_the_same_files_as_without(
    shards: list[Shard], student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_corpus(shards, student_folder, tmp_path / "alone")
    monkeypatch.setattr(parts, "PART_BYTES", 4000)  # one of the files is labelled in parts
    found = label_corpus(shards, student_folder, tmp_path / "ray", launcher=Launcher(ray="local"))
    assert contents(tmp_path / "ray") == contents(tmp_path / "alone")
    assert sorted(found.labelled) == ["a", "b", "d", "sub/c"]
    again = label_corpus(shards, student_folder, tmp_path / "ray", launcher=Launcher(ray="local"))
    assert (again.labelled, again.totals) == ([], found.totals)


@pytest.mark.usefixtures("cluster")
def test_failures_stay_alone() -> None:
    outcomes = run(["a", "bad input", "b", "bug"])
    assert outcomes["bad input"] == "FAILED file.jsonl: bad"
    assert outcomes["bug"] == "FAILED ValueError: a bug"
    assert outcomes["a"].startswith("a by ")
    assert outcomes["b"].startswith("b by ")


@pytest.mark.usefixtures("cluster")
def test_a_lost_worker_costs_nothing_but_time(tmp_path: Path) -> None:
    once, always = f"killed once {tmp_path / 'mark'}", "killed"
    outcomes = run([once, "a", always, "b"])
    assert outcomes[once].startswith("killed once")  # tried again
    assert "WorkerCrashedError" in outcomes[always]
    assert "after 3 more attempts" in outcomes[always]
    assert outcomes["a"].startswith("a by ")
    assert outcomes["b"].startswith("b by ")


@pytest.mark.usefixtures("cluster")
def test_an_interruption_cancels_what_is_under_way() -> None:
    def interrupt(task: str, outcome: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_on_ray(work, ["a", "slow", "slow again"], 2, "local", advance=lambda task, n: None, done=interrupt)
    assert run(["b"])["b"].startswith("b by ")  # a processor is free


def test_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    if ray.is_initialized():
        ray.shutdown()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(GemixError, match=r"--ray auto: no cluster there"):
        run_on_ray(work, ["a"], 1, "auto", advance=lambda task, n: None, done=lambda task, outcome: None)


def test_without_ray_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(GemixError, match=r'pip install "gemix\[ray\]"'):
        run_on_ray(work, ["a"], 1, "local", advance=lambda task, n: None, done=lambda task, outcome: None)
