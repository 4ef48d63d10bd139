"""From runs to weights with their grounds: what mixture.json says must follow from the runs."""

import numpy as np
import pytest

from gemix.mix.box import make_box
from gemix.mix.goal import make_goal
from gemix.mix.grounds import Estimate, Trained
from gemix.mix.judge import Wishes, judge_runs
from gemix.mix.judge_probes import judge_probes
from gemix.mix.judged import unproven
from gemix.mix.tables import RunTable

NAMES = ["web", "code", "math", "law", "art"]
NATURAL = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
BOX = make_box(NAMES)


def mixtures(n=60, seed=0):
    return np.random.default_rng(seed).dirichlet(NATURAL * 12, n)


def runs(n=60, seed=0, **metrics):
    W = mixtures(n, seed)
    random = np.random.default_rng(seed + 1)
    loss = 2 + 0.2 * (W[:, 4] + 0.02) ** -0.4 + 0.002 * random.standard_normal(n)
    acc = 0.5 + 0.3 * W[:, 0] + 0.005 * random.standard_normal(n)
    columns = {"loss": loss, "acc": acc, "chance": random.standard_normal(n)} | metrics
    return RunTable([f"r{i}" for i in range(n)], NAMES, W, columns)


def test_the_grounds_say_what_the_runs_say():
    table = runs()
    judged = judge_runs(table, make_goal({"loss": 1.0}), NATURAL, BOX)
    grounds = judged.grounds
    assert (grounds.verdict, grounds.grade, grounds.direction) == ("better", "predicted", "down")
    assert (grounds.runs, grounds.mixtures) == (60, 60)
    assert grounds.best_run.run == table.ids[int(table.metrics["loss"].argmin())]
    assert grounds.gain.low > 0
    true = 0.2 * ((0.07) ** -0.4 - (judged.weights[4] + 0.02) ** -0.4)
    assert grounds.gain.low <= true <= grounds.gain.high
    assert grounds.natural == pytest.approx(2 + 0.2 * 0.07**-0.4, abs=0.005)
    effects = {effect.metric: effect for effect in grounds.others}
    assert set(effects) == {"acc", "chance"}
    # Less web is less accuracy: its interval holds the truth, and the name tells that this is worse.
    change = effects["acc"].change
    assert change.low <= 0.3 * (judged.weights[0] - 0.4) <= change.high
    assert (effects["acc"].direction, effects["acc"].verdict) == ("up", "worse")
    assert (effects["chance"].direction, effects["chance"].verdict) == (None, None)
    assert np.all(judged.ranges[:, 0] <= judged.ranges[:, 1])
    # The scarce domain decides the loss, the others hardly matter: the ranges show it.
    width = judged.ranges[:, 1] - judged.ranges[:, 0]
    assert width[4] < 0.01 < width[:2].min()


def test_another_metric_can_be_kept_from_falling():
    goal = make_goal({"loss": 1.0})
    free = judge_runs(runs(), goal, NATURAL, BOX)
    kept = judge_runs(runs(), goal, NATURAL, BOX, Wishes(no_worse={"acc": 0.01}))
    assert kept.grounds.verdict == "better"
    changes = [next(e.change.value for e in j.grounds.others if e.metric == "acc") for j in (free, kept)]
    assert changes[0] < -0.02
    assert changes[1] >= -0.0101
    assert 0 < kept.grounds.gain.value <= free.grounds.gain.value
    for metric, loss, message in (
        ("f1", 0.0, "no metric is called 'f1'"),
        ("chance", 0.0, "is not known: say --maximise"),
        ("acc", -1.0, "0 or more, not -1"),
    ):
        with pytest.raises(ValueError, match=message):
            judge_runs(runs(), goal, NATURAL, BOX, Wishes(no_worse={metric: loss}))


@pytest.mark.parametrize("seed", range(5))
def test_noise_keeps_natural_and_the_wish_is_a_wish(seed):
    noise = np.random.default_rng(50 + seed).standard_normal(60)
    goal = make_goal({"loss": 1.0})
    judged = judge_runs(runs(loss=3 + 0.01 * noise), goal, NATURAL, BOX)
    assert judged.grounds.verdict == "unproven"
    assert judged.grounds.gain is None
    np.testing.assert_allclose(judged.weights, NATURAL)
    taken = judge_runs(runs(loss=3 + 0.01 * noise), goal, NATURAL, BOX, Wishes(take_unproven=True))
    np.testing.assert_array_equal(taken.weights, taken.wish)
    assert (taken.grounds.verdict, taken.grounds.taken) == ("unproven", "unproven")
    assert taken.grounds.gain is not None


def test_what_is_proven_needs_no_taking():
    judged = judge_runs(runs(), make_goal({"loss": 1.0}), NATURAL, BOX, Wishes(take_unproven=True))
    assert judged.grounds.taken is None


def test_where_no_run_has_been_nothing_is_claimed():
    W = np.array([w for w in np.random.default_rng(0).dirichlet(np.full(5, 40.0), 300) if w.max() < 0.27][:80])
    table = RunTable([str(i) for i in range(80)], NAMES, W, {"loss": 2 + W[:, 0], "acc": W[:, 1]})
    natural = np.array([0.6, 0.1, 0.1, 0.1, 0.1])
    grounds = judge_runs(table, make_goal({"loss": 1.0}), natural, BOX).grounds
    assert "add natural as a run" in grounds.reason
    assert (grounds.natural, grounds.wish, grounds.uniform, grounds.others) == (None, None, None, [])


def test_runs_without_a_metric_are_left_out_of_it_alone():
    acc = runs().metrics["acc"].copy()
    acc[::2] = np.nan
    table = runs(acc=acc, empty=np.full(60, np.nan))
    grounds = judge_runs(table, make_goal({"loss": 1.0}), NATURAL, BOX).grounds
    assert {effect.metric: effect.runs for effect in grounds.others} == {"acc": 30, "chance": 60}


def trained(low, high):
    return Trained(
        mixture=2.0, natural=2.1, uniform=None, gain=Estimate(value=(low + high) / 2, low=low, high=high), seeds=8,
        documents=100,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "take", "verdict", "leaves"),
    [
        (0.01, 0.2, False, "better", True),
        (-0.01, 0.2, False, "unproven", False),
        (-0.01, 0.2, True, "unproven", True),
        (-0.2, -0.01, False, "worse", False),
        (-0.2, -0.01, True, "worse", False),  # what is known to be worse is no wish
    ],
)
def test_fresh_models_have_the_last_word(low, high, take, verdict, leaves):
    judged = judge_runs(runs(), make_goal({"loss": 1.0}), NATURAL, BOX).after(trained(low, high), take)
    assert (judged.grounds.verdict, judged.grounds.grade) == (verdict, "trained")
    np.testing.assert_allclose(judged.weights, judged.wish if leaves else NATURAL)
    assert (judged.grounds.gain is not None) == leaves
    assert "trained with 8 seeds" in judged.grounds.reason


def test_strategies_without_runs_are_wishes():
    wish = np.array([0.2, 0.2, 0.2, 0.2, 0.2])
    np.testing.assert_array_equal(unproven(wish, NATURAL, "no run").weights, NATURAL)
    taken = unproven(wish, NATURAL, "no run", take=True)
    np.testing.assert_array_equal(taken.weights, wish)
    assert taken.grounds.taken == "unproven"


def probes(gains, repeats, noise=0.0, seed=0):
    """A baseline and a probe of each domain, each run so often."""
    random = np.random.default_rng(seed)
    distinct = np.vstack([NATURAL, 0.9 * NATURAL + 0.1 * np.eye(5)])
    W = np.repeat(distinct, repeats, axis=0)
    loss = 3 - np.repeat(np.concatenate([[0.0], gains]), repeats) + noise * random.standard_normal(len(W))
    ids = [f"{name}{i}" for name in ["base", *NAMES] for i in range(repeats)]
    return RunTable(ids, NAMES, W, {"loss": loss})


def test_probes_beyond_noise_move_weights():
    gains = np.array([-0.1, 0.0, 0.0, 0.0, 0.1])
    judged = judge_probes(probes(gains, 4, 0.01), make_goal({"loss": 1.0}), "base2", BOX)
    assert judged.grounds.verdict == "better"
    assert judged.weights[4] > NATURAL[4]
    assert judged.weights[0] < NATURAL[0]
    assert judged.grounds.noise == pytest.approx(0.01, rel=0.5)
    verdicts = [effect.verdict for effect in judged.grounds.others]
    assert verdicts == ["worse", "unproven", "unproven", "unproven", "better"]
    assert np.all(judged.weights <= judged.region[:, 1] + 1e-12)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (probes(np.array([0.1, 0, 0, 0, -0.1]), 1), "run once"),
        (probes(np.full(5, -0.1), 4, 0.01), "no probe beats the baseline"),
        (probes(np.zeros(5), 4, 0.01), "no probe beats the baseline"),
    ],
)
def test_probes_in_noise_or_all_worse_keep_the_baseline(table, said):
    judged = judge_probes(table, make_goal({"loss": 1.0}), "base0", BOX)
    assert judged.grounds.verdict == "unproven"
    assert said in judged.grounds.reason
    np.testing.assert_allclose(judged.weights, NATURAL)


def test_an_unknown_baseline_is_named():
    with pytest.raises(ValueError, match="no run is called 'none', the baseline; there are base0"):
        judge_probes(probes(np.zeros(5), 2), make_goal({"loss": 1.0}), "none", BOX)
