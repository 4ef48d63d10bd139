"""Perf's gains against the noise of repeated runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.mix.box import make_box
from gemix.mix.strategies.perf_proven import perf_proven

BASE = np.array([0.5, 0.2, 0.2, 0.1])
PROBES = 0.9 * BASE + 0.1 * np.eye(4)
BOX = make_box(["a", "b", "c", "d"])


def test_one_baseline_run_proves_nothing():
    found = perf_proven(BASE, PROBES, [3.0], [[2.0], [3.0], [3.0], [3.0]], BOX)
    assert found.verdict == "unproven"
    assert "more seeds" in found.reason
    np.testing.assert_allclose(found.weights, BASE)
    assert found.gain[0] == 1
    assert np.isnan(found.low).all()


def test_noise_alone_moves_a_table_in_twenty_at_most():
    moved = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        found = perf_proven(BASE, PROBES, random.standard_normal(4), list(random.standard_normal((4, 2))), BOX)
        moved += found.verdict == "better"
    assert moved <= 12


def test_what_is_worse_everywhere_leaves_the_base():
    found = perf_proven(BASE, PROBES, [3.0, 3.0001], [[3.01], [3.02], [3.03], [3.04]], BOX)
    assert found.verdict == "unproven"
    assert "4 of 4 are worse" in found.reason
    np.testing.assert_allclose(found.weights, BASE)


@pytest.mark.parametrize("up", [True, False])
def test_a_sure_gain_grows_by_its_size_within_the_runs(up):
    sign = 1 if up else -1
    results = [[0.0], [0.05], [0.3], [-0.3]]
    found = perf_proven(
        BASE, PROBES, [0.01, -0.01, 0.0], [sign * np.array(r) for r in results], BOX, beta=0.02, higher_is_better=up
    )
    assert found.verdict == "better"
    ratio = found.weights / BASE
    assert ratio[2] > 1
    assert ratio[3] < ratio[0]
    assert np.all(found.weights <= PROBES.max(axis=0) + 1e-9)
    assert np.all(found.weights >= PROBES.min(axis=0) - 1e-9)


@given(seed=st.integers(0, 500))
@settings(max_examples=30, deadline=None)
def test_the_result_is_a_mixture_of_the_box(seed):
    random = np.random.default_rng(seed)
    box = make_box(["a", "b", "c", "d"], cap=[0.45, 1, 1, 1])
    found = perf_proven(BASE, PROBES, random.standard_normal(3), list(3 * random.standard_normal((4, 1))), box)
    assert box.contains(found.weights, 1e-7)
    assert np.all(found.low <= found.gain)
    assert np.all(found.gain <= found.high)


def test_broken_results_are_refused():
    with pytest.raises(ValueError, match="4 domains"):
        perf_proven(BASE, PROBES, [1.0, 2.0], [[1.0]] * 3, BOX)
    with pytest.raises(ValueError, match="finite"):
        perf_proven(BASE, PROBES, [1.0, np.nan], [[1.0]] * 4, BOX)
