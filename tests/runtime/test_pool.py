import os
import subprocess
import sys
import time
from multiprocessing import Pipe, active_children
from typing import Any

import pool_work
import pytest
from pool_work import work

from gemix.runtime.pool import Failure, _serve, run_all


def run(tasks: list[str], workers: int) -> tuple[dict[str, Any], list[tuple[str, int]]]:
    outcomes: dict[str, Any] = {}
    advanced: list[tuple[str, int]] = []

    def done(task: str, outcome: Any) -> None:
        assert task not in outcomes, "reported twice"
        outcomes[task] = f"FAILED {outcome.message}" if isinstance(outcome, Failure) else outcome

    run_all(work, tasks, workers, advance=lambda task, n: advanced.append((task, n)), done=done)
    assert set(outcomes) == set(tasks)
    return outcomes, advanced


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_and_failures_stay_alone(workers: int, capfd: pytest.CaptureFixture[str]) -> None:
    outcomes, advanced = run(["a", "bad input", "b", "bug", "c"], workers)
    assert outcomes["bad input"] == "FAILED file.jsonl: bad"
    assert outcomes["bug"] == "FAILED ValueError: a bug"
    assert all(outcomes[task].startswith(f"{task} by ") for task in "abc")
    assert sorted(advanced) == [(task, 7) for task in sorted(outcomes)]
    here = {outcomes[task] for task in "abc"} == {f"{task} by {os.getpid()}" for task in "abc"}
    assert here == (workers == 1)
    error = capfd.readouterr().err
    assert "Traceback" in error  # of the bug
    assert "GemixError" not in error  # of bad input the message is enough


def test_a_dead_process_fails_only_its_own_task() -> None:
    outcomes, _ = run(["killed", "a", "b", "c"], 2)
    assert outcomes.pop("killed") == "FAILED its worker process was killed by SIGKILL; was the memory used up?"
    assert not any(outcome.startswith("FAILED") for outcome in outcomes.values())


def test_without_processes_the_rest_is_reported_not_lost() -> None:
    outcomes, _ = run(["killed", "exit", "a", "b"], 2)
    assert outcomes["exit"] == "FAILED its worker process ended with exit code 3"
    assert outcomes["a"] == outcomes["b"] == "FAILED not begun, because no worker process was left"


def test_an_exception_here_ends_the_processes() -> None:
    def interrupt(task: str, outcome: str | Failure) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_all(work, ["slow", "a"], 2, advance=lambda task, n: None, done=interrupt)
    assert not active_children()
    assert time.monotonic() - start < 50  # it did not wait for the sleeper


def test_ctrl_c_reaches_the_launching_process_alone() -> None:
    # In a fresh interpreter: the first process that one starts is a case of its own.
    done = subprocess.run([sys.executable, pool_work.__file__], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["blocked there: True"] * 2 + ["blocked here: False"]


def test_a_process_whose_launcher_is_gone_stops_at_its_next_word() -> None:
    ours, theirs = Pipe()
    ours.send("a")
    ours.close()
    with pytest.raises(SystemExit):
        _serve(theirs, work)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_result_that_is_a_number_is_a_result(workers: int) -> None:
    outcomes, advanced = run(["number", "truth", "a"], workers)
    assert (outcomes["number"], outcomes["truth"]) == (3, True)
    assert sorted(advanced) == [("a", 7), ("number", 7), ("truth", 7)]


def test_nothing_to_do() -> None:
    assert run([], 4) == ({}, [])
