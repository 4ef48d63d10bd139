import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.mix.partition import Partition
from gemix.mix.reuse import VIRTUAL, carry, expand, match, reduce
from gemix.mix.strategies import natural, uniform


def partition(**tokens: int) -> Partition:
    k = len(tokens)
    return Partition(list(tokens), None, np.array(list(tokens.values())), np.zeros(k), np.ones(k))


OLD = {"web": 0.5, "code": 0.3, "science": 0.2}


def test_nothing_changed_nothing_changes():
    new = partition(science=1, web=2, code=3)
    assert carry(match(OLD, new), new.box()) == pytest.approx([0.2, 0.5, 0.3])


def test_a_removed_domain_leaves_the_ratios_of_the_others():
    new = partition(web=10, code=10)
    assert carry(match(OLD, new), new.box()) == pytest.approx([0.625, 0.375])


def test_an_added_domain_gets_its_natural_share():
    new = partition(web=30, code=30, science=20, books=20)
    assert carry(match(OLD, new), new.box()) == pytest.approx([0.4, 0.24, 0.16, 0.2])


def test_the_parts_of_a_split_domain_share_its_weight_by_tokens():
    new = partition(web=30, code=30, physics=30, biology=10)
    w = carry(match(OLD, new, {"science": ["physics", "biology"]}), new.box())
    assert w == pytest.approx([0.5, 0.3, 0.15, 0.05])


def test_caps_hold_and_free_domains_keep_their_ratios():
    new = partition(web=30, code=30, science=20, books=20)
    new.cap[0] = 0.1
    w = carry(match(OLD, new), new.box())
    assert w[0] == 0.1
    assert w[1] / w[2] == pytest.approx(1.5)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(0, 4), st.integers(0, 10**6), st.sampled_from([None, 3.0]))
def test_any_strategy_on_the_reduced_partition_keeps_ratios_and_bounds(kept, added, seed, epochs):
    random = np.random.default_rng(seed)
    tokens = random.integers(1000, 10**6, kept + added)
    new = partition(**{f"d{i}": int(t) for i, t in enumerate(tokens)})
    old = dict(zip(new.names, random.dirichlet(np.ones(kept)), strict=False)) | {"gone": 0.0}
    found = match(old, new)
    budget = float(tokens.sum() * 0.05) if epochs else None
    box = new.box(epochs, budget)
    small, small_box = reduce(found, box)
    assert small.names == [VIRTUAL, *new.names[kept:]]
    for w in (uniform(small_box), natural(small.shares, small_box)):
        whole = expand(found, dict(zip(small.names, w, strict=True)))
        assert box.contains(whole, 1e-9).all()
        assert whole[:kept] / whole[:kept].sum() == pytest.approx([old[f"d{i}"] for i in range(kept)], rel=1e-9)
        # And its epochs are right: the virtual domain runs out when its scarcest member does.
        assert small.tokens[0] <= (tokens[:kept] / np.maximum(found.ratios, 1e-300)).min()


def test_the_reduced_cap_is_that_of_the_scarcest_member():
    new = partition(web=100, code=20, science=100, books=50)
    new.cap[1] = 0.15
    small, box = reduce(match(OLD, new), new.box())
    assert small.names == [VIRTUAL, "books"]
    assert box.cap.tolist() == [0.5, 1.0]  # code has ratio 0.3 and cap 0.15
    assert small.tokens.tolist() == [66, 50]  # code's 20 tokens at ratio 0.3


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"art": ["x"]}, "has no domain 'art'"),
        ({"web": ["code"]}, "still in the new partition"),
        ({"science": ["chemistry"]}, "which the new partition does not have"),
        ({"science": ["code"]}, "another origin"),
    ],
)
def test_splits_must_fit(splits, message):
    with pytest.raises(ValueError, match=message):
        match(OLD, partition(web=1, code=1, physics=1), splits)


def test_there_must_be_something_to_reuse():
    with pytest.raises(ValueError, match="nothing to reuse"):
        match(OLD, partition(books=1, art=1))


def test_a_solution_of_another_partition_is_refused():
    found = match(OLD, partition(web=1, code=1, books=1))
    with pytest.raises(ValueError, match="must have the domains existing, books"):
        expand(found, {"web": 1.0})
    with pytest.raises(ValueError, match="a domain is called 'existing'"):
        reduce(match(OLD, partition(web=1, existing=1)), partition(web=1, existing=1).box())
