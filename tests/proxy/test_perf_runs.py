import numpy as np
import pytest
from proxy.fake_proxy import DOMAINS, FakeProxy

from gemix.mix import strategies
from gemix.mix.box import make_box
from gemix.mix.partition import Partition
from gemix.proxy.perf import probe, weigh
from gemix.proxy.swarm import Swarm
from gemix.runtime.errors import GemixError

PARTITION = Partition(list(DOMAINS), None, np.array([400, 300, 200, 100]), np.zeros(4), np.ones(4))
SLOPE = np.array([4.0, 3.0, 1.0, 2.0])


def linear(w):
    return np.stack([w @ SLOPE, w @ SLOPE[::-1]], axis=1)


def exponential(base, gain, box):
    return strategies.perf(base, gain, box, 1.0)


def test_a_probe_has_more_of_its_domain_and_less_of_all_others_alike(tmp_path):
    found = probe(Swarm(tmp_path, FakeProxy(linear), 1000), PARTITION, PARTITION.box(), "page", share=0.2)
    assert found.table.ids == ["baseline", "more-web", "more-code", "more-math", "more-books"]
    base, probes = found.table.W[0], found.table.W[1:]
    assert base == pytest.approx([0.4, 0.3, 0.2, 0.1])
    for k, row in enumerate(probes):
        assert row[k] - base[k] == pytest.approx(0.2 * (1 - base[k]))
        others = np.arange(4) != k
        assert row[others] / base[others] == pytest.approx(np.full(3, 0.8))
    assert probes.sum(axis=1) == pytest.approx(np.ones(4))
    # A linear loss: the gain of k is share times how far its slope lies below the baseline's loss.
    assert found.gain == pytest.approx(0.2 * (base @ SLOPE - SLOPE))
    weights = weigh(found, PARTITION.box(), exponential)
    assert np.argsort(weights / base).tolist() == [0, 1, 3, 2]
    higher = probe(Swarm(tmp_path, FakeProxy(linear), 1000), PARTITION, PARTITION.box(), "page", 0.2, True)
    assert higher.gain == pytest.approx(-found.gain)


def test_probes_resume_and_heed_no_caps_but_the_result_does(tmp_path):
    box = make_box(DOMAINS, cap=[0.4, 0.3, 0.25, 0.2])
    with pytest.raises(RuntimeError):
        probe(Swarm(tmp_path, FakeProxy(linear, fail_at=3), 1000), PARTITION, box, "page", share=0.5)
    proxy = FakeProxy(linear)
    found = probe(Swarm(tmp_path, proxy, 1000), PARTITION, box, "page", share=0.5)
    assert len(proxy.trained) == 2
    assert box.contains(found.base)
    assert not box.contains(found.table.W[1:]).any()
    assert box.contains(weigh(found, box, exponential))


def test_a_domain_without_tokens_is_not_probed_and_gets_nothing(tmp_path):
    partition = Partition(list(DOMAINS), None, np.array([400, 0, 200, 100]), np.zeros(4), np.ones(4))
    found = probe(Swarm(tmp_path, FakeProxy(linear), 1000), partition, partition.box(), "mean")
    assert "more-code" not in found.table.ids
    weights = weigh(found, partition.box(), exponential)
    assert weights[1] == 0
    three = Partition(["web", "math", "books"], None, np.array([400, 200, 100]), np.zeros(3), np.ones(3))
    alone = FakeProxy(lambda w: linear(np.insert(w, 1, 0, axis=1)), domains=three.names)
    without = weigh(probe(Swarm(tmp_path / "b", alone, 1000), three, three.box(), "mean"), three.box(), exponential)
    assert weights[[0, 2, 3]] == pytest.approx(without)


def test_faults(tmp_path):
    made = Swarm(tmp_path, FakeProxy(linear), 1000)
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="share of a probe is between 0 and 1"):
            probe(made, PARTITION, PARTITION.box(), "page", share)
    with pytest.raises(ValueError, match="no metric is called 'song'"):
        probe(made, PARTITION, PARTITION.box(), "song")
    other = Partition(["web"], None, np.array([4]), np.zeros(1), np.ones(1))
    with pytest.raises(GemixError, match="code, math, books only in the proxy's data"):
        probe(made, other, other.box(), "page")
