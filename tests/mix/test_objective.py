import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mix.mix_data import Linear

from gemix.mix.objective import Objective, pareto_front

W = np.random.default_rng(0).dirichlet(np.ones(3), 50)


def test_the_mean_is_weighted_and_negative_weights_raise():
    goal = Objective([Linear([1, 2, 3]), Linear([5, 0, 0])], np.array([2.0, -1.0]))
    assert goal(W) == pytest.approx(2 * (W @ [1, 2, 3]) - W @ [5, 0, 0])


def test_the_worst_case_compares_standardised_results():
    y = np.stack([W @ [1, 2, 3], 1000 * (W @ [3, 0, 1])], axis=1)
    centre, scale = y.mean(axis=0), y.std(axis=0)
    goal = Objective([Linear([1, 2, 3]), Linear([3000, 0, 1000])], np.ones(2), "worst", centre, scale)
    assert goal(W) == pytest.approx(np.maximum(*((y - centre) / scale).T))
    # A result that is to rise enters with its sign turned.
    goal = Objective([Linear([1, 2, 3]), Linear([3000, 0, 1000])], np.array([1, -1.0]), "worst", centre, scale)
    z = (y - centre) / scale
    assert goal(W) == pytest.approx(np.maximum(z[:, 0], -z[:, 1]))


@pytest.mark.parametrize(
    ("weights", "kind", "scale", "message"),
    [
        ([1.0], "best", None, "not 'best'"),
        ([1.0, 2.0], "mean", None, "as many weights"),
        ([0.0], "mean", None, "not all 0"),
        ([np.nan], "mean", None, "finite"),
        ([1.0], "worst", None, "needs the centre"),
        ([1.0], "worst", [0.0], "positive scale"),
    ],
)
def test_bad_objectives_are_refused(weights, kind, scale, message):
    centre = None if scale is None else np.zeros(1)
    with pytest.raises(ValueError, match=message):
        Objective([Linear([1])], np.array(weights), kind, centre, None if scale is None else np.array(scale))


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(1, 4), st.integers(0, 10**6), st.sampled_from([1, 3, 1000]))
def test_the_pareto_front_is_what_its_definition_says(n, t, seed, levels):
    values = np.random.default_rng(seed).integers(0, levels, (n, t)).astype(float)
    front = pareto_front(values)
    for i in range(n):
        beaten = any(np.all(values[j] <= values[i]) and np.any(values[j] < values[i]) for j in range(n))
        assert front[i] == (not beaten)


def test_a_front_needs_numbers():
    with pytest.raises(ValueError, match="finite"):
        pareto_front([[1.0, np.nan]])
