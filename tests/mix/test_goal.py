import numpy as np
import pytest

from gemix.mix.direction import direction
from gemix.mix.goal import make_goal


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("loss", "down"),
        ("the_pile_pile_cc_val_loss", "down"),
        ("valid/ppl", "down"),
        ("evalBpb", "down"),
        ("nll_per_token", "down"),
        ("arc_challenge/acc_norm", "up"),
        ("HumanEval pass@1", "up"),
        ("squad-f1", "up"),
        ("exact_match", "up"),
        ("loss_accuracy", None),  # both
        ("glossary", None),  # no word of it is loss
        ("hellaswag", None),
        ("compass", None),
        ("perplexity_score", None),
        ("", None),
    ],
)
def test_a_name_tells_the_direction_or_nothing(name, way):
    assert direction(name) == way


def test_one_metric_is_its_own_outcome():
    values = np.array([[0.5], [0.75]])
    up = make_goal({"acc": 2.0})
    assert up.maximise
    assert up.outcome(values).tolist() == [0.5, 0.75]
    assert not make_goal({"loss": 1.0}).maximise
    assert make_goal({"loss": 1.0}, maximise=["loss"]).maximise  # what is stated wins


def test_several_fall_together():
    values = np.array([[3.0, 0.5], [2.0, 0.75]])
    goal = make_goal({"loss": 1.0, "acc": 4.0})
    assert not goal.maximise
    assert goal.outcome(values).tolist() == [1.0, -1.0]
    worst = make_goal({"loss": 1.0, "acc": 1.0}, kind="worst")
    assert worst.outcome(values).tolist() == [1.0, -1.0]
    # On the scale of other runs: mean 2.5 and 0.625, standard deviation 0.5 and 0.125.
    assert worst.outcome(np.array([[2.5, 0.5]]), values).tolist() == [1.0]


@pytest.mark.parametrize(
    ("weights", "more", "message"),
    [
        ({}, {}, "a target is missing"),
        ({"hellaswag": 1.0}, {}, "add --maximise hellaswag or --minimise hellaswag"),
        ({"acc": -1.0}, {}, "must be positive, not -1"),
        ({"loss": float("nan")}, {}, "must be positive"),
        ({"loss": 1.0}, {"maximise": ["loss"], "minimise": ["loss"]}, "cannot be maximised and minimised"),
        ({"loss": 1.0}, {"kind": "median"}, "mean or worst, not 'median'"),
    ],
)
def test_what_is_no_goal_is_refused(weights, more, message):
    with pytest.raises(ValueError, match=message):
        make_goal(weights, **more)
