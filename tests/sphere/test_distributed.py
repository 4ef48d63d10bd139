import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import clustered

from gemix.sphere import GEM, levels, steps

pytest.importorskip("torch")
SCRIPT = Path(__file__).with_name("run_distributed.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "x.npy"
    np.save(path, clustered(6000, 16, 6, 0.3, seed=4)[0])
    return path


@pytest.fixture(autouse=True)
def small_samples(monkeypatch):
    monkeypatch.setattr(levels, "_MIN_ROWS", 300)
    monkeypatch.setattr(levels, "_MIN_ROWS_A_COMPONENT", 10)
    monkeypatch.setattr(steps, "_REFERENCE_ROWS", 200)


def launch(data: Path, out: Path, world: int, *options: object) -> list[subprocess.CompletedProcess[str]]:
    out.mkdir(exist_ok=True)
    meeting = out / "meeting"
    meeting.unlink(missing_ok=True)
    processes = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(data), str(rank), str(world), str(meeting), str(out), *map(str, options)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for rank in range(world)
    ]
    done = []
    for process in processes:
        _, err = process.communicate(timeout=120)
        done.append(subprocess.CompletedProcess(process.args, process.returncode, "", err))
    return done


def models(out: Path, world: int) -> list[dict[str, np.ndarray]]:
    return [dict(np.load(out / f"{rank}.npz")) for rank in range(world)]


@pytest.mark.slow
@pytest.mark.parametrize(("worlds", "options"), [((1, 2, 3), ()), ((2,), ("weights",))])
def test_any_number_of_processes_gives_one_model(data, tmp_path, worlds, options):
    x = np.load(data)
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(x)) if options else None
    alone = GEM(6, balance=500, tol=1e-12, random_state=0).fit(x, sample_weight=weights)
    for world in worlds:
        assert [p.returncode for p in launch(data, tmp_path / str(world), world, *options)] == [0] * world
        found = models(tmp_path / str(world), world)
        for model in found:
            np.testing.assert_array_equal(model["directions"], found[0]["directions"])
            np.testing.assert_allclose(model["directions"], alone.mean_directions_, atol=1e-6)
            np.testing.assert_allclose(model["concentrations"], alone.concentrations_, rtol=1e-6)
            np.testing.assert_allclose(model["masses"], alone.masses_, atol=1e-6)
        labels = np.concatenate([model["labels"] for model in found])
        assert (labels == alone.labels_).mean() > 0.9999


@pytest.mark.slow
def test_a_lost_process_ends_the_others_and_the_fit_goes_on_from_its_checkpoint(data, tmp_path):
    assert [p.returncode for p in launch(data, tmp_path / "whole", 2)] == [0, 0]
    whole = models(tmp_path / "whole", 2)[0]
    assert whole["iterations"] > 4
    folder = tmp_path / "checkpoint"
    first, second = launch(data, tmp_path / "lost", 2, "checkpoint", folder, "die", 3)
    assert second.returncode == -9
    assert first.returncode == 3
    assert "lost another process" in first.stderr
    assert (folder / "config.json").exists()
    assert [p.returncode for p in launch(data, tmp_path / "again", 2, "checkpoint", folder)] == [0, 0]
    again = models(tmp_path / "again", 2)[0]
    np.testing.assert_allclose(again["directions"], whole["directions"], atol=1e-6)
    # It went on: iterations that were done are not done again.
    assert again["iterations"] <= whole["iterations"] - 3
    assert not (folder / "config.json").exists()


def test_bad_rows_of_one_process_are_told_to_all(data, tmp_path):
    for process in launch(data, tmp_path, 2, "bad"):
        assert process.returncode == 3
        assert "rank 1: X contains NaN or infinity; the first such row is 5" in process.stderr


def test_without_a_group_it_says_what_to_do(data):
    with pytest.raises(ValueError, match="torchrun"):
        GEM(6, distributed=True, random_state=0).fit(np.load(data))
    with pytest.raises(ValueError, match="integer random_state"):
        GEM(6, distributed=True).fit(np.load(data))


def test_a_checkpoint_of_another_fit_is_refused(data, tmp_path):
    x = np.load(data)
    folder = tmp_path / "checkpoint"

    class Stop(Exception):
        pass

    def interrupt(record) -> bool:
        if folder.exists() and record.args[0] == 2:
            raise Stop
        return True

    logger = logging.getLogger("gemix.sphere.mixture")
    logger.setLevel(logging.INFO)
    logger.addFilter(interrupt)
    try:
        with pytest.raises(Stop):
            GEM(6, balance=500, tol=1e-12, random_state=0, checkpoint=folder).fit(x)
    finally:
        logger.removeFilter(interrupt)
    with pytest.raises(ValueError, match="another fit"):
        GEM(6, balance=400, tol=1e-12, random_state=0, checkpoint=folder).fit(x)
    other = x.copy()
    other[77, 3] += 0.5
    with pytest.raises(ValueError, match="another fit"):
        GEM(6, balance=500, tol=1e-12, random_state=0, checkpoint=folder).fit(other)
    resumed = GEM(6, balance=500, tol=1e-12, random_state=0, checkpoint=folder).fit(x)
    whole = GEM(6, balance=500, tol=1e-12, random_state=0).fit(x)
    np.testing.assert_allclose(resumed.mean_directions_, whole.mean_directions_, atol=1e-6)
    (folder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="no usable model"):
        GEM(6, balance=500, tol=1e-12, random_state=0, checkpoint=folder).fit(x)
