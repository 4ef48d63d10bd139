import numpy as np
import pytest

from gemix.mix.box import make_box
from gemix.mix.design import DESIGNS, design, maximin, rejection
from gemix.mix.simplex import sample_uniform

PRIOR = np.array([0.5, 0.25, 0.15, 0.1])
BOX = make_box("abcd", cap=[0.9, 0.6, 0.4, 0.4])


def closest(w: np.ndarray) -> float:
    distance = ((np.sqrt(w)[:, None] - np.sqrt(w)[None]) ** 2).sum(axis=-1)
    return float(np.sqrt(distance[np.triu_indices(len(w), 1)].min()))


@pytest.mark.parametrize("kind", DESIGNS)
def test_every_design_gives_distinct_mixtures_by_its_seed(kind):
    one, two, other = (design(kind, BOX, PRIOR, 20, seed) for seed in (1, 1, 2))
    assert one.shape == (20, 4)
    assert one.sum(axis=1) == pytest.approx(1, abs=1e-12)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert len(np.unique(one, axis=0)) == 20
    assert BOX.contains(one, 1e-9).all()


def test_maximin_is_far_more_spread_than_chance():
    spread = closest(maximin(BOX, PRIOR, 32, np.random.default_rng(0)))
    chance = [closest(sample_uniform(BOX, 32, np.random.default_rng(s))) for s in range(50)]
    assert spread > 2 * max(chance)


def test_maximin_is_within_a_factor_2_of_the_best_choice():
    from itertools import combinations

    random = np.random.default_rng(5)
    box = make_box("abc")
    w = maximin(box, [1, 1, 1], 4, random, candidates=12)
    random = np.random.default_rng(5)
    pool = np.vstack([np.full(3, 1 / 3), sample_uniform(box, 12, random)])
    best = max(closest(pool[list(rows)]) for rows in combinations(range(len(pool)), 4))
    assert best / 2 <= closest(w) <= best + 1e-12


def test_rejection_keeps_regmix_bounds_and_grid():
    prior = np.array([0.02, 0.08, 0.3, 0.6])
    w = rejection(prior, make_box("abcd"), 200, np.random.default_rng(0), max_usage=3.0)
    # Rounding to the grid may add one step of 2e-4 to a weight at its bound, renormalising a little more.
    assert np.all(w <= np.minimum(3 * prior, 1) * 1.001 + 3e-4)
    assert np.all((w == 0) | (w > 1.9e-4))
    assert np.abs(np.diff(w[np.lexsort(w.T)], axis=0)).sum(axis=1).min() > 1e-6


def test_rejection_keeps_caps_and_floors():
    prior = np.array([0.02, 0.08, 0.3, 0.6])
    box = make_box("abcd", floor=[0.01, 0, 0.05, 0.2], cap=[0.05, 0.3, 0.5, 0.7])
    assert not box.contains(rejection(prior, make_box("abcd"), 200, np.random.default_rng(0))).all()
    w = rejection(prior, box, 100, np.random.default_rng(0))
    assert box.contains(w).all()
    # What is accepted fills the box, to its bounds.
    assert w.max(axis=0) == pytest.approx(box.cap, rel=0.1)
    with pytest.raises(ValueError, match="rejection accepted 0 of 1000 draws"):
        rejection(prior, make_box("abcd", floor=[0.9, 0, 0, 0]), 10, np.random.default_rng(0))


def test_rejection_says_when_it_cannot():
    with pytest.raises(ValueError, match=r"rejection accepted \d+ of 1000 draws"):
        rejection(np.full(24, 1 / 24), make_box(range(24)), 10, np.random.default_rng(0), max_usage=1.5)


def test_what_cannot_be_designed_is_refused():
    with pytest.raises(ValueError, match="no design is called 'grid'"):
        design("grid", BOX, PRIOR, 3)
    with pytest.raises(ValueError, match="1 to 100,000 mixtures, not 0"):
        design("uniform", BOX, PRIOR, 0)
    for arguments, message in (
        ({"n": 10**9}, "1 to 100,000 mixtures, not 1,000,000,000"),
        ({"seed": -1}, "the seed must be"),
        ({"strength": (0.0, 1.0)}, "strengths must be positive and ascending, not 0 to 1"),
        ({"strength": (2.0, np.inf)}, "strengths must be"),
        ({"temperature": np.nan}, "temperature must be positive and finite, not nan"),
        ({"max_usage": -1.0}, "most usage must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            design("rejection", BOX, PRIOR, **{"n": 3} | arguments)
