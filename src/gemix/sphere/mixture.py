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
from gemix.sphere.vmf import concentration, log_normalizer

logger = logging.getLogger(__name__)
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prior:
    """Conjugate prior on every kappa: `strength` (n0) pseudo-documents with mean resultant length `resultant` (R0)."""

    strength: float
    resultant: float


@dataclass(frozen=True, slots=True)
class Components:
    """Mean directions (K, d), concentrations (K,) and log prior weights log alpha (K,), all float64."""

    directions: Floats
    concentrations: Floats
    log_alpha: Floats

    def scaled(self) -> Floats:
        """Return kappa_k mu_k, (K, d): a row's product with it is the part of its score that depends on the row."""
        return self.concentrations[:, None] * self.directions

    def beyond(self, old: "Components", share: float) -> "Components":
        """Return these components with mean directions that went further from the old ones by a share of the way."""
        directions = self.directions + share * (self.directions - old.directions)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return replace(self, directions=directions)

    def bias(self) -> Floats:
        """Return log alpha_k + log C_d(kappa_k), (K,)."""
        return self.log_alpha + log_normalizer(self.directions.shape[1], self.concentrations)

    def prior_term(self, prior: Prior, n: int) -> float:
        """Return (n0 / N) sum_k [log C_d(kappa_k) + kappa_k R0]."""
        terms = log_normalizer(self.directions.shape[1], self.concentrations) + self.concentrations * prior.resultant
        return prior.strength / n * float(terms.sum())

    def linear_term(self, masses: Floats, sums: Floats) -> float:
        """Return sum_i w_i sum_k g_ik s_ik from the masses pi_k (K,) and the sums r_k (K, d)."""
        return float(masses @ self.bias() + np.einsum("kd,kd->", self.scaled(), sums))


def m_step(
    sums: Floats, masses: Floats, n: int, log_alpha: Floats, prior: Prior, shared: bool, previous: Floats
) -> Components:
    """Maximise F over mean directions and concentrations (Banerjee et al. 2005, with the prior's pseudo-counts).

    Args:
        sums: r_k = sum_i w_i g_ik x_i, (K, d).
        masses: pi_k, (K,).
        n: number of documents N.
        log_alpha: log prior weights, (K,).
        prior: the prior on the concentrations.
        shared: one concentration for all components.
        previous: mean directions that components without mass keep, (K, d).

    """
    lengths = np.linalg.norm(sums, axis=1)
    alive = lengths > 1e-6 / n  # less than a millionth of a document is rounding
    directions = np.where(alive[:, None], sums / np.where(alive, lengths, 1.0)[:, None], previous)
    along, mass = n * np.where(alive, lengths, 0.0), n * masses
    if shared:
        along, mass = np.full_like(along, along.mean()), np.full_like(mass, mass.mean())
    total = mass + prior.strength
    resultant = np.divide(
        along + prior.strength * prior.resultant, total, out=np.full_like(total, prior.resultant), where=total > 0
    )
    return Components(directions, concentration(sums.shape[1], resultant), log_alpha)


@dataclass(slots=True)
class Fit:
    """A fitted mixture and how it got there.

    Attributes:
        components: the parameters.
        assignment: the last E-step.
        objective: F after every E-step and every M-step.
        n_iter: EM iterations.
        converged: whether F's relative change fell below the tolerance.
        evaluations: passes over the scores.
        reseeded: (iteration, component) of every component that was empty and started anew; F may fall there.

    """

    components: Components
    assignment: Assignment
    objective: list[float] = field(default_factory=list)
    n_iter: int = 0
    converged: bool = False
    evaluations: int = 0
    reseeded: list[tuple[int, int]] = field(default_factory=list)


_RESEED_ITERATIONS: Final = 5


def start_from(
    rows: Rows, seeds: Floats, log_alpha: Floats, strength: float, prior: Prior | None, shared: bool
) -> tuple[Components, Prior]:
    """Assign every row to its nearest seed and take one M-step; R0 is the pooled mean resultant length found there.

    Args:
        rows: the data.
        seeds: starting mean directions, (K, d).
        log_alpha: log prior weights, (K,).
        strength: n0.
        prior: reuse this prior instead of measuring R0.
        shared: one concentration for all components.

    """
    near = rows.nearest(seeds)
    prior = prior or Prior(strength, float(np.linalg.norm(near.sums, axis=1).sum()))
    # At least one pseudo-document here, or a seed that attracted only its duplicates would start with infinite kappa.
    gentle = replace(prior, strength=max(strength, 1.0))
    return m_step(near.sums, near.masses, rows.count, log_alpha, gentle, shared, seeds), prior


def run_em(
    rows: Rows,
    components: Components,
    e_step: EStep,
    prior: Prior,
    *,
    shared: bool,
    max_iter: int,
    tol: float,
    relaxation: float = 0.0,
    reseed: Callable[[int], Floats] | None = None,
    keep: Callable[[Components], None] | None = None,
) -> Fit:
    """Alternate E- and M-steps until F's relative change is at most `tol`; end on an E-step.

    Args:
        rows: the data.
        components: where to start.
        e_step: how rows are assigned.
        prior: prior on the concentrations.
        shared: one concentration for all components.
        max_iter: iterations at most.
        tol: relative change of F, from one E-step to the next, at which to stop.
        reseed: returns that many new mean directions, (m, d), for components left with less than one document;
            by default they stay.
        keep: called with the components from which every further iteration starts.
        relaxation: how far beyond the M-step's mean directions to go, as a share of their step (over-relaxed EM,
            Salakhutdinov and Roweis 2003). An E-step that does not bring F back above the M-step's value undoes it:
            F climbs as if there were none.

    """
    fit = Fit(components, Assignment(components.log_alpha, components.log_alpha, -np.inf, np.inf, 0))
    shared_resultant = concentration(rows.d, prior.resultant)
    floor, before = -np.inf, -np.inf
    plain: Components | None = None  # what to fall back to
    while True:
        # Scores without the constant that all components share: float32 has no digits to spare for it.
        offset = float(np.mean(components.bias() + components.concentrations * prior.resultant))
        constant = offset + components.prior_term(prior, rows.count)
        directions, bias = components.scaled(), components.bias() - offset
        expectation = e_step.run(rows, directions, bias, floor - constant)
        fit.evaluations += expectation.assignment.evaluations
        value = expectation.assignment.objective + constant
        if plain is not None and value < floor:
            components, plain = plain, None
            continue
        fit.converged = abs(value - before) <= tol * abs(value)
        last = fit.converged or fit.n_iter == max_iter
        if last:
            expectation = e_step.finish(rows, directions, bias, expectation)
            fit.evaluations += expectation.assignment.evaluations
            value = expectation.assignment.objective + constant
        assignment, sums = expectation.assignment, expectation.sums
        fit.objective.append(value)
        fit.components, fit.assignment = components, assignment
        logger.info("iteration %d: F = %.6f, gap %.1e", fit.n_iter, value, assignment.gap)
        if last:
            return fit
        fit.n_iter += 1
        masses, before, old = assignment.masses, value, components
        log_alpha = e_step.log_alpha(masses)
        components = m_step(sums, masses, rows.count, log_alpha, prior, shared, old.directions)
        plain = components if relaxation else None
        change = components.linear_term(masses, sums) - old.linear_term(masses, sums)
        change += components.prior_term(prior, rows.count) - old.prior_term(prior, rows.count)
        floor = value + change
        fit.objective.append(floor)
        empty = np.flatnonzero(rows.count * masses < 1.0)
        if reseed and len(empty) and fit.n_iter <= _RESEED_ITERATIONS:
            components.directions[empty] = reseed(len(empty))
            components.concentrations[empty] = shared_resultant
            components.log_alpha[empty] = -np.log(len(masses))
            fit.reseeded += [(fit.n_iter, int(k)) for k in empty]
            floor = -np.inf
        elif relaxation:
            components = components.beyond(old, relaxation)
        if keep:
            keep(components)
