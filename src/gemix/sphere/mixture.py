"""Expectation-maximisation for mixtures of von Mises-Fisher components, whatever E-step assigns the documents.

    F = sum_i w_i [ sum_k g_ik s_ik + H(g_i) ] - (lambda/2)|pi - u|^2 + (n0/N) sum_k [ log C_d(kappa_k) + kappa_k R0 ],
    s_ik = log alpha_k + log C_d(kappa_k) + kappa_k mu_k.x_i.

The last term is a conjugate prior on kappa of n0 pseudo-documents with mean resultant length R0. Without it F is
unbounded: a component of near-duplicates takes kappa to infinity.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.dual import Assignment
from gemix.sphere.rows import Rows
from gemix.sphere.steps import EStep
from gemix.sphere.vmf import MIN_CONCENTRATION, concentration, log_normalizer

logger = logging.getLogger(__name__)
Floats = NDArray[np.float64]

_RESEED_ITERATIONS: Final = 5
_SLACK: Final = 0.05  # of the last gain of F: what E-steps may leave, as long as F does not fall
_ROUNDING: Final = 1e-13  # the length of a sum of assigned rows that is none


@dataclass(frozen=True, slots=True)
class Prior:
    """Conjugate prior on every kappa.

    Attributes:
        share: n0 / N, pseudo-documents a document.
        resultant: R0, their mean resultant length.
        highest: bound on kappa: beyond it the scores' type cannot tell two rows near a mean direction apart.

    """

    share: float
    resultant: float
    highest: float


@dataclass(frozen=True, slots=True)
class Components:
    """Mean directions (K, d), concentrations (K,) and log prior weights log alpha (K,), all float64."""

    directions: Floats
    concentrations: Floats
    log_alpha: Floats

    def scaled(self) -> Floats:
        """Return kappa_k mu_k, (K, d): a row's product with it is the part of its score that depends on the row."""
        return self.concentrations[:, None] * self.directions

    def at(self, scaled: Floats, highest: float, shared: bool) -> "Components":
        """Return components of the same weights at other kappa_k mu_k, (K, d)."""
        lengths = np.maximum(np.linalg.norm(scaled, axis=1), MIN_CONCENTRATION)
        kappa = np.full_like(lengths, lengths.mean()) if shared else lengths
        return replace(self, directions=scaled / lengths[:, None], concentrations=np.minimum(kappa, highest))

    def bias(self) -> Floats:
        """Return log alpha_k + log C_d(kappa_k), (K,)."""
        return self.log_alpha + log_normalizer(self.directions.shape[1], self.concentrations)

    def prior_term(self, prior: Prior) -> float:
        """Return (n0 / N) sum_k [log C_d(kappa_k) + kappa_k R0]."""
        terms = log_normalizer(self.directions.shape[1], self.concentrations) + self.concentrations * prior.resultant
        return prior.share * float(terms.sum())

    def linear_term(self, masses: Floats, sums: Floats) -> float:
        """Return sum_i w_i sum_k g_ik s_ik from the masses pi_k (K,) and the sums r_k (K, d)."""
        return float(masses @ self.bias() + np.einsum("kd,kd->", self.scaled(), sums))


def m_step(sums: Floats, masses: Floats, log_alpha: Floats, prior: Prior, shared: bool, previous: Floats) -> Components:
    """Maximise F over mean directions and concentrations (Banerjee et al. 2005, with the prior's pseudo-counts).

    Args:
        sums: r_k = sum_i w_i g_ik x_i, (K, d).
        masses: pi_k, (K,).
        log_alpha: log prior weights, (K,).
        prior: the prior on the concentrations.
        shared: one concentration for all components.
        previous: mean directions that components without mass keep, (K, d).

    """
    lengths = np.linalg.norm(sums, axis=1)
    alive = lengths > _ROUNDING
    directions = np.where(alive[:, None], sums / np.where(alive, lengths, 1.0)[:, None], previous)
    along, mass = np.where(alive, lengths, 0.0), np.maximum(masses, 0.0)
    if shared:
        along, mass = np.full_like(along, along.mean()), np.full_like(mass, mass.mean())
    total = mass + prior.share
    resultant = np.divide(
        along + prior.share * prior.resultant, total, out=np.full_like(total, prior.resultant), where=total > 0
    )
    return Components(directions, concentration(sums.shape[1], resultant, prior.highest), log_alpha)


class Momentum:
    """Nesterov's momentum on the natural parameters kappa_k mu_k, restarted where F falls (O'Donoghue, Candes 2015).

    Attributes:
        steps: M-steps since the last restart, and 1.
        last: kappa_k mu_k of the last of them, (K, d); None after a restart.

    """

    def __init__(self, highest: float, shared: bool) -> None:
        """Give the bound on kappa, and whether there is one kappa for all."""
        self._highest, self._shared = highest, shared
        self.steps = 1
        self.last: Floats | None = None

    def beyond(self, new: Components) -> Components:
        """Go on in the direction of the last step, the further the longer F has climbed."""
        last, scaled = self.last, new.scaled()
        self.last = scaled
        share = (self.steps - 1) / (self.steps + 2)
        self.steps += 1
        if last is None:
            return new
        return new.at(scaled + share * (scaled - last), self._highest, self._shared)

    def restart(self) -> None:
        """Forget what was before."""
        self.steps, self.last = 1, None


@dataclass(slots=True)
class Fit:
    """A fitted mixture and how it got there.

    Attributes:
        components: the parameters.
        assignment: the last E-step.
        objective: F after every E-step and every M-step.
        n_iter: EM iterations.
        evaluations: passes over the rows.
        reseeded: (iteration, component) of every component that was empty and started anew; F may fall there.
        shortfall: what was not reached, in words; empty where the fit converged.

    """

    components: Components
    assignment: Assignment
    objective: list[float] = field(default_factory=list)
    n_iter: int = 0
    evaluations: int = 0
    reseeded: list[tuple[int, int]] = field(default_factory=list)
    shortfall: str = ""


def _rounding(value: float) -> float:
    """Return what the float64 sums of F may be off by: decisions must not hang on less."""
    return 1e-13 * max(1.0, abs(value))


class _Climb:
    """Judges a fit as it goes: whether F still rises, and whether that is certified."""

    def __init__(self, fit: Fit, tol: float, window: int, gap: float) -> None:
        self._fit, self._tol, self._window, self._gap = fit, tol, window, gap
        self._values: list[float] = []  # F after the E-steps since components were last started anew
        self._gain = np.inf

    def ends(self, value: float, components: Components, assignment: Assignment) -> bool:
        """Take note of an E-step; return whether it is the last."""
        fit, values = self._fit, self._values
        if fit.reseeded and fit.reseeded[-1][0] == fit.n_iter:
            values.clear()
        elif values and value < values[-1] - _rounding(value):
            # Rounding hides what is left to gain, if anything: the iteration before was the last.
            self._gain = fit.objective.pop() - values[-1]
            fit.n_iter -= 1
            return True
        elif values and value < fit.objective[-1]:
            fit.objective[-1] = value  # what the M-step gained is known to rounding only
        values.append(value)
        fit.objective.append(value)
        fit.components, fit.assignment = components, assignment
        logger.info("iteration %d: F = %.6f, gap %.1e", fit.n_iter, value, assignment.gap)
        if len(values) > self._window:
            self._gain = value - values[-1 - self._window]
        return self._gain <= self._tol

    @property
    def last_gain(self) -> float:
        """What F gained from the last E-step but one to the last, in nats; 0 where that is not known."""
        return max(self._values[-1] - self._values[-2], 0.0) if len(self._values) > 1 else 0.0

    def judge(self) -> None:
        """Say what was not reached."""
        if self._gain > self._tol:
            gain = f"the last gain of F was {self._gain:.1e} nats a document" if np.isfinite(self._gain) else "too few"
            self._fit.shortfall = f"{self._fit.n_iter} iterations ended before F settled to tol={self._tol:g}: {gain}"
        elif self._fit.assignment.gap > self._gap:
            self._fit.shortfall = (
                f"the last E-step stayed up to {self._fit.assignment.gap:.1e} nats a document below its optimum, more "
                f"than {self._gap:.1e}"
            )


def start_from(
    rows: Rows, seeds: Floats, log_alpha: Floats, share: float, prior: Prior | None, shared: bool
) -> tuple[Components, Prior]:
    """Assign every row to its nearest seed and take one M-step; R0 is the pooled mean resultant length found there.

    Args:
        rows: the data.
        seeds: starting mean directions, (K, d).
        log_alpha: log prior weights, (K,).
        share: n0 / N.
        prior: reuse this prior instead of measuring R0.
        shared: one concentration for all components.

    """
    near = rows.nearest(seeds)
    prior = prior or Prior(share, float(np.linalg.norm(near.sums, axis=1).sum()), rows.max_concentration)
    # At least one pseudo-document here, or a seed that attracted only its duplicates would start with infinite kappa.
    gentle = replace(prior, share=max(share, 1.0 / rows.count))
    return m_step(near.sums, near.masses, log_alpha, gentle, shared, seeds), prior


# One algorithm, read from top to bottom: its steps share all their state.
def run_em(
    rows: Rows,
    components: Components,
    e_step: EStep,
    prior: Prior,
    *,
    shared: bool,
    max_iter: int,
    tol: float,
    momentum: Momentum | None = None,
    window: int = 10,
    reseed: Callable[[int], Floats] | None = None,
    keep: Callable[[Components], None] | None = None,
) -> Fit:
    """Alternate E- and M-steps until F gains at most `tol`; end on an E-step.

    Args:
        rows: the data.
        components: where to start.
        e_step: how rows are assigned.
        prior: prior on the concentrations.
        shared: one concentration for all components.
        max_iter: iterations at most.
        tol: gain of F over `window` iterations, in nats, at which to stop.
        window: see `tol`.
        momentum: goes beyond the M-step's components; by default they are the next. An E-step that does not bring F
            above the M-step's value there undoes that: F climbs as if there were none.
        reseed: returns that many new mean directions, (m, d), for components left with less than one document;
            by default they stay.
        keep: called with the components from which every further iteration starts.

    """
    fit = Fit(components, Assignment(components.log_alpha, components.log_alpha, -np.inf, np.inf, 0))
    climb = _Climb(fit, tol, window, e_step.gap)
    floor, plain = -np.inf, None
    while True:
        # Scores without the constant that all components share: float32 has no digits to spare for it.
        offset = float(np.mean(components.bias() + components.concentrations * prior.resultant))
        constant = offset + components.prior_term(prior)
        expectation = e_step.run(rows, components.scaled(), components.bias() - offset, floor - constant)
        fit.evaluations += expectation.assignment.evaluations
        value = expectation.assignment.objective + constant
        if plain is not None and value < floor - _rounding(value):
            components, plain = plain, None
            assert momentum
            momentum.restart()
            continue
        if climb.ends(value, components, expectation.assignment) or fit.n_iter == max_iter:
            climb.judge()
            return fit
        e_step.slack = _SLACK * climb.last_gain
        fit.n_iter += 1
        masses, sums, old = expectation.assignment.masses, expectation.sums, components
        plain = m_step(sums, masses, e_step.log_alpha(masses), prior, shared, old.directions)
        change = plain.linear_term(masses, sums) - old.linear_term(masses, sums)
        floor = value + change + plain.prior_term(prior) - old.prior_term(prior)
        fit.objective.append(floor)
        empty = np.flatnonzero(rows.count * masses < 1.0)
        if reseed and len(empty) and fit.n_iter <= _RESEED_ITERATIONS:
            plain.directions[empty] = reseed(len(empty))
            plain.concentrations[empty] = concentration(rows.d, prior.resultant, prior.highest)
            plain.log_alpha[empty] = -np.log(len(masses))
            fit.reseeded += [(fit.n_iter, int(k)) for k in empty]
            floor = -np.inf
            if momentum:
                momentum.restart()
            components = plain
        else:
            components = momentum.beyond(plain) if momentum else plain
        if components is plain:
            plain = None
        if keep:
            keep(components)
