import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proxy.fake_proxy import DOMAINS, FakeProxy, bowl

from gemix.mix.box import make_box
from gemix.mix.goal import make_goal
from gemix.mix.judge import judge_runs
from gemix.mix.partition import Partition
from gemix.mix.tables import RunTable
from gemix.proxy.check import paired, trained_check, validate
from gemix.proxy.regmix import Plan, gather
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
    for plan in ({"runs": 2}, {"batch": 0}, {"held_out": -1}, {"active": True, "start": 65}):
        with pytest.raises(ValueError, match="runs"):
            Plan(**plan)


def linear(w):
    return w @ np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 1.0, 1.0, 1.0]]).T


GOAL = make_goal({"page": 1.0, "poem": 0.5}, minimise=["page", "poem"])


def table(n, seed=0):
    w = np.random.default_rng(seed).dirichlet(np.ones(4), n)
    return RunTable([str(i) for i in range(n)], list(DOMAINS), w, {"page": linear(w)[:, 0], "poem": linear(w)[:, 1]})


def test_held_out_runs_judge_the_fit():
    fitted = table(40)
    decision = judge_runs(fitted, GOAL, PARTITION.shares, PARTITION.box()).decision
    values = fitted.targets(["page", "poem"])[1]
    good = validate(decision, GOAL, table(30, 1), values)
    assert (good.runs, good.spearman) == (30, pytest.approx(1, abs=0.01))
    assert good.low <= good.spearman <= good.high
    assert validate(decision, GOAL, table(2, 1), values) is None


def pieces(w):
    """Four pieces of the two losses, each with an offset of its own."""
    offsets = np.array([0.0, 0.1, -0.1, 0.05])
    return (linear(w)[:, :, None] + offsets).reshape(len(w), -1)


def swarms(folder, seeds, function, noise=0.0):
    names = [f"{name}/{i}" for name in ("page", "poem") for i in range(4)]
    for seed in range(seeds):
        shift = np.random.default_rng(seed)

        def noisy(w, shift=shift):
            return function(w) + noise * shift.standard_normal((len(w), 1))

        yield Swarm(folder / str(seed), FakeProxy(noisy, valid=names), 1000, seed)


CHOICE = np.array([0.97, 0.01, 0.01, 0.01])


def test_the_choice_is_trained_beside_natural_with_several_seeds(tmp_path):
    mixtures = {"natural": PARTITION.shares, "choice": CHOICE, "uniform": np.full(4, 0.25)}
    found = trained_check(swarms(tmp_path, 5, pieces, 1e-4), mixtures, GOAL, np.zeros((1, 2)), 77)
    natural, choice, uniform = linear(np.stack(list(mixtures.values()))) @ [1.0, 0.5]
    offset = 1.5 * 0.0125
    assert found.natural == pytest.approx(natural + offset, abs=1e-3)
    assert found.mixture == pytest.approx(choice + offset, abs=1e-3)
    assert found.uniform == pytest.approx(uniform + offset, abs=1e-3)
    assert found.gain.value == pytest.approx(natural - choice, abs=1e-3)
    assert 0 < found.gain.low <= found.gain.value <= found.gain.high
    assert (found.seeds, found.documents) == (5, 77)
    # Nothing is trained again, and another choice stands beside the first.
    again = list(swarms(tmp_path, 5, pieces, 1e-4))
    assert trained_check(again, mixtures, GOAL, np.zeros((1, 2)), 77) == found
    assert not any(swarm.proxy.trained for swarm in again)
    trained_check(again, mixtures | {"choice": np.array([0.0, 0, 0, 1])}, GOAL, np.zeros((1, 2)), 77)
    assert [len(swarm.proxy.trained) for swarm in again] == [1] * 5


def test_a_gain_in_the_noise_of_seeds_is_none(tmp_path):
    mixtures = {"natural": PARTITION.shares, "choice": PARTITION.shares[::-1].copy()}
    found = trained_check(swarms(tmp_path, 8, lambda w: 0 * pieces(w), 0.1), mixtures, GOAL, np.zeros((1, 2)), 1)
    assert found.gain.low < 0 < found.gain.high
    assert found.uniform is None


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 10**6))
def test_the_interval_counts_seeds_and_documents(seeds, documents, seed):
    random = np.random.default_rng(seed)
    gains = 1 + random.standard_normal((seeds, 1)) + random.standard_normal((1, documents))
    both = paired(gains)
    width = both.high - both.low
    # Neither source alone is as wide as both.
    for axis in (0, 1):
        assert (
            paired(np.broadcast_to(gains.mean(axis=axis, keepdims=True), gains.shape)).high - both.value
            <= width / 2 + 1e-9
        )
    assert (both.low + both.high) / 2 == pytest.approx(both.value)


def test_ninety_five_intervals_in_a_hundred_hold_the_truth():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        gains = 0.5 + random.standard_normal((8, 1)) + random.standard_normal((1, 8)) + random.standard_normal((8, 8))
        found = paired(gains)
        held += found.low <= 0.5 <= found.high
    assert held >= 0.93 * 400
