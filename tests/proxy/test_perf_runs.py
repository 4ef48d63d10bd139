import numpy as np
import pytest
from proxy.fake_proxy import DOMAINS, FakeProxy

from gemix.mix.box import make_box
from gemix.mix.goal import make_goal
from gemix.mix.judge_probes import judge_probes
from gemix.mix.partition import Partition
from gemix.proxy.perf import probe
from gemix.proxy.swarm import Swarm
from gemix.runtime.errors import GemixError

PARTITION = Partition(list(DOMAINS), None, np.array([400, 300, 200, 100]), np.zeros(4), np.ones(4))
SLOPE = np.array([4.0, 3.0, 1.0, 2.0])
GOAL = make_goal({"page": 1.0}, minimise=["page"])


def linear(w):
    return np.stack([w @ SLOPE, w @ SLOPE[::-1]], axis=1)


def swarms(folder, seeds=3, function=linear, noise=0.01, domains=DOMAINS):
    for seed in range(seeds):
        random = np.random.default_rng(seed)

        def noisy(w, random=random):
            return function(w) + noise * random.standard_normal((len(w), 1))

        yield Swarm(folder / str(seed), FakeProxy(noisy, domains=domains), 1000, seed)


def test_a_probe_has_more_of_its_domain_and_less_of_all_others_alike(tmp_path):
    table = probe(swarms(tmp_path, 2, noise=0.0), PARTITION, PARTITION.box(), "page", share=0.2)
    names = ["baseline", "more-web", "more-code", "more-math", "more-books"]
    assert table.ids == [*names, *(f"{name}-2" for name in names)]
    assert np.array_equal(table.W[:5], table.W[5:])
    base, probes = table.W[0], table.W[1:5]
    assert base == pytest.approx([0.4, 0.3, 0.2, 0.1])
    for k, row in enumerate(probes):
        assert row[k] - base[k] == pytest.approx(0.2 * (1 - base[k]))
        others = np.arange(4) != k
        assert row[others] / base[others] == pytest.approx(np.full(3, 0.8))
    assert probes.sum(axis=1) == pytest.approx(np.ones(4))
    assert table.metrics["page"] == pytest.approx(np.tile(np.concatenate([[base @ SLOPE], probes @ SLOPE]), 2))


def test_the_baseline_heeds_the_caps_and_the_probes_need_not(tmp_path):
    box = make_box(DOMAINS, cap=[0.25, 1, 1, 1])
    table = probe(swarms(tmp_path), PARTITION, box, "mean")
    assert box.contains(table.W[0])
    assert table.W[1][0] > 0.25
    judged = judge_probes(table, make_goal({"mean": 1.0}, minimise=["mean"]), "baseline", box)
    assert box.contains(judged.weights, 1e-7)


def test_seeds_tell_noise_from_gain(tmp_path):
    clear = judge_probes(
        probe(swarms(tmp_path / "a"), PARTITION, PARTITION.box(), "page", 0.2), GOAL, "baseline", PARTITION.box()
    )
    assert clear.grounds.verdict == "better"
    assert clear.weights[2] > 0.2  # the domain with the lowest slope
    loud = judge_probes(
        probe(swarms(tmp_path / "b", noise=2.0), PARTITION, PARTITION.box(), "page", 0.2), GOAL, "baseline",
        PARTITION.box(),
    )  # fmt: skip
    assert loud.grounds.verdict == "unproven"
    assert loud.weights == pytest.approx(PARTITION.shares)
    alone = judge_probes(
        probe(swarms(tmp_path / "c", 1), PARTITION, PARTITION.box(), "page", 0.2), GOAL, "baseline", PARTITION.box()
    )
    assert "run once" in alone.grounds.reason


def test_a_domain_without_tokens_has_no_probe_and_no_weight(tmp_path):
    empty = Partition(list(DOMAINS), None, np.array([400, 0, 200, 100]), np.zeros(4), np.ones(4))
    table = probe(swarms(tmp_path), empty, empty.box(), "page")
    assert table.ids[:4] == ["baseline", "more-web", "more-math", "more-books"]
    judged = judge_probes(table, GOAL, "baseline", empty.box())
    assert judged.weights[1] == 0
    assert judged.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_bad_shares_leave_no_folder(tmp_path, share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        probe(swarms(tmp_path / "s"), PARTITION, PARTITION.box(), "page", share)
    assert not (tmp_path / "s").exists()


def test_faults_come_before_training(tmp_path):
    made = list(swarms(tmp_path))
    with pytest.raises(ValueError, match="no metric is called 'song'"):
        probe(made, PARTITION, PARTITION.box(), "song")
    other = list(swarms(tmp_path, domains=("web", "code", "math", "law")))
    with pytest.raises(GemixError, match="books only in the mixtures; law only in the proxy's data"):
        probe(other, PARTITION, PARTITION.box(), "page")
    assert not any(swarm.proxy.trained for swarm in [*made, *other])
