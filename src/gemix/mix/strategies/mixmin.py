"""MixMin (arXiv 2502.10510): the convex mixture of one model per domain that explains a target text best.

    minimise  F(w) = - sum_i a_i log sum_k w_k p_k(x_i)   over the box,

p_k(x) the likelihood of a token, or of a document, under the model of domain k. F is convex. It is solved by
exponentiated gradient, w <- project(w exp(-eta grad F)): mirror descent in the entropy, whose step in a box is
`gemix.mix.box.project`. eta is found by backtracking and grows while steps are accepted.

The certificate is the Frank-Wolfe gap, max over the box of <-grad F, v - w>: by convexity F(w) - F* is at most that.
Without bounds it is max_k g_k - sum a with g_k = sum_i a_i p_k(x_i) / sum_j w_j p_j(x_i), and 0 exactly at the
conditions of Karush, Kuhn and Tucker: g_k = sum a where w_k > 0 and g_k <= sum a elsewhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gemix.mix.box import Box, Floats, project, project_logs


@dataclass(frozen=True)
class MixMin:
    """The solution.

    Attributes:
        weights: (K,).
        objective: F, in nats per token (or per document).
        gap: F(weights) - F* is at most this.
        iterations: steps that were taken.

    """

    weights: Floats
    objective: float
    gap: float
    iterations: int


# One algorithm, read from top to bottom: its steps share all their state.
def mixmin(
    log_likelihood: ArrayLike,
    box: Box,
    lengths: ArrayLike | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 10_000,
) -> MixMin:
    """Return the best mixture of domain models for a target text.

    Args:
        log_likelihood: log p_k(x_i) in nats, (n, K); -inf where a model excludes x_i.
        box: where the weights lie.
        lengths: (n,) tokens of every x_i where it is a document: a_i = 1 / (n length_i), as the paper's code has it;
            None: tokens, a_i = 1 / n.
        tolerance: stop when the gap is at most this, in the unit of F.
        max_iterations: stop there in any case; the gap says how far it came.

    Raises:
        ValueError: NaN or +inf, an x that no model of positive weight explains, or bad shapes.

    """
    table = np.asarray(log_likelihood, float)
    if table.ndim != 2 or table.shape[1] != len(box.floor) or not len(table):
        raise ValueError(f"likelihoods must be a table of {len(box.floor)} columns, not {table.shape}")
    if np.isnan(table).any() or np.isposinf(table).any():
        raise ValueError(f"row {int(np.argwhere(np.isnan(table) | np.isposinf(table))[0, 0])}: not a log-likelihood")
    if box.groups:
        raise ValueError("mixmin knows the bounds of domains alone, not of groups: leave these out")
    open_domains = box.cap > 0
    top = np.where(open_domains, table, -np.inf).max(axis=1)
    if np.isneginf(top).any():
        raise ValueError(f"row {int(np.flatnonzero(np.isneginf(top))[0])}: no model gives it a positive likelihood")
    a = np.full(len(table), 1 / len(table))
    if lengths is not None:
        size = np.asarray(lengths, float)
        if size.shape != a.shape or not np.all(np.isfinite(size) & (size > 0)):
            raise ValueError(f"lengths must be {len(table)} positive numbers")
        a = a / size
    p = np.where(open_domains, np.exp(np.minimum(table - top[:, None], 0.0)), 0.0)
    constant = -float(a @ top)

    def finish(iterations: int) -> MixMin:
        return MixMin(w, constant - float(a @ np.log(p @ w)), gap, iterations)

    # Uniform over what the box leaves open: every open domain starts with weight, else it could never gain any.
    w = project(np.where(open_domains, 1.0, 0.0), box)
    logs = np.where(open_domains, np.log(np.maximum(w, 1e-300)), -np.inf)
    mixed = p @ w
    eta = 1.0 / float(a.sum())
    gap = np.inf
    for iteration in range(max_iterations):
        g = (a / mixed) @ p
        gap = max(0.0, float(g @ (_extreme(g, box) - w)))
        if gap <= tolerance:
            return finish(iteration)
        eta = min(2 * eta, 1e250)
        while True:
            trial = project_logs(logs + eta * (g - g.max()), box)
            used = trial > 0
            bregman = float(trial[used] @ (np.log(trial[used]) - logs[used]))
            with np.errstate(divide="ignore", invalid="ignore"):
                # F(w) - F(trial), without the rounding of either.
                decrease = float(a @ np.log1p(p @ (trial - w) / mixed))
            if decrease >= float(g @ (trial - w)) - bregman / eta:
                break
            eta /= 2
            if eta * a.sum() < 1e-12:
                return finish(iteration)
        w = trial
        mixed = p @ w
        # Kept as logarithms: a weight that underflows to 0 could never grow again.
        logs = np.where(w > 0, np.log(np.maximum(w, 1e-300)), logs + eta * (g - g.max()))
    return finish(max_iterations)


def _extreme(g: Floats, box: Box) -> Floats:
    """Return the corner of the box-cut simplex where <g, v> is greatest: fill the best domains first."""
    order = np.argsort(-g, kind="stable")
    room = (box.cap - box.floor)[order]
    left = 1.0 - box.floor.sum()
    filled = np.clip(left - np.concatenate([[0.0], np.cumsum(room)[:-1]]), 0.0, room)
    corner = box.floor.copy()
    corner[order] += filled
    return corner
