"""Designs: which mixtures to train proxy models on."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from gemix.mix.box import Box, Floats, project
from gemix.mix.simplex import sample_prior, sample_uniform, temper

DESIGNS: Final = ("dirichlet", "uniform", "maximin", "rejection")
MOST: Final = 100_000
_CELLS: Final = 1 << 24  # weights drawn at a time by rejection


def design(
    kind: str,
    box: Box,
    prior: ArrayLike,
    n: int,
    seed: int = 0,
    strength: tuple[float, float] = (0.1, 5.0),
    temperature: float = 2.0,
    max_usage: float = 15.0,
) -> Floats:
    """Return `n` mixtures, (n, K).

    Args:
        kind: "dirichlet" (around the prior, `sample_prior`), "uniform" (`sample_uniform`), "maximin"
            (`maximin`) or "rejection" (`rejection`, RegMix's own sampler, whose mixtures are rounded).
        box: where they lie.
        prior: (K,) natural shares.
        n: how many; at most `MOST`.
        seed: of the random numbers; the same seed gives the same design.
        strength: range of strengths of "dirichlet" and "rejection".
        temperature: of the prior there.
        max_usage: of "rejection".

    Raises:
        ValueError: an unknown kind, numbers that no design can have, or whatever the sampler refuses.

    """
    if not 1 <= n <= MOST:
        raise ValueError(f"a design has 1 to {MOST:,} mixtures, not {n:,}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"the seed must be a whole number from 0 to 2^64 - 1, not {seed}")
    if not (0 < strength[0] <= strength[1] < np.inf):
        raise ValueError(f"strengths must be positive and ascending, not {strength[0]:g} to {strength[1]:g}")
    if not 0 < temperature < np.inf:
        raise ValueError(f"the temperature must be positive and finite, not {temperature:g}")
    if kind == "rejection" and not 0 < max_usage < np.inf:
        raise ValueError(f"the most usage must be positive and finite, not {max_usage:g}")
    random = np.random.default_rng(seed)
    samplers: dict[str, Callable[[], Floats]] = {
        "dirichlet": lambda: sample_prior(prior, box, n, random, strength, temperature),
        "uniform": lambda: sample_uniform(box, n, random),
        "maximin": lambda: maximin(box, prior, n, random),
        "rejection": lambda: rejection(prior, box, n, random, max_usage, strength, temperature),
    }
    if kind not in samplers:
        raise ValueError(f"no design is called {kind!r}; there are {', '.join(samplers)}")
    return samplers[kind]()


def maximin(box: Box, prior: ArrayLike, n: int, random: np.random.Generator, candidates: int | None = None) -> Floats:
    """Return `n` mixtures that are far apart: the least distance between two is within a factor 2 of the best choice.

    From uniform candidates it takes, again and again, the one farthest from those it has (Gonzalez 1985: no choice
    among the candidates has a least distance more than twice as large). The first is the projected prior. Distances are
    Euclidean in sqrt(w), Hellinger's, in which the simplex is a piece of the sphere and small weights count.

    Args:
        box: where they lie.
        prior: (K,) natural shares; where to start.
        n: how many.
        random: source of randomness.
        candidates: how many to choose from; 20 n, at least 2,000, by default.

    """
    count = max(20 * n, 2000) if candidates is None else max(candidates, n)
    pool = np.vstack([project(prior, box)[None], sample_uniform(box, count, random)])
    points = np.sqrt(pool)
    chosen = [0]
    nearest = np.full(len(pool), np.inf)
    for _ in range(n - 1):
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    return np.asarray(pool[chosen])


def rejection(  # the settings of a published procedure
    prior: ArrayLike,
    box: Box,
    n: int,
    random: np.random.Generator,
    max_usage: float = 15.0,
    strength: tuple[float, float] = (0.1, 5.0),
    temperature: float = 2.0,
    minimum: float = 2e-4,
    multiplier: int = 100,
) -> Floats:
    """Return `n` mixtures by RegMix's own procedure, for replication (arXiv 2407.01492, sail-sg/regmix).

    `multiplier` n draws of Dirichlet(s * prior^(1 / temperature)), s one of 15 log-spaced strengths; those with
    w_k > max_usage prior_k for some k are rejected, and those outside the box; weights below `minimum` become 0, the
    rest is renormalised and rounded to multiples of `minimum`; near-duplicates (L1 distance 1e-5) go; `n` of what is
    left are chosen at random. Unlike `sample_prior`, the strengths that are accepted more often are over-represented,
    and rounded weights need not sum to 1: the last step here renormalises them. Rounding may bring a weight out of the
    box by a step: such mixtures are rejected too, where the box has bounds at all. Their temperature 0.5 is an
    exponent, ours is its inverse, 2.

    Args:
        prior: (K,) natural shares.
        box: where mixtures lie.
        n: how many.
        random: source of randomness.
        max_usage: how often a domain may be used, relative to the prior.
        strength: least and greatest s.
        temperature: of the prior.
        minimum: least positive weight.
        multiplier: draws per mixture.

    Raises:
        ValueError: fewer than `n` distinct draws were accepted.

    """
    shares = temper(prior, 1.0)
    centre = temper(prior, temperature)
    live = centre > 0  # NumPy's Dirichlet refuses zeros
    draws = n * multiplier
    strengths = random.choice(np.geomspace(*strength, 15), draws)
    size = max(_CELLS // len(shares), 1)
    drawn = []
    for start in range(0, draws, size):
        gammas = random.standard_gamma(strengths[start : start + size, None] * centre[live])
        total = gammas.sum(axis=1, keepdims=True)
        w = np.zeros((len(gammas), len(shares)))
        w[:, live] = np.divide(gammas, total, out=np.zeros_like(gammas), where=total > 0)
        w = w[(total[:, 0] > 0) & np.all(w <= np.minimum(max_usage * shares, 1.0), axis=1)]
        drawn.append(w[box.contains(w)])
    w = np.concatenate(drawn)
    accepted = len(w)
    w = np.where(w < minimum, 0.0, w)
    w = np.round(w / w.sum(axis=1, keepdims=True) / minimum) * minimum
    w = w[np.lexsort(w.T)]
    if len(w) > 1:
        w = w[np.concatenate([[True], np.abs(np.diff(w, axis=0)).sum(axis=1) > 1e-5])]
    w = w / w.sum(axis=1, keepdims=True)
    w = w[box.contains(w)]
    if len(w) < n:
        raise ValueError(
            f"rejection accepted {accepted} of {draws} draws, {len(w)} of them distinct, and {n} are needed: "
            "the exact sampler (dirichlet) has no such limit"
        )
    return np.asarray(w[random.choice(len(w), n, replace=False)])
