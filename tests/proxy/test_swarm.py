import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proxy.fake_proxy import CENTRES, DOMAINS, FakeProxy, bowl

from gemix.mix.read_runs import read_runs
from gemix.mix.tables import RunTable
from gemix.proxy.swarm import Swarm
from gemix.proxy.swarm_files import grow, read_rows
from gemix.runtime.errors import GemixError
from gemix.runtime.ranks import Rank

SCRIPT = Path(__file__).with_name("run_swarm.py")


def some_runs(n: int, seed: int = 0) -> RunTable:
    w = np.random.default_rng(seed).dirichlet(np.ones(4), n)
    return RunTable([str(i + 1) for i in range(n)], list(DOMAINS), w)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.fixture
def whole(tmp_path) -> Path:
    Swarm(tmp_path / "whole", FakeProxy(), 1000).train(some_runs(12))
    return tmp_path / "whole"


def test_losses_arrive_under_their_run_and_domain(tmp_path):
    runs = some_runs(9)
    shuffled = RunTable(runs.ids, [runs.domains[k] for k in (2, 0, 3, 1)], runs.W[:, [2, 0, 3, 1]])
    trained = Swarm(tmp_path, FakeProxy(), 1000).train(shuffled)
    expected = bowl(runs.W)
    assert trained.new == runs.ids
    assert trained.missing == []
    assert trained.table.domains == shuffled.domains
    assert np.array_equal(trained.table.W, shuffled.W)
    assert trained.table.metrics["page"] == pytest.approx(expected[:, 0], abs=1e-15)
    assert trained.table.metrics["mean"] == pytest.approx(expected.mean(axis=1), abs=1e-15)
    # What other commands read is the same table.
    table = read_runs(tmp_path / "mixtures.csv", tmp_path / "metrics.csv", shuffled.domains)
    assert table.ids == runs.ids
    assert table.notes == []
    assert pytest.approx(shuffled.W, abs=1e-15) == table.W
    assert table.metrics["poem"] == pytest.approx(expected[:, 1], abs=1e-15)


def test_nothing_is_trained_twice(tmp_path):
    runs = some_runs(10)
    Swarm(tmp_path, FakeProxy(), 1000).train(runs.select(np.arange(10) < 6))
    proxy = FakeProxy()
    trained = Swarm(tmp_path, proxy, 1000).train(runs)
    assert (trained.new, trained.old) == (runs.ids[6:], runs.ids[:6])
    assert len(proxy.trained) == 4
    again = FakeProxy()
    before = contents(tmp_path)
    assert Swarm(tmp_path, again, 1000).train(runs).table.metrics.keys() == {"page", "poem", "mean"}
    assert again.trained == []
    assert contents(tmp_path) == before


def test_a_failed_training_keeps_what_is_done(tmp_path, whole):
    with pytest.raises(RuntimeError, match="machine is gone"):
        Swarm(tmp_path / "s", FakeProxy(fail_at=7), 1000).train(some_runs(12))
    proxy = FakeProxy()
    trained = Swarm(tmp_path / "s", proxy, 1000).train(some_runs(12))
    assert len(trained.old) == 7
    assert len(proxy.trained) == 5
    assert contents(tmp_path / "s") == contents(whole)


def test_a_row_torn_at_any_byte_is_trained_again(whole):
    path = whole / "metrics.csv"
    good = path.read_bytes()
    start = good.rindex(b"\n", 0, len(good) - 1) + 1
    for length in range(start, len(good)):
        path.write_bytes(good[:length])
        proxy = FakeProxy()
        trained = Swarm(whole, proxy, 1000).train(some_runs(12))
        assert trained.new == ["12"]
        assert len(proxy.trained) == 1
        assert path.read_bytes() == good
    for length in (0, 5, good.index(b"\n")):  # inside the header
        path.write_bytes(good[:length])
        assert len(Swarm(whole, FakeProxy(), 1000).train(some_runs(12)).new) == 12
        assert path.read_bytes() == good


names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=6)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(
    rows=st.dictionaries(names, st.tuples(numbers, numbers), min_size=1, max_size=5),
    columns=st.lists(names.filter(lambda name: name != "run"), min_size=2, max_size=2, unique=True),
    data=st.data(),
)
def test_a_table_cut_anywhere_is_its_beginning_bit_for_bit(tmp_path_factory, rows, columns, data):
    path = tmp_path_factory.mktemp("cut") / "metrics.csv"
    values = {name: np.array(row) for name, row in rows.items()}
    first = dict(list(values.items())[:2])
    with grow(path, columns, first) as append:
        for name in list(values)[2:]:
            append(name, values[name])
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    found = read_rows(path, columns)
    assert len(found) == max(path.read_bytes().count(b"\n") - 1, 0)
    for name, (known, row) in zip(values, found.items(), strict=False):
        assert known == name
        assert row.tobytes() == values[name].tobytes()


def test_a_killed_swarm_goes_on(tmp_path):
    def call() -> list[str]:
        return [sys.executable, str(SCRIPT), str(tmp_path / "killed"), "30", "-1", "1"]

    Swarm(tmp_path / "whole", FakeProxy(), 1000).train(some_runs(30))
    table, counts = tmp_path / "killed" / "metrics.csv", [0]
    for _ in range(3):
        process = subprocess.Popen(call(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if table.exists() and len(table.read_bytes().splitlines()) - 1 >= counts[-1] + 3:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts.append(table.read_bytes().count(b"\n") - 1)
    assert counts == sorted(counts)
    assert 9 <= counts[-1] < 30
    done = subprocess.run(call(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(30 - counts[-1]), str(counts[-1]), "0"]
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 2000}, "budget_tokens: 1000 there, 2000 now"),
        ({"seed": 3}, "seed: 0 there, 3 now"),
        ({"proxy": FakeProxy(facts={"kind": "other"})}, 'proxy.kind: "fake" there, "other" now'),
        ({"proxy": FakeProxy(facts={"data": {"fingerprint": "bad"}})}, 'proxy.data.fingerprint: "f00" there, "bad"'),
        ({"proxy": FakeProxy(valid=("page", "song"))}, 'valid: ["page", "poem"] there, ["page", "song"] now'),
        ({"proxy": FakeProxy(facts={"more": 1})}, "proxy.more: nothing there, 1 now"),
    ],
)
def test_what_changed_is_named_and_nothing_is_touched(whole, change, message):
    before = contents(whole)
    settings = {"proxy": FakeProxy(), "budget": 1000, "seed": 0} | change
    with pytest.raises(GemixError) as caught:
        Swarm(whole, **settings).train(some_runs(20))
    assert message in str(caught.value)
    assert "swarm.json" in str(caught.value)
    assert settings["proxy"].trained == []
    assert contents(whole) == before


def test_fitted_numbers_may_be_rounded_otherwise(tmp_path):
    Swarm(tmp_path, FakeProxy(facts={"strength": [0.1, 3.0]}), 1000).train(some_runs(3))
    near, far = FakeProxy(facts={"strength": [0.1 + 1e-12, 3.0]}), FakeProxy(facts={"strength": [0.11, 3.0]})
    assert Swarm(tmp_path, near, 1000).train(some_runs(3)).new == []
    with pytest.raises(GemixError, match=r"proxy.strength: \[0.1, 3.0\] there, \[0.11, 3.0\] now"):
        Swarm(tmp_path, far, 1000).train(some_runs(3))


def test_a_mistake_before_the_first_run_costs_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        Swarm(tmp_path, FakeProxy(fail_at=0), 77).train(some_runs(3, seed=1))
    assert len(Swarm(tmp_path, FakeProxy(), 1000).train(some_runs(12)).new) == 12
    assert json.loads((tmp_path / "swarm.json").read_text())["budget_tokens"] == 1000


def test_another_mixture_under_an_old_id_is_refused(whole):
    runs = some_runs(12)
    runs.W[4] = [0.25, 0.25, 0.25, 0.25]
    with pytest.raises(GemixError, match=r"run '5' has another mixture in .*mixtures.csv: '\w+' weighs"):
        Swarm(whole, FakeProxy(), 1000).train(runs)


def test_damaged_tables_are_errors_with_file_and_row(whole):
    good = (whole / "metrics.csv").read_text().splitlines()
    for lines, message in (
        ([good[0], "1,1,2,x", *good[2:]], r"metrics.csv, row 2: mean must be a finite number, not 'x'"),
        ([good[0], "1,nan,2,3"], r"metrics.csv, row 2: page must be a finite number, not 'nan'"),
        ([*good, good[1]], r"metrics.csv, row 14: run '1' stands twice"),
        (["run,page,mean", "1,2,2"], r"metrics.csv has other columns than this swarm: poem missing"),
        ([*good, "99,1,2,1.5"], "runs with metrics and no row in mixtures.csv: 99"),
    ):
        (whole / "metrics.csv").write_text("\n".join(lines) + "\n")
        with pytest.raises(GemixError, match=message):
            Swarm(whole, FakeProxy(), 1000).train(some_runs(12))
    (whole / "swarm.json").write_text("{")
    with pytest.raises(GemixError, match=r"swarm.json is damaged"):
        Swarm(whole, FakeProxy(), 1000).train(some_runs(12))


def test_domains_and_names_must_fit(tmp_path):
    runs = some_runs(3)
    other = RunTable(runs.ids, ["web", "code", "math", "news"], runs.W)
    with pytest.raises(GemixError, match="news only in the mixtures; books only in the proxy's data"):
        Swarm(tmp_path / "a", FakeProxy(), 1000).train(other)
    for valid, word in ((("mean",), "mean"), (("index",), "index")):
        with pytest.raises(GemixError, match=f"cannot be called '{word}'"):
            Swarm(tmp_path / "a", FakeProxy(valid=valid), 1000).train(runs)
    with pytest.raises(GemixError, match="cannot be the id of a run"):
        Swarm(tmp_path / "a", FakeProxy(), 1000).train(RunTable(["1", "2", "a\nb"], runs.domains, runs.W))
    assert not (tmp_path / "a").exists()
    with pytest.raises(GemixError, match="run '3': the losses are not 2 finite numbers"):
        Swarm(tmp_path / "b", FakeProxy(lambda w: np.full((len(w), 2), np.nan)), 1000).train(runs)


def test_a_full_disk_is_an_error_and_keeps_the_rows_before(tmp_path, monkeypatch):
    import os

    real, calls = os.fsync, []

    def fsync(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("metrics.csv"):
            calls.append(descriptor)
            if len(calls) > 4:
                raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(GemixError, match=r"cannot write .*metrics.csv: No space left on device"):
        Swarm(tmp_path, FakeProxy(), 1000).train(some_runs(9))
    monkeypatch.undo()
    trained = Swarm(tmp_path, FakeProxy(), 1000).train(some_runs(9))
    assert len(trained.old) >= 4
    assert len(trained.old) + len(trained.new) == 9


def test_ranks_share_the_runs_and_the_last_one_joins(tmp_path, whole):
    folder = tmp_path / "ranks"
    trained: list[np.ndarray] = []
    for index in range(3):
        proxy = FakeProxy()
        result = Swarm(folder, proxy, 1000).train(some_runs(12), Rank(index, 3))
        trained += proxy.trained
        assert len(proxy.trained) == 4
        assert len(result.missing) == 8 - 4 * index
        assert (folder / "metrics.csv").exists() == (index == 2)
    assert len(np.unique(trained, axis=0)) == 12
    assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    # Any later call sees that all is done, and leaves one table.
    proxy = FakeProxy()
    assert len(Swarm(folder, proxy, 1000).train(some_runs(12)).old) == 12
    assert proxy.trained == []
    assert contents(folder) == contents(whole)


def test_what_a_lost_rank_left_undone_any_call_finishes(tmp_path, whole):
    folder = tmp_path / "ranks"
    Swarm(folder, FakeProxy(), 1000).train(some_runs(12), Rank(0, 2))
    with pytest.raises(RuntimeError):
        Swarm(folder, FakeProxy(fail_at=2), 1000).train(some_runs(12), Rank(1, 2))
    path = folder / "metrics.1.csv"
    path.write_bytes(path.read_bytes()[:-3])  # and its last row is torn
    # The other rank, started again, leaves it alone; the same rank mends it.
    assert len(Swarm(folder, FakeProxy(), 1000).train(some_runs(12), Rank(0, 2)).missing) == 5
    proxy = FakeProxy()
    assert Swarm(folder, proxy, 1000).train(some_runs(12), Rank(1, 2)).missing == []
    assert len(proxy.trained) == 5
    assert (folder / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_ranks_at_the_same_time(tmp_path):
    folder = tmp_path / "ranks"
    calls = [[sys.executable, str(SCRIPT), str(folder), "20", str(rank), "2"] for rank in range(2)]
    processes = [subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for call in calls]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert [output[0].split()[0] for output in outputs] == ["10", "10"]
    Swarm(tmp_path / "whole", FakeProxy(), 1000).train(some_runs(20))
    assert (folder / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    import fcntl
    import os

    folder = tmp_path / "s"
    folder.mkdir()
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    os.write(handle, json.dumps({"host": "elsewhere", "pid": 1, "job": None}).encode())
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(GemixError, match="is at work in"):
            Swarm(folder, FakeProxy(), 1000).train(some_runs(3))
    finally:
        os.close(handle)


def test_the_record_says_what_the_runs_have_in_common(whole):
    record = json.loads((whole / "swarm.json").read_text())
    assert record["budget_tokens"] == 1000
    assert record["proxy"]["data"] == {"fingerprint": "f00"}
    assert record["domains"] == list(DOMAINS)
    assert CENTRES.shape == (2, 4)
