import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from gemix.mix.box import Box, Group, make_box, project, settle
from gemix.mix.design import DESIGNS, design
from gemix.mix.groups import with_groups
from gemix.mix.partition import Partition
from gemix.mix.reuse import match, reduce
from gemix.mix.simplex import sample_prior
from gemix.mix.strategies import mixmin, optimise, simulate
from gemix.mix.verdict import decide

NAMES = ["web", "code", "math", "news", "books", "law"]
SHARES = np.array([0.5, 0.05, 0.03, 0.2, 0.12, 0.1])


def grouped(*bounds, floor=None, cap=None):
    return with_groups(make_box(NAMES, floor, cap), bounds)


def test_bounds_are_read_as_people_write_them():
    box = with_groups(make_box(NAMES), ["code, math >= 0.15", "math,code<=0.3", "news=0.1"])
    assert box.groups == (Group((1, 2), 0.15, 0.3),)
    assert (box.floor[3], box.cap[3]) == (0.1, 0.1)
    keys = ["domain-00", "domain-01", "domain-02"]
    assert with_groups(make_box(keys), ["code,2<=0.4"], ["web", "code", "law"]).groups == (Group((1, 2), 0.0, 0.4),)
    assert with_groups(make_box(NAMES), []).groups == ()


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (["code"], "written code,math>=0.15"),
        (["code>0.1"], "written code,math>=0.15"),
        (["code,math>=15"], "a share from 0 to 1"),
        (["code,math>=nan"], "a share from 0 to 1"),
        (["code,maths>=0.1"], "no domain is called 'maths' .nearest: 'math'"),
        (["code,math>=0.1", "math,law<=0.3"], "'math' is in two groups"),
        (["code,math>=0.3", "code,math<=0.2"], "code . math: together at least 0.3 and at most 0.2"),
        (["code=0.1", "math=0.1", "code,math>=0.3"], "by their own bounds 0.2 to 0.2"),
        (["code,math>=0.6", "web,news>=0.5"], "the floors of groups and other domains sum to 1.1 > 1"),
        (["code,math,web<=0.3", "news,books,law<=0.3"], "the caps of groups and other domains sum to 0.6 < 1"),
    ],
)
def test_what_cannot_hold_is_one_sentence(bounds, message):
    with pytest.raises(ValueError, match=message):
        grouped(*bounds)


def test_a_group_is_raised_and_ratios_stay():
    w = project(SHARES, grouped("code,math>=0.2"))
    assert w[[1, 2]] == pytest.approx([0.2 * 5 / 8, 0.2 * 3 / 8])
    assert w[[0, 3, 4, 5]] == pytest.approx(0.8 * SHARES[[0, 3, 4, 5]] / 0.92)


@st.composite
def boxes(draw):
    """Boxes of six domains with bounds around some mixture, so that they are never empty."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inside = random.dirichlet(np.ones(6))
    floor, cap = inside * random.random(6), inside + (1 - inside) * random.random(6)
    order = random.permutation(6)
    cut = draw(st.integers(1, 5))
    groups = []
    for rows in (order[:cut], order[cut : cut + draw(st.integers(1, 3))]):
        if len(rows):
            together = inside[rows].sum()
            slack = random.random(2) * draw(st.sampled_from([0.0, 0.1, 1.0]))
            groups.append(Group(tuple(rows.tolist()), together * (1 - slack[0]), together + (1 - together) * slack[1]))
    return Box(NAMES, floor, cap, tuple(groups)), random.dirichlet(np.full(6, 0.5)) + 1e-6


@given(boxes())
def test_the_projection_is_the_nearest_mixture(given_):
    box, ratios = given_
    w = project(ratios, box)
    assert box.contains(w)
    r = ratios / ratios.sum()
    cuts = [
        {"type": "ineq", "fun": lambda v, m=list(g.members), b=b, s=s: s * (v[m].sum() - b)}
        for g in box.groups
        for s, b in ((1, g.floor), (-1, g.cap))
    ]
    found = minimize(
        lambda v: (v * np.log(np.maximum(v, 1e-12) / r)).sum(),
        w,
        jac=lambda v: np.log(np.maximum(v, 1e-12) / r) + 1,
        bounds=list(zip(box.floor, box.cap, strict=True)),
        constraints=[{"type": "eq", "fun": lambda v: v.sum() - 1}, *cuts],
        options={"ftol": 1e-12},
    ).x
    found = settle(found, box)
    assert (w * np.log(w / r)).sum() <= (found * np.log(np.maximum(found, 1e-300) / r)).sum() + 1e-7


@given(boxes())
def test_settling_changes_nothing_that_is_inside(given_):
    box, ratios = given_
    w = project(ratios, box)
    assert settle(w, box) == pytest.approx(w, abs=1e-12)
    assert box.contains(settle(np.stack([ratios / ratios.sum(), w, np.eye(6)[0]]), box)).all()


def test_a_group_without_any_weight_cannot_be_raised():
    with pytest.raises(ValueError, match=r"reach 0 < 0.2 under their caps, and 2 domains with weight 0"):
        project([1, 0, 0, 1, 1, 1], grouped("code,math>=0.2"))


@pytest.mark.parametrize("kind", DESIGNS)
def test_designs_keep_groups_and_vary_inside(kind):
    box = grouped("code,math>=0.15", "web,news<=0.6", cap=[0.6, 0.5, 0.5, 0.5, 0.5, 0.5])
    w = design(kind, box, SHARES, 40, seed=3)
    assert box.contains(w).all()
    together = w[:, [1, 2]].sum(axis=1)
    assert (together > 0.15 + 1e-6).mean() > 0.2
    assert len(np.unique(w, axis=0)) == 40


def test_a_pinned_group_is_pinned():
    box = grouped("code,math=0.25", "law=0.1")
    w = sample_prior(SHARES, box, 50, np.random.default_rng(0))
    assert w[:, [1, 2]].sum(axis=1) == pytest.approx(np.full(50, 0.25))
    assert w[:, 5] == pytest.approx(np.full(50, 0.1))


def test_the_optimum_lies_at_the_bound():
    box = grouped("code,math<=0.3", "books,law>=0.2", cap=np.full(6, 0.6))

    def loss(w):
        return -w @ np.array([0.0, 3.0, 2.0, 1.0, -1.0, -2.0])

    assert optimise(loss, box, SHARES, starts=2).weights == pytest.approx([0, 0.3, 0, 0.5, 0.2, 0], abs=1e-3)
    assert box.contains(simulate(loss, box, SHARES, n=500, top=20).weights)


def test_a_decision_keeps_groups():
    random = np.random.default_rng(1)
    runs = np.concatenate([SHARES[None], sample_prior(SHARES, make_box(NAMES), 79, random, (2.0, 20.0), 1.5)])
    outcomes = 3 - runs[:, 1] - runs[:, 2] + 0.5 * runs[:, 0] + random.normal(0, 0.01, 80)
    free, bound = decide(runs, outcomes, SHARES, make_box(NAMES)), grouped("code,math<=0.15", "books,law>=0.25")
    found = decide(runs, outcomes, SHARES, bound)
    assert free.weights[[1, 2]].sum() > 0.2
    assert found.verdict == "better"
    assert bound.contains(found.weights, 1e-7)
    assert found.weights[[1, 2]].sum() == pytest.approx(0.15, abs=0.01)


def test_what_cannot_keep_groups_refuses_them():
    box = grouped("code,math>=0.2")
    with pytest.raises(ValueError, match="not of groups"):
        mixmin(np.full((5, 6), 0.1), box)
    table = Partition(NAMES, None, np.full(6, 100), box.floor, box.cap)
    with pytest.raises(ValueError, match="cannot keep bounds on groups"):
        reduce(match(dict.fromkeys(NAMES[1:], 0.2), table), box)
