import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from proxy.transformer_corpora import VOCABULARY, cycle, noise, proxy_data, second_order

from gemix.mix.excess import read_excess
from gemix.mix.strategies.doremi import bounded_step, doremi_replay
from gemix.proxy.doremi import DoReMiResult, DoReMiSettings, doremi
from gemix.proxy.transformer import PRESETS
from gemix.proxy.transformer import train as training_module
from gemix.proxy.transformer.batches import Batches
from gemix.proxy.transformer.group_dro import train_group_dro
from gemix.proxy.transformer.model import initial
from gemix.report.figures import trajectory_figure
from gemix.runtime.errors import GemixError

N = 12_000
SETTINGS = DoReMiSettings(budget=24_000, preset="tiny", batch=9, context=32, rounds=1)


@pytest.fixture(scope="module")
def data():
    """An easy ring, pairs that take long to learn, and noise that nobody learns."""
    return proxy_data({"easy": cycle(N, 1, 10), "hard": second_order(N, 0, 11, 10), "noise": noise(N, 0, 21)})


@pytest.fixture(scope="module")
def result(data) -> DoReMiResult:
    return doremi(data, SETTINGS)


def test_hard_but_learnable_text_gains_and_noise_does_not(result):
    easy, hard, unlearnable = result.weights
    assert result.domains == ["easy", "hard", "noise"]
    assert hard > 0.5
    assert hard > 2 * easy
    assert unlearnable < 1 / 3


def test_noise_alone_stays_where_it_starts():
    """Two domains of one noise: neither model can learn either, and the weights have no reason to move."""
    data = proxy_data({"a": noise(N, 1), "b": noise(N, 2)})
    found = doremi(data, SETTINGS)
    assert found.weights == pytest.approx([0.5, 0.5], abs=0.1)
    assert found.rounds[0].excess[-20:].mean() < 0.1


def test_the_states_are_those_of_the_rule(result):
    (only,) = result.rounds
    steps = math.ceil(24_000 / 32 / 9)
    assert only.reference == pytest.approx([1 / 3] * 3)
    assert only.trajectory.shape == only.excess.shape == (steps, 3)
    assert only.average == pytest.approx(only.trajectory.mean(0))
    assert only.trajectory.sum(1) == pytest.approx(np.ones(steps))
    assert only.change == pytest.approx(np.abs(only.average - 1 / 3).max())
    assert not result.converged


def test_the_record_replays(result, tmp_path):
    result.rounds[0].write_excess(tmp_path / "excess.csv", result.domains)
    excess, _ = read_excess(tmp_path / "excess.csv", result.domains)
    step = bounded_step(1.0, 3, len(excess))
    assert doremi_replay(excess, np.ones(3), step).average == pytest.approx(result.weights, rel=1e-12)
    with open(tmp_path / "excess.csv", newline="") as file:
        assert next(csv.reader(file)) == ["step", "easy", "hard", "noise"]


def test_the_same_settings_give_the_same_weights(data):
    small = replace(SETTINGS, budget=3000)
    one, two, other = (doremi(data, settings).rounds[0] for settings in (small, small, replace(small, seed=1)))
    assert np.array_equal(one.excess, two.excess)
    assert np.array_equal(one.average, two.average)
    assert not np.array_equal(one.average, other.average)


def test_a_later_reference_is_trained_on_the_weights_before(data):
    told = []
    found = doremi(data, replace(SETTINGS, budget=3000, rounds=3, tolerance=0.0), lambda *at: told.append(at))
    assert len(found.rounds) == 3
    for before, after in zip(found.rounds, found.rounds[1:], strict=False):
        assert np.array_equal(after.reference, before.average)
        assert not np.array_equal(after.excess, before.excess)
    assert [(number, stage) for number, stage, done, total in told if done == total] == [
        (number, stage) for number in (1, 2, 3) for stage in ("reference", "proxy")
    ]
    assert told[-1][3] == 32 * -(-3000 // 32)


def test_a_stopped_training_goes_on_after_its_last_whole_round(data, tmp_path):
    settings = replace(SETTINGS, budget=3000, rounds=2, tolerance=0.0)
    whole = doremi(data, settings)

    def stop(number, stage, done, total):
        if (number, stage) == (2, "proxy"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        doremi(data, settings, stop, record=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["excess-1.csv", "settings.json"]
    told = []
    found = doremi(data, settings, lambda number, *_: told.append(number), record=tmp_path)
    assert set(told) == {2}
    for one, other in zip(found.rounds, whole.rounds, strict=True):
        for name in ("reference", "trajectory", "excess", "average"):
            assert np.array_equal(getattr(one, name), getattr(other, name))


def test_a_record_of_another_training_is_refused(data, tmp_path):
    settings = replace(SETTINGS, budget=300)
    found = doremi(data, settings, record=tmp_path)
    with pytest.raises(GemixError, match=r"eta: 1\.0 there, 2\.0 now"):
        doremi(data, replace(settings, eta=2.0), record=tmp_path)
    (tmp_path / "excess-1.csv").write_text("step,easy\n1,0.5\n")
    with pytest.raises(GemixError, match=r"excess-1\.csv.*remove the folder to start over"):
        doremi(data, settings, record=tmp_path)
    # Without its settings a file says nothing: it is made again.
    (tmp_path / "settings.json").unlink()
    assert np.array_equal(doremi(data, settings, record=tmp_path).weights, found.weights)


def test_rounds_end_when_the_weights_stay(data):
    found = doremi(data, replace(SETTINGS, budget=3000, rounds=5, tolerance=0.9))
    assert found.converged
    assert len(found.rounds) == 1


def test_a_start_can_be_given_and_batches_drawn_by_it(data):
    by = {"budget": 3000, "reference": np.array([0.1, 0.1, 0.8])}
    uniform, drawn = (doremi(data, replace(SETTINGS, sampling=s, **by)).rounds[0] for s in ("uniform", "reference"))
    assert uniform.reference == pytest.approx([0.1, 0.1, 0.8])
    assert not np.isnan(uniform.excess).any()
    # 9 sequences a step, 0.9 of them from each of the first two: now and then none.
    assert 0 < np.isnan(drawn.excess[:, :2]).mean() < 0.5
    assert not np.isnan(drawn.excess[:, 2]).any()


def test_every_step_sees_every_domain_unless_told_otherwise():
    data = proxy_data({f"d{k}": noise(400, k) for k in range(20)})
    by_itself = DoReMiSettings(budget=100 * 16, preset="tiny", context=16, rounds=1)
    found = doremi(data, by_itself).rounds[0]
    assert found.excess.shape == (5, 20)
    assert not np.isnan(found.excess).any()
    assert np.isnan(doremi(data, replace(by_itself, batch=10)).rounds[0].excess).any()


def test_a_proxy_that_equals_its_reference_has_no_excess_and_trains_on_the_mean_over_domains(data):
    """Against the rule written out: excess 0 leaves the weights uniform, so the step is plain training."""
    config, training = PRESETS["tiny"]
    training = replace(training, context=32, batch=9)
    uniform = np.full(3, 1 / 3)
    weights, reference = (initial(config, VOCABULARY, 0) for _ in range(2))
    batches = Batches(data, uniform, 32, 0)
    trajectory, excess, _ = train_group_dro(config, weights, reference, training, batches, 9 * 32, 1.0, 1e-3)
    assert excess.tolist() == [[0, 0, 0]]
    assert trajectory[0] == pytest.approx(uniform)
    plain = initial(config, VOCABULARY, 0)
    training_module.train(config, plain, training, Batches(data, uniform, 32, 0), 9 * 32, "plain")
    for name, p in plain.items():
        assert torch.allclose(weights[name], p, atol=1e-5), name


def test_a_batch_in_pieces_has_the_same_gradient(data, monkeypatch):
    small = replace(SETTINGS, budget=3000)
    whole = doremi(data, small).rounds[0].excess
    monkeypatch.setattr(training_module, "_CPU_ROOM", 2 * 32 * 1000)
    assert doremi(data, small).rounds[0].excess == pytest.approx(whole, abs=2e-3)


def test_a_domain_without_text_is_named(data):
    with pytest.raises(GemixError, match="without any: 'b'"):
        doremi(proxy_data({"a": noise(99), "b": noise(0)}), SETTINGS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "at least one round"),
        ({"eta": 0.0}, "eta must be positive"),
        ({"smoothing": 2.0}, "smoothing 0 to 1"),
        ({"sampling": "x"}, "not 'x'"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(GemixError, match=message):
        DoReMiSettings(budget=10, **options)


@pytest.mark.parametrize("rate", [1e30])
def test_a_training_that_diverges_is_named(data, rate):
    with pytest.raises(GemixError, match="the reference of DoReMi's round 1: the loss stopped being finite"):
        doremi(data, replace(SETTINGS, budget=3000, rate=rate))


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_trajectory_is_drawn_the_same_way_every_time(tmp_path, suffix):
    pytest.importorskip("matplotlib")
    weights = np.random.default_rng(0).dirichlet(np.ones(12), 40)
    names = [f"costs ${k}" for k in range(12)]
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    for path in (one, two):
        trajectory_figure(weights, names, path)
    assert one.read_bytes() == two.read_bytes()
    if suffix == ".svg":
        best = names[int(weights.mean(0).argmax())]
        assert f"<!-- {best}" in one.read_text()
    with pytest.raises(GemixError, match=r"weights of shape \(40, 12\) for 3 domains"):
        trajectory_figure(weights, names[:3], tmp_path / "three.png")
