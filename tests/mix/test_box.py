import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mix.mix_data import boxes
from scipy.optimize import minimize

from gemix.mix.box import epoch_box, make_box, project, settle


@settings(deadline=None, max_examples=150)
@given(box=boxes(), seed=st.integers(0, 10**6), spread=st.sampled_from([0.0, 1.0, 30.0]))
def test_projection_is_in_the_box_and_keeps_the_ratios_of_free_domains(box, seed, spread):
    r = np.exp(spread * np.random.default_rng(seed).normal(size=len(box.floor)))
    w = project(r, box)
    assert box.contains(w, 1e-12).all()
    # The conditions of Karush, Kuhn and Tucker: one multiplier c, free domains at c r, the others on their side of it.
    scale = w / r
    free = (w > box.floor + 1e-9) & (w < box.cap - 1e-9)
    if free.any():
        c = scale[free]
        assert np.ptp(c) <= 1e-6 * c.max()
        # An interval thinner than the tolerance is at both of its ends: nothing follows from it.
        choice = box.cap - box.floor > 3e-9
        full, least = choice & (w >= box.cap - 1e-9), choice & (w <= box.floor + 1e-9)
        assert np.all(scale[full] <= c.max() * (1 + 1e-6) + 1e-9 / r[full])
        assert np.all(scale[least] >= c.min() * (1 - 1e-6) - 1e-9 / r[least])


def test_projection_minimises_the_divergence():
    random = np.random.default_rng(3)
    r = random.dirichlet(np.ones(5))
    box = make_box("abcde", [0.05, 0, 0.3, 0, 0], [0.2, 0.3, 0.5, 0.15, 1])
    w = project(r, box)
    best = minimize(
        lambda v: np.sum(v * np.log(np.maximum(v, 1e-300) / r)),
        w * 0 + 0.2,
        bounds=list(zip(box.floor, box.cap, strict=True)),
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert w == pytest.approx(best.x, abs=1e-5)


def test_projection_leaves_what_is_inside_and_ignores_the_scale():
    box = make_box("abc", cap=[0.6, 0.6, 0.6])
    assert project([5.0, 3.0, 2.0], box) == pytest.approx([0.5, 0.3, 0.2], abs=1e-15)
    assert project([8.0, 1.0, 1.0], box) == pytest.approx([0.6, 0.2, 0.2], abs=1e-15)


def test_a_domain_of_ratio_0_stays_at_its_floor():
    box = make_box("abc", floor=[0, 0, 0.1])
    assert project([1, 1, 0], box) == pytest.approx([0.45, 0.45, 0.1])
    with pytest.raises(ValueError, match=r"reach 0\.8 < 1 .*'c'"):
        project([1, 1, 0], make_box("abc", cap=[0.4, 0.4, 1]))


@pytest.mark.parametrize("ratios", [[1, 2], [1, -1, 1], [1, np.nan, 1]])
def test_bad_ratios_are_refused(ratios):
    with pytest.raises(ValueError, match="3 finite numbers"):
        project(ratios, make_box("abc"))


def test_impossible_bounds_say_by_how_much():
    with pytest.raises(ValueError, match=r"caps sum to 0\.87 < 1: raise them by 0\.13"):
        make_box("abc", cap=[0.3, 0.27, 0.3])
    with pytest.raises(ValueError, match=r"floors sum to 1\.2 > 1: lower them by 0\.2"):
        make_box("ab", floor=[0.6, 0.6])
    with pytest.raises(ValueError, match=r"domain 'b': its floor 0\.5 exceeds its cap 0\.4"):
        make_box("ab", floor=[0, 0.5], cap=[1, 0.4])


def test_caps_are_epochs_over_the_budget():
    box = epoch_box("abc", [10, 20, 70], max_epochs=2, budget_tokens=100)
    assert box.cap == pytest.approx([0.2, 0.4, 1.0])


@settings(deadline=None, max_examples=100)
@given(
    tokens=st.lists(st.integers(0, 10**12), min_size=1, max_size=10),
    epochs=st.floats(0.01, 50),
    excess=st.floats(1.001, 1000),
    capped=st.booleans(),
)
def test_the_remedy_in_the_message_works(tokens, epochs, excess, capped):
    names = [f"d{i}" for i in range(len(tokens))]
    # With a floating budget of a token or less there is nothing to mend.
    assume(sum(tokens) * epochs > 1000)
    cap = np.full(len(tokens), 0.5 if capped and len(tokens) > 3 else 1.0)
    budget = float(round(sum(tokens) * epochs * excess))
    with pytest.raises(ValueError, match="caps sum to") as caught:
        epoch_box(names, tokens, epochs, budget, cap=cap)
    said = re.search(r"lower the budget by \d+ to (\d+) tokens, or raise the epochs to ([\d.e+]+)", str(caught.value))
    if said is None:
        assert "no budget helps" in str(caught.value)
        assert cap[np.array(tokens) > 0].sum() < 1
        return
    assert epoch_box(names, tokens, epochs, float(said[1]), cap=cap).cap.sum() >= 1 - 1e-9
    assert epoch_box(names, tokens, float(said[2]) * (1 + 1e-5), budget, cap=cap).cap.sum() >= 1 - 1e-9


def test_a_floor_above_what_epochs_allow_names_the_domain_and_the_remedy():
    with pytest.raises(ValueError, match=r"domain 'b': its floor 0\.3 exceeds its cap 0\.2.* 66 tokens.* epochs to 3"):
        epoch_box("abc", [500, 10, 500], 2, 100, floor=[0, 0.3, 0])


@settings(deadline=None)
@given(box=boxes(8), seed=st.integers(0, 10**6))
def test_settling_only_moves_rounding_errors(box, seed):
    w = project(np.random.default_rng(seed).exponential(size=len(box.floor)) + 1e-3, box)
    noisy = w * (1 + 1e-13)
    settled = settle(noisy, box)
    assert abs(settled.sum() - 1) < 1e-15 * len(w) + 1e-15
    assert settled == pytest.approx(w, abs=1e-11)
