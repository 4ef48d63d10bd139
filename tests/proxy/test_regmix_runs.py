import json

import numpy as np
import pytest
from mix.mix_data import Linear
from proxy.fake_proxy import DOMAINS, FakeProxy, bowl

from gemix.mix.box import make_box
from gemix.mix.objective import Objective, combine
from gemix.mix.partition import Partition
from gemix.mix.tables import RunTable
from gemix.proxy.regmix import Plan, gather
from gemix.proxy.regmix_check import check, validate
from gemix.proxy.swarm import Swarm
from gemix.runtime.errors import GemixError

PARTITION = Partition(list(DOMAINS), None, np.array([400, 300, 200, 100]), np.zeros(4), np.ones(4))
CENTRE = np.array([0.15, 0.35, 0.3, 0.2])


def one_bowl(w):
    return 3 + 2 * ((w - CENTRE) ** 2).sum(axis=1, keepdims=True)


def rugged(w):
    """Many hollows, all over the simplex: there is always more to find."""
    return 3 + 0.5 * np.sin(60 * w).mean(axis=1, keepdims=True)


def swarm(folder, function=bowl, **more):
    sets = function(PARTITION.shares[None]).shape[1]
    return Swarm(folder, FakeProxy(function, valid=("page", "poem")[:sets], **more), 1000)


def test_the_design_lies_in_the_box_and_held_out_runs_are_others(tmp_path):
    box = make_box(DOMAINS, cap=[0.4, 0.4, 0.4, 0.4])
    found = gather(swarm(tmp_path), PARTITION, box, {"mean": 1.0}, plan=Plan(runs=20, held_out=6))
    assert found.table.ids == [str(i + 1) for i in range(20)]
    assert found.held_out.ids == [f"held-{i + 1}" for i in range(6)]
    assert box.contains(np.vstack([found.table.W, found.held_out.W])).all()
    assert len(np.unique(np.vstack([found.table.W, found.held_out.W]).round(9), axis=0)) == 26
    assert found.table.metrics["mean"] == pytest.approx(bowl(found.table.W).mean(axis=1))
    assert found.proposals == []
    assert not found.stopped


def test_active_search_stops_at_the_optimum(tmp_path):
    lines = []
    made = swarm(tmp_path, one_bowl)
    plan = Plan(runs=120, held_out=0, active=True)
    found = gather(made, PARTITION, PARTITION.box(), {"page": 1.0}, plan=plan, report=lines.append)
    assert found.stopped
    assert len(found.table.ids) == len(made.proxy.trained) < 60
    assert len(lines) == len(found.proposals)
    for proposal in found.proposals[-2:]:  # the criterion, as it is stated
        assert proposal.improvement <= plan.improvement
        assert proposal.movement <= plan.movement
    before = found.proposals[-3]
    assert before.movement is None or before.improvement > plan.improvement or before.movement > plan.movement
    # What it stopped for is true: the best run is next to the optimum, compared with the first runs.
    first = found.table.metrics["page"][: plan.start]
    assert found.table.metrics["page"].min() - 3 < 0.05 * first.std()


def test_active_search_goes_on_where_improvement_does(tmp_path):
    found = gather(
        swarm(tmp_path, rugged), PARTITION, PARTITION.box(), {"page": 1.0},
        plan=Plan(runs=64, held_out=0, active=True, start=16, batch=12),
    )  # fmt: skip
    assert not found.stopped
    assert len(found.table.ids) == 64
    assert [proposal.runs for proposal in found.proposals] == [16, 28, 40, 52]
    # It was right to go on: later batches are better than all runs before.
    losses = found.table.metrics["page"]
    assert losses[40:].min() < losses[:40].min()


def test_an_interrupted_search_gives_the_same_runs(tmp_path):
    plan = Plan(runs=32, held_out=4, active=True)
    whole = gather(swarm(tmp_path / "a", rugged), PARTITION, PARTITION.box(), {"page": 1.0}, plan=plan)
    for fail_at in (7, 10, 5):
        with pytest.raises(RuntimeError):
            gather(swarm(tmp_path / "b", rugged, fail_at=fail_at), PARTITION, PARTITION.box(), {"page": 1.0}, plan=plan)
    again = gather(swarm(tmp_path / "b", rugged), PARTITION, PARTITION.box(), {"page": 1.0}, plan=plan)
    assert again.proposals == whole.proposals
    assert (tmp_path / "a" / "metrics.csv").read_bytes() == (tmp_path / "b" / "metrics.csv").read_bytes()
    # More runs later: the old ones are the beginning of the new.
    more = gather(
        swarm(tmp_path / "b", rugged), PARTITION, PARTITION.box(), {"page": 1.0}, plan=Plan(40, 4, active=True)
    )
    assert np.array_equal(more.table.W[:32], whole.table.W)


def test_a_chosen_batch_stays_chosen(tmp_path):
    # Another machine may round otherwise and would then choose other mixtures.
    plan = Plan(runs=20, held_out=0, active=True, batch=4)
    made = swarm(tmp_path, rugged)
    first = gather(made, PARTITION, PARTITION.box(), {"page": 1.0}, plan=plan)
    lines = (tmp_path / "mixtures.csv").read_text().splitlines()
    lines[-1] = "20,0.1,0.2,0.3,0.4"
    (tmp_path / "mixtures.csv").write_text("\n".join(lines) + "\n")
    metrics = (tmp_path / "metrics.csv").read_text().splitlines()
    (tmp_path / "metrics.csv").write_text("\n".join(metrics[:-1]) + "\n")
    again = gather(swarm(tmp_path, rugged), PARTITION, PARTITION.box(), {"page": 1.0}, plan=plan)
    assert again.table.W[-1].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert np.array_equal(again.table.W[:-1], first.table.W[:-1])


def test_another_plan_in_the_folder_is_an_error_that_says_what_changed(tmp_path):
    gather(swarm(tmp_path), PARTITION, PARTITION.box(), {"mean": 1.0}, plan=Plan(12, 0))
    cap = make_box(DOMAINS, cap=[0.5, 1, 1, 1])
    for box, plan, message in (
        (PARTITION.box(), Plan(14, 0), "design.runs: 12 there, 14 now"),
        (PARTITION.box(), Plan(12, 0, seed=1), "seed: 0 there, 1 now"),
        (cap, Plan(12, 0), "cap.web: 1.0 there, 0.5 now"),
        (PARTITION.box(), Plan(12, 0, active=True, start=12), "active"),
    ):
        with pytest.raises(GemixError, match=r"plan\.json") as caught:
            gather(swarm(tmp_path), PARTITION, box, {"mean": 1.0}, plan=plan)
        assert message in str(caught.value)


def test_other_domains_leave_no_folder(tmp_path):
    other = Partition(["web", "code", "law"], None, np.array([4, 3, 2]), np.zeros(3), np.ones(3))
    with pytest.raises(GemixError, match="law only in the mixtures; math, books only in the proxy's data"):
        gather(swarm(tmp_path / "s"), other, other.box(), {"mean": 1.0})
    assert not (tmp_path / "s").exists()


def test_an_unknown_target_is_named_before_anything_is_trained(tmp_path):
    made = swarm(tmp_path / "s")
    with pytest.raises(ValueError, match="no metric is called 'song'; there are mean, page, poem"):
        gather(made, PARTITION, PARTITION.box(), {"page": 1.0, "song": 1.0})
    assert made.proxy.trained == []
    assert not (tmp_path / "s").exists()


def test_plans_are_checked():
    for settings in ({"runs": 2}, {"batch": 0}, {"held_out": -1}, {"active": True, "start": 65}):
        with pytest.raises(ValueError, match="runs"):
            Plan(**settings)


def goal(sign: float = 1.0, kind: str = "mean") -> Objective:
    """What a linear fit of two targets may look like; sign -1 predicts the reverse."""
    truth = np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 1.0, 1.0, 1.0]])
    centre, scale = np.array([2.5, 1.75]), np.array([1.1, 1.3])
    return Objective([Linear(sign * row) for row in truth], np.array([1.0, 0.5]), kind, centre, scale)


def linear(w):
    return w @ np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 1.0, 1.0, 1.0]]).T


@pytest.mark.parametrize("kind", ["mean", "worst"])
def test_the_score_of_trained_runs_is_the_objective(kind):
    w = np.random.default_rng(0).dirichlet(np.ones(4), 20)
    g = goal(kind=kind)
    assert combine(linear(w), g.weights, kind, g.centre, g.scale) == pytest.approx(g(w), abs=1e-12)


def test_held_out_runs_judge_the_fit():
    w = np.random.default_rng(0).dirichlet(np.ones(4), 30)
    values = linear(w)
    table = RunTable([str(i) for i in range(30)], list(DOMAINS), w, {"page": values[:, 0], "poem": values[:, 1]})
    good, bad = (validate(goal(sign), table, ["page", "poem"]) for sign in (1, -1))
    assert (good.spearman, good.low, good.high, good.runs) == (1, 1, 1, 30)
    assert good.rmse == pytest.approx(0, abs=1e-12)
    assert (bad.spearman, bad.high) == (-1, -1)
    assert bad.rmse > 1
    assert validate(goal(), table.select(np.arange(30) < 2), ["page", "poem"]) is None


def test_the_winner_is_trained_beside_the_natural_mixture(tmp_path):
    made = swarm(tmp_path, linear)
    runs = gather(made, PARTITION, PARTITION.box(), {"page": 1.0, "poem": 0.5}, plan=Plan(8, 0)).table
    best = np.array([0.97, 0.01, 0.01, 0.01])
    found = check(made, PARTITION, PARTITION.box(), best, goal(), runs, ["page", "poem"])
    truth = linear(np.stack([best, PARTITION.shares])) @ [1.0, 0.5]
    assert (found.true, found.natural) == pytest.approx(tuple(truth))
    assert (found.predicted, found.natural_predicted) == pytest.approx(tuple(truth))
    assert found.best_run == pytest.approx((linear(runs.W) @ [1.0, 0.5]).min())
    assert found.beats_natural == (truth[0] < truth[1])
    assert json.loads(json.dumps(found.to_dict()))["beats_natural"] == found.beats_natural
    worse = check(made, PARTITION, PARTITION.box(), np.array([0.0, 0, 0, 1]), goal(), runs, ["page", "poem"])
    assert not worse.beats_natural
    assert worse.natural == found.natural
    # Both choices are in the folder, and nothing is trained again.
    assert sum(line.startswith("best-") for line in (tmp_path / "metrics.csv").read_text().splitlines()) == 2
    assert len(made.proxy.trained) == 8 + 3
