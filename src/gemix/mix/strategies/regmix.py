"""RegMix (arXiv 2407.01492): the mixture whose predicted result is best."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gemix.mix.box import Box, Floats, project, project_logs, settle
from gemix.mix.simplex import sample_prior, temper

_CHUNK: Final = 1 << 14

# Of more domains than this one descent is followed to its end, with moves through one domain and likely ones.
_ALL_MOVES: Final = 32
_LIKELY: Final = 16
_STEPS: Final = (0.03, 0.1, 0.3, 1.0, 3.0)  # of all weights at once, in the logarithm of the one that changes most
_LEAST: Final = 1e-9  # weight that such a step starts from
_LEAST_GAIN: Final = 1e-10  # of the value: less is rounding
_GAIN: Final = 1e-4  # of the value, for a move of length 1
_SHORT: Final = 20  # rounds of the descents that the followed one is chosen by
_QUADRATIC: Final = 60  # steps of sequential quadratic programming
_DIFFERENCE: Final = 1e-5  # of sqrt(w), for derivatives

Function = Callable[[Floats], Floats]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Optimum:
    """A mixture and what was predicted for it.

    Attributes:
        weights: (K,).
        objective: value there, lower is better; without the penalty.
        evaluations: mixtures that were predicted.

    """

    weights: Floats
    objective: float
    evaluations: int


def simulate(
    objective: Function,
    box: Box,
    prior: ArrayLike,
    n: int = 100_000,
    top: int = 128,
    seed: int = 0,
    strength: tuple[float, float] = (0.1, 5.0),
    temperature: float = 1.0,
) -> Optimum:
    """Return the average of the `top` best of `n` simulated mixtures around the prior: RegMix's choice.

    The average lies in the box, which is convex. It guards against the errors of the surrogate at single points.

    Args:
        objective: (m, K) mixtures -> (m,) values, lower is better; see `gemix.mix.objective.Objective`.
        box: where mixtures lie.
        prior: (K,) natural shares.
        n: how many to simulate.
        top: how many to average.
        seed: of the simulation.
        strength: range of strengths, see `sample_prior`.
        temperature: of the prior, see there.

    Raises:
        ValueError: `top` is not between 1 and `n`, or the sampler refuses.

    """
    if not 1 <= top <= n:
        raise ValueError(f"top must be between 1 and the {n} simulated mixtures, not {top}")
    mixtures = sample_prior(prior, box, n, np.random.default_rng(seed), strength, temperature)
    best = np.argsort(_evaluate(objective, mixtures), kind="stable")[:top]
    weights = settle(mixtures[best].mean(axis=0), box)
    return Optimum(weights, float(objective(weights[None])[0]), n + 1)


def optimise(
    objective: Function,
    box: Box,
    prior: ArrayLike,
    kl: float = 0.0,
    starts: int = 8,
    seed: int = 0,
    tolerance: float = 1e-5,
    max_rounds: int = 2000,
) -> Optimum:
    """Return the minimiser of objective(w) + kl KL(w || prior) in the box, the best of several descents.

    A descent moves weight from one domain to another: it tries all K (K - 1) moves of length t at once, takes the best
    if it improves, doubles t then, halves it otherwise, and ends when t < `tolerance`. The moves e_i - e_j that the
    bounds allow generate the cone of feasible directions of the box-cut simplex at every point, so this is a generating
    set search (Kolda, Lewis and Torczon 2003): on smooth objectives it converges to points that satisfy the first-order
    conditions. It needs no gradient, which trees do not have. Bounds on disjoint groups change nothing of that.

    Of more than 32 domains the moves to and from one domain that is at no bound are tried: they generate the same cone.
    Beside them stand the moves among the 16 that take and the 16 that give weight best, and steps of all weights at
    once along the slopes. Only the descent that comes lowest in 20 rounds is followed, and from there sequential
    quadratic programming in sqrt(w), with differences for derivatives, goes ahead of it: smooth objectives are at their
    minimum then, trees are as they were.

    Args:
        objective: (m, K) mixtures -> (m,) values, lower is better.
        box: where the result lies.
        prior: (K,) shares; with kl > 0 a domain with prior 0 gets no weight.
        kl: strength of the penalty, in units of the objective per nat.
        starts: descents: from the projected prior, the rest from mixtures drawn around it.
        seed: of those.
        tolerance: shortest move.
        max_rounds: moves per descent.

    Raises:
        ValueError: a negative penalty, or a penalised floor above a prior of 0.

    """
    if not (kl >= 0 and np.isfinite(kl)):
        raise ValueError(f"the penalty must be finite and >= 0, not {kl}")
    reference = temper(prior, 1.0)
    if kl > 0:
        forbidden = np.flatnonzero((reference == 0) & (box.floor > 0))
        if len(forbidden):
            raise ValueError(f"domain {box.names[forbidden[0]]!r} has a floor and no prior: its penalty is infinite")
        box = replace(box, cap=np.where(reference > 0, box.cap, 0.0))
    count = [0]

    def penalised(mixtures: Floats) -> Floats:
        count[0] += len(mixtures)
        values = _evaluate(objective, mixtures)
        return values + kl * divergence(mixtures, reference) if kl > 0 else values

    first = [project(reference, box)]
    if starts > 1:
        first.extend(sample_prior(prior, box, starts - 1, np.random.default_rng(seed), (1.0, 10.0), 1.0))
    if len(reference) > _ALL_MOVES:
        first = [_ahead(penalised, box, _lowest(penalised, box, first, tolerance, min(_SHORT, max_rounds)))]
    weights = _lowest(penalised, box, first, tolerance, max_rounds)
    return Optimum(weights, float(objective(weights[None])[0]), count[0] + 1)


def divergence(mixtures: Floats, reference: Floats) -> Floats:
    """Return KL(w || reference) in nats of every row, (n,); 0 log 0 = 0; infinite where only the reference is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(mixtures > 0, mixtures * (np.log(mixtures) - np.log(reference)), 0.0)
    return np.asarray(terms.sum(axis=1))


def _lowest(function: Function, box: Box, starts: list[Floats], tolerance: float, rounds: int) -> Floats:
    return min((_descend(function, box, start, tolerance, rounds) for start in starts), key=lambda end: end[1])[0]


def _ahead(function: Function, box: Box, start: Floats) -> Floats:
    """Return where sequential quadratic programming leads from `start`, (K,), or `start` where that is no better."""
    from scipy.optimize import minimize  # here, so that other strategies need NumPy only

    low, high, free = np.sqrt(box.floor), np.sqrt(box.cap), box.cap > box.floor

    def loss(x: Floats) -> tuple[float, Floats]:
        size = np.sqrt(x @ x)
        root = x / size
        hub = int(root.argmax())  # gives what the others take; along the sphere that is no matter
        others = np.flatnonzero(free & (np.arange(len(x)) != hub))
        trial = np.tile(root**2, (len(others) + 1, 1))
        taken = (2 * root[others] + _DIFFERENCE) * _DIFFERENCE
        trial[np.arange(len(others)), others] += taken
        trial[:-1, hub] -= taken
        *near, value = function(trial)
        slope = np.zeros(len(x))
        slope[others] = (np.array(near) - value) / _DIFFERENCE
        return float(value), (slope - (slope @ root) * root) / size

    found = minimize(
        loss,
        np.clip(np.sqrt(start), low, high),
        jac=True,
        method="SLSQP",
        bounds=list(zip(low, high, strict=True)),
        constraints={"type": "eq", "fun": lambda x: x @ x - 1, "jac": lambda x: 2 * x},
        options={"maxiter": _QUADRATIC, "ftol": 1e-9},
    ).x
    if not (np.isfinite(found).all() and found.any()):
        return start
    both = np.stack([start, settle(found**2 / (found @ found), box)])
    return np.asarray(both[int(np.argmin(function(both)))])


def _descend(function: Function, box: Box, start: Floats, tolerance: float, rounds: int) -> tuple[Floats, float]:
    w, value = start, float(function(start[None])[0])
    length = 0.1
    scale = abs(value) if len(w) > _ALL_MOVES else 0.0
    for _ in range(rounds):
        trial, values, moves = _tried(function, box, w, value, length)
        if not len(trial):
            break
        best = int(np.argmin(values))
        # A long move has to gain more than a short one: else it is time for shorter ones.
        if values[best] < value - scale * max(_LEAST_GAIN, _GAIN * length**2):
            w, value = settle(trial[best], box), float(values[best])
            if best < moves:
                length = min(2 * length, 1.0)
        else:
            length /= 2
            if length < tolerance:
                break
    return w, value


def _tried(function: Function, box: Box, w: Floats, value: float, length: float) -> tuple[Floats, Floats, int]:
    """Return mixtures around w, (m, K), and their values, (m,): all moves of the length, or what stands for them.

    The third is how many of them, from the first, are moves.
    """
    k = len(w)
    hub = int(np.minimum(box.cap - w, w - box.floor).argmax())
    if k <= _ALL_MOVES or not box.floor[hub] < w[hub] < box.cap[hub]:
        to, source = (axis.ravel() for axis in np.indices((k, k)))
        trial, _ = _moved(box, w, to, source, length)
        return trial, function(trial) if len(trial) else np.empty(0), len(trial)
    others = np.delete(np.arange(k), hub)
    hubs = np.full(k - 1, hub)
    to, source = np.concatenate([others, hubs]), np.concatenate([hubs, others])
    trial, kept = _moved(box, w, to, source, length)
    values = function(trial)
    # What a domain gains by weight, and by giving weight away, for each unit; through the hub, which has 0.
    moved = np.abs(trial[:, others] - w[others]).max(axis=1)
    slopes = np.where(moved > _LEAST, (values - value) / np.maximum(moved, _LEAST), np.inf)
    to, source = to[kept], source[kept]
    takers, givers = np.full(k, np.inf), np.full(k, np.inf)
    takers[to[source == hub]], givers[source[to == hub]] = slopes[source == hub], slopes[to == hub]
    takers[hub] = givers[hub] = 0.0
    best = [side[np.isfinite(gains[side])] for gains in (takers, givers) for side in [np.argsort(gains)[:_LIKELY]]]
    to, source = (axis.ravel() for axis in np.meshgrid(*best))
    pairs, _ = _moved(box, w, to, source, length)
    gradient = np.where(np.isfinite(takers), takers, np.where(np.isfinite(givers), -givers, 0.0))
    size = np.abs(gradient).max()
    logs = np.log(np.maximum(w, _LEAST))
    steps = [project_logs(logs - c / size * gradient, box) for c in _STEPS] if size > 0 else []
    more = np.concatenate([pairs, *(step[None] for step in steps)])
    return np.concatenate([trial, more]), np.concatenate([values, function(more)]), len(trial) + len(pairs)


def _moved(box: Box, w: Floats, to: Rows, source: Rows, length: float) -> tuple[Floats, Rows]:
    """Return the mixtures with weight moved, as much as the bounds allow, and which moves are possible at all."""
    step = np.minimum(length, np.minimum((box.cap - w)[to], (w - box.floor)[source]))
    for group in box.groups:
        rows, together = list(group.members), w[list(group.members)].sum()
        comes, goes = np.isin(to, rows), np.isin(source, rows)
        step = np.where(comes & ~goes, np.minimum(step, group.cap - together), step)
        step = np.where(goes & ~comes, np.minimum(step, together - group.floor), step)
    kept = np.flatnonzero((to != source) & (step > 0))
    trial = np.tile(w, (len(kept), 1))
    every = np.arange(len(kept))
    trial[every, to[kept]] += step[kept]
    trial[every, source[kept]] -= step[kept]
    return trial, kept


def _evaluate(function: Function, mixtures: Floats) -> Floats:
    return np.concatenate([function(mixtures[i : i + _CHUNK]) for i in range(0, len(mixtures), _CHUNK)])
