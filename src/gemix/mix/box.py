"""Where mixtures may lie: the simplex cut by a floor and a cap for every domain, and for groups of domains."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Sums of K rounded numbers: below this a box that just touches the simplex counts as touching it.
_TOUCHES: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Group:
    """Bounds on the weight of some domains together.

    Attributes:
        members: their positions, distinct.
        floor, cap: 0 <= floor <= cap <= 1.

    """

    members: tuple[int, ...]
    floor: float
    cap: float


@dataclass(frozen=True, slots=True)
class Box:
    """The set {w : sum w = 1, floor <= w <= cap, the same for sums over groups}, never empty.

    Attributes:
        names: the domains, in order; only for messages.
        floor: (K,) float64, 0 <= floor <= cap.
        cap: (K,) float64, at most 1.
        groups: disjoint groups of domains with bounds of their own.

    """

    names: Sequence[str]
    floor: Floats
    cap: Floats
    groups: tuple[Group, ...] = ()

    def __post_init__(self) -> None:
        for k, name in enumerate(self.names):
            if not 0 <= self.floor[k] <= self.cap[k]:
                raise ValueError(f"domain {name!r}: its floor {self.floor[k]:.6g} exceeds its cap {self.cap[k]:.6g}")
        if self.floor.sum() > 1 + _TOUCHES:
            raise ValueError(f"the floors sum to {self.floor.sum():.6g} > 1: lower them by {self.floor.sum() - 1:.6g}")
        if self.cap.sum() < 1 - _TOUCHES:
            raise ValueError(f"the caps sum to {self.cap.sum():.6g} < 1: raise them by {1 - self.cap.sum():.6g}")
        if self.groups:
            self._check_groups()

    def _check_groups(self) -> None:
        seen: set[int] = set()
        least, most = 0.0, 0.0
        for group in self.groups:
            rows = list(group.members)
            called = " + ".join(self.names[k] for k in rows)
            for k in rows:
                if k in seen:
                    raise ValueError(f"domain {self.names[k]!r} is in two groups: bound it in one of them")
                seen.add(k)
            low, high = max(group.floor, self.floor[rows].sum()), min(group.cap, self.cap[rows].sum())
            if not 0 <= group.floor <= group.cap <= 1 or low > high + _TOUCHES:
                raise ValueError(
                    f"{called}: together at least {group.floor:.6g} and at most {group.cap:.6g}, and by their own "
                    f"bounds {self.floor[rows].sum():.6g} to {self.cap[rows].sum():.6g}: no weight is both"
                )
            least, most = least + low, most + high
        rest = [k for k in range(len(self.names)) if k not in seen]
        least, most = least + self.floor[rest].sum(), most + self.cap[rest].sum()
        if least > 1 + _TOUCHES:
            raise ValueError(f"the floors of groups and other domains sum to {least:.6g} > 1: lower them")
        if most < 1 - _TOUCHES:
            raise ValueError(f"the caps of groups and other domains sum to {most:.6g} < 1: raise them")

    def contains(self, weights: ArrayLike, tolerance: float = 1e-9) -> NDArray[np.bool_]:
        """Return which rows of `weights`, (n, K) or (K,), lie in the box to within `tolerance`."""
        w = np.asarray(weights, float)
        inside = np.all((w >= self.floor - tolerance) & (w <= self.cap + tolerance), axis=-1)
        for group in self.groups:
            together = w[..., list(group.members)].sum(axis=-1)
            inside = inside & (together >= group.floor - tolerance) & (together <= group.cap + tolerance)
        return inside & (np.abs(w.sum(axis=-1) - 1) <= tolerance)

    def over(self, domains: Sequence[int]) -> "Box":
        """Return the bounds on some domains, in this order, where all others have no weight."""
        place = {k: i for i, k in enumerate(domains)}
        groups = [replace(group, members=tuple(place[k] for k in group.members if k in place)) for group in self.groups]
        rows = list(domains)
        return Box([self.names[k] for k in rows], self.floor[rows], self.cap[rows], tuple(groups))


def make_box(names: Sequence[str], floor: ArrayLike | None = None, cap: ArrayLike | None = None) -> Box:
    """Return the box with these bounds; no floor is 0, no cap is 1.

    Args:
        names: K domains.
        floor: (K,) lower bounds.
        cap: (K,) upper bounds.

    Raises:
        ValueError: no mixture satisfies them; the message says by how much.

    """
    k = len(names)
    low = np.zeros(k) if floor is None else np.asarray(floor, float).copy()
    high = np.ones(k) if cap is None else np.minimum(np.asarray(cap, float), 1.0)
    if low.shape != (k,) or high.shape != (k,):
        raise ValueError(f"{k} domains need {k} floors and {k} caps, not {low.shape} and {high.shape}")
    return Box(tuple(names), low, high)


def epoch_box(
    names: Sequence[str],
    tokens: ArrayLike,
    max_epochs: float,
    budget_tokens: float,
    floor: ArrayLike | None = None,
    cap: ArrayLike | None = None,
) -> Box:
    """Return the box in which no domain is seen more than `max_epochs` times: cap_k = max_epochs tokens_k / budget.

    Args:
        names: K domains.
        tokens: (K,) tokens that exist.
        max_epochs: passes over a domain that are allowed.
        budget_tokens: tokens that training will see.
        floor: (K,) lower bounds.
        cap: (K,) further caps; the smaller one holds.

    Raises:
        ValueError: no mixture satisfies them; the message says which budget or number of epochs would do.

    """
    if not (0 < max_epochs < np.inf and 0 < budget_tokens < np.inf):
        raise ValueError(f"epochs and budget must be positive, not {max_epochs} and {budget_tokens}")
    available = np.asarray(tokens, float)
    own = make_box(names, floor, cap)  # refuses what no budget can mend
    rate = max_epochs / budget_tokens
    high = np.minimum(own.cap, rate * available)
    for k in map(int, np.flatnonzero(own.floor > high)):
        raise ValueError(
            f"domain {names[k]!r}: its floor {own.floor[k]:.6g} exceeds its cap {high[k]:.6g}, which is "
            f"{max_epochs:g} epochs over {available[k]:.0f} tokens in a budget of {budget_tokens:.0f}: "
            f"{_remedy(own.floor[k] / available[k] if available[k] else np.inf, max_epochs, budget_tokens)}"
        )
    if high.sum() < 1 - _TOUCHES:
        live = available > 0
        needed = np.inf
        if own.cap[live].sum() >= 1:
            needed = float(np.exp(_log_scale(np.log(available[live]), np.zeros(live.sum()), own.cap[live], 1.0)))
        raise ValueError(
            f"the caps sum to {high.sum():.6g} < 1, so no mixture respects {max_epochs:g} epochs in a budget of "
            f"{budget_tokens:.0f} tokens: {_remedy(needed, max_epochs, budget_tokens)}"
        )
    return Box(tuple(names), own.floor, high)


def _remedy(needed: float, max_epochs: float, budget_tokens: float) -> str:
    """Say what makes epochs / budget at least `needed`; digits are rounded to the feasible side."""
    if not np.isfinite(needed):
        return "no budget helps, the caps and empty domains forbid it"
    budget = int(max_epochs / needed)
    epochs = np.ceil(needed * budget_tokens * 1e4) / 1e4
    return f"lower the budget by {budget_tokens - budget:.0f} to {budget} tokens, or raise the epochs to {epochs:g}"


def project(ratios: ArrayLike, box: Box) -> Floats:
    """Return the mixture of the box that is nearest to `ratios`, in Kullback-Leibler divergence.

    It is w_k = clip(c r_k, floor_k, cap_k) with the one c for which the weights sum to 1 ("water-filling"): the
    conditions of Karush, Kuhn and Tucker of min KL(w || r). Domains at no bound keep their ratios. A group at its floor
    or cap has a factor of its own in place of c.

    Args:
        ratios: r, (K,) non-negative; the scale does not matter. A domain with r_k = 0 stays at its floor.
        box: where the result lies.

    Raises:
        ValueError: the domains with positive ratios cannot take all the weight.

    """
    r = np.asarray(ratios, float)
    if r.shape != box.floor.shape or not np.all(np.isfinite(r)) or np.any(r < 0):
        raise ValueError(f"ratios must be {len(box.floor)} finite numbers >= 0")
    with np.errstate(divide="ignore"):
        return project_logs(np.log(r), box)


def project_logs(log_ratios: Floats, box: Box) -> Floats:
    """Return `project(exp(log_ratios))`, (K,), for ratios of any size; -inf is a ratio of 0.

    Raises:
        ValueError: as `project`.

    """
    if not box.groups:
        return _poured(log_ratios, box, range(len(box.floor)), 1.0)
    w = np.empty(len(box.floor))
    held: list[Group] = []  # groups at a bound, which is their floor and cap here
    open_groups, rest = list(box.groups), list(range(len(w)))
    while True:
        w[rest] = _poured(log_ratios, box, rest, 1.0 - sum(group.cap for group in held))
        sums = [float(w[list(group.members)].sum()) for group in open_groups]
        short = {g: g.floor - s for g, s in zip(open_groups, sums, strict=True) if s < g.floor * (1 - _TOUCHES)}
        over = {g: s - g.cap for g, s in zip(open_groups, sums, strict=True) if s > g.cap * (1 + _TOUCHES)}
        if not short and not over:
            break
        # Where more is missing than is too much, c can but fall: what is short stays so. And the other way about.
        if sum(short.values()) >= sum(over.values()):
            held += [replace(group, cap=group.floor) for group in short]
        else:
            held += [replace(group, floor=group.cap) for group in over]
        taken = {k for group in held for k in group.members}
        open_groups = [group for group in open_groups if taken.isdisjoint(group.members)]
        rest = [k for k in rest if k not in taken]
    for group in held:
        w[list(group.members)] = _poured(log_ratios, box, group.members, group.cap)
    return w


def _poured(log_ratios: Floats, box: Box, domains: Sequence[int], total: float) -> Floats:
    """Return clip(c r, floor, cap) of some domains, with the c for which they sum to `total`."""
    rows = np.asarray(domains, np.intp)
    logs, low, high = log_ratios[rows], box.floor[rows], box.cap[rows]
    live = logs > -np.inf
    reach = np.where(live, high, low).sum()
    if reach < total - _TOUCHES:
        empty = [box.names[k] for k in rows[~live & (high > low)].tolist()]
        raise ValueError(
            f"the domains with a positive weight reach {reach:.6g} < {total:.6g} under their caps, and {len(empty)} "
            f"domains with weight 0 stay at their floors ({', '.join(map(repr, empty[:5]))})"
        )
    w = low.copy()
    if live.any():
        shift = _log_scale(logs[live], low[live], high[live], total - low[~live].sum())
        w[live] = _filled(logs[live] + shift, low[live], high[live])
    return _topped_up(w, low, high, total)


def _filled(logs: Floats, low: Floats, high: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.clip(np.exp(logs), low, high)


def _log_scale(logs: Floats, low: Floats, high: Floats, target: float) -> float:
    """Return log c with sum clip(c r, low, high) = target: the sum is linear in c between sorted breakpoints."""
    with np.errstate(divide="ignore"):
        starts, ends = np.log(low) - logs, np.log(high) - logs  # where a domain leaves its floor, reaches its cap
    points = np.unique(np.concatenate([starts, ends]))
    first, last = 0, len(points) - 1
    while last - first > 1:
        middle = (first + last) // 2
        if _filled(logs + points[middle], low, high).sum() < target:
            first = middle
        else:
            last = middle
    free = (starts <= points[first]) & (points[first] < ends)
    left = target - np.where(ends <= points[first], high, low)[~free].sum()
    if not free.any() or left <= 0:
        return float(points[first])
    top = logs[free].max()
    log_c = np.log(left) - top - np.log(np.exp(logs[free] - top).sum())
    return float(np.clip(log_c, points[first], points[last]))


def settle(weights: Floats, box: Box) -> Floats:
    """Return the weights, (..., K), summing to 1 to the last bit: rounding errors go where there is room for them.

    Args:
        weights: in the box up to rounding.
        box: where they lie. Of groups more than rounding is mended: the nearest weights are returned, as by `project`.

    """
    w = _topped_up(weights, box.floor, box.cap, 1.0)
    if box.groups and not np.all(inside := box.contains(w)):
        outside = np.log(np.maximum(w[~inside], np.finfo(float).tiny))
        w[~inside] = [project_logs(row, box) for row in outside]
    return w


def _topped_up(weights: Floats, low: Floats, high: Floats, whole: float) -> Floats:
    w = np.clip(weights, low, high)
    short = whole - w.sum(axis=-1, keepdims=True)
    room = np.where(short > 0, high - w, w - low)
    total = room.sum(axis=-1, keepdims=True)
    w = w + short * np.divide(room, total, out=np.zeros_like(w), where=total > 0)
    return np.asarray(np.clip(w, low, high))
