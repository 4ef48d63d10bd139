"""One domain's weight before the sum is imposed: the density w^(a-1) exp(-theta w) on an interval.

In t = log w it is exp(phi), phi(t) = a t - theta e^t: concave for theta >= 0, convex for theta < 0. So on any cell of a
grid one straight line bounds phi from above, the tangent at its middle in the first case and the chord in the second,
and sampling is a choice of a cell, a truncated exponential inside it, and a rejection that is rarely needed
(adaptive rejection sampling with fixed knots; Gilks and Wild 1992). It holds for every a > 0, however small (no
singularity in t: the leftmost cell reaches to -inf), for either sign of theta and for every interval.

Cells are equal in x = sqrt(|theta| w), the scale on which the density has one width whatever a and theta (the
variance-stabilising scale of the gamma distribution): the bound is then at most x-width^2 / 2 above phi.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CELLS: Final = 32  # beside the two that reach to the ends
_WIDTH: Final = 0.35  # of a cell in x: at least exp(-0.35^2 / 2) = 94 % of the proposals are accepted
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(16)
_TERMS: Final = np.arange(20)
_FACTORIALS: Final = np.cumprod(np.maximum(_TERMS, 1)).astype(float)


class TiltedPowers:
    """K independent densities f_k(w) = w^(a_k - 1) exp(-theta w) on [low_k, high_k].

    Values are kept relative to top_k^a_k exp(-theta top_k), top_k the mode of f_k in t, so that nothing overflows.

    Args:
        a: (K,) float64 > 0.
        theta: the common tilt, of either sign.
        low, high: (K,) float64, 0 <= low < high.

    """

    def __init__(self, a: Floats, theta: float, low: Floats, high: Floats) -> None:
        self.a, self.theta, self.low, self.high = a, theta, low, high
        self._top = np.clip(a / theta, low, high) if theta > 0 else high
        edges = self._edges()
        with np.errstate(divide="ignore"):
            self._t = np.log(edges)
        self._slope, self._level = self._bounds(edges)
        self._log_mass = np.log(self._integrals(edges).sum(axis=1))
        with np.errstate(invalid="ignore"):
            envelope = self._level + _log_exponential_mass(self._slope, np.diff(self._t, axis=1))
        envelope = np.where(self._t[:, 1:] > self._t[:, :-1], envelope, -np.inf)
        cumulative = np.cumsum(np.exp(envelope - envelope.max(axis=1, keepdims=True)), axis=1)
        self._cumulative = cumulative / cumulative[:, -1:]

    def log_mass(self) -> Floats:
        """Return log of the integral of f_k, (K,)."""
        return np.asarray(self._log_mass + self.a * np.log(self._top) - self.theta * self._top)

    def log_density(self, w: Floats, k: NDArray[np.intp] | int) -> Floats:
        """Return log of f_k(w) over its integral; infinite at w = 0 where a_k < 1."""
        with np.errstate(divide="ignore", invalid="ignore"):
            log_w = np.log(w)
            power = np.where(self.a[k] == 1, 0.0, (self.a[k] - 1) * log_w)
        scale = self.a[k] * np.log(self._top[k]) + self._log_mass[k]
        return np.asarray(power - self.theta * (w - self._top[k]) - scale)

    def log_peak(self) -> Floats:
        """Return log max_w (w - low_k) p_k(w), (K,), p_k the density f_k over its integral.

        The derivative of log((w - l) f) vanishes where theta v^2 - (a - theta l) v - l = 0, v = w - l: one positive
        root for theta > 0, none otherwise (the maximum is at the upper end).
        """
        width = self.high - self.low
        if self.theta > 0:
            b = self.a - self.theta * self.low
            root = np.sqrt(b * b + 4 * self.theta * self.low)
            with np.errstate(divide="ignore", invalid="ignore"):
                v = np.where(b > 0, (b + root) / (2 * self.theta), 2 * self.low / (root - b))
            width = np.minimum(width, v)
        every = np.arange(len(self.a))
        return np.asarray(np.log(width) + self.log_density(self.low + width, every))

    def sample(self, n: int, random: np.random.Generator) -> Floats:
        """Return (n, K) independent draws."""
        out = np.empty((n, len(self.a)))
        for k in range(len(self.a)):
            missing = np.arange(n)
            while len(missing):
                t, log_accept = self._propose(k, len(missing), random)
                accepted = np.log(random.random(len(missing))) < log_accept
                out[missing[accepted], k] = np.exp(t[accepted])
                missing = missing[~accepted]
        return np.clip(out, self.low, self.high)

    def _propose(self, k: int, n: int, random: np.random.Generator) -> tuple[Floats, Floats]:
        cell = np.searchsorted(self._cumulative[k], random.random(n), side="right")
        left, right, slope = self._t[k, cell], self._t[k, cell + 1], self._slope[k, cell]
        # Inverse distribution function of exp(slope t) on (left, right), from the heavier end.
        p = 1.0 - random.random(n)
        span = slope * (right - left)
        with np.errstate(divide="ignore", invalid="ignore"):  # of the branches not taken
            falling = left + np.log1p(p * np.expm1(np.minimum(span, 0.0))) / slope
            rising = right + np.log1p(-p * -np.expm1(-np.maximum(span, 0.0))) / slope
            t = np.where(slope > 0, rising, np.where(slope < 0, falling, left + p * (right - left)))
        bound = self._level[k, cell] + np.where(slope >= 0, slope * (t - right), slope * (t - left))
        return t, np.minimum(self._phi(np.exp(t), t, k) - bound, 0.0)

    def _phi(self, w: Floats, t: Floats, k: Any) -> Floats:
        top = self._top[k]
        return np.asarray(self.a[k] * (t - np.log(top)) - self.theta * (w - top))

    def _edges(self) -> Floats:
        """Return the cells' edges in w, (K, _CELLS + 3): fine where the mass is, one cell to either end."""
        size = abs(self.theta)
        if size == 0:
            return np.stack([self.low, self.high], axis=1)
        x_low, x_high = np.sqrt(size * self.low), np.sqrt(size * self.high)
        x_top, steep = np.sqrt(size * self._top), np.abs(self.a - self.theta * self._top)
        width = np.minimum(_WIDTH, x_top / np.maximum(steep, 1e-300))
        start = np.clip(x_top - _CELLS / 2 * width, x_low, np.maximum(x_low, x_high - _CELLS * width))
        stop = np.minimum(start + _CELLS * width, x_high)
        x = start[:, None] + (stop - start)[:, None] * np.linspace(0, 1, _CELLS + 1)
        inner = np.clip(x * x / size, self.low[:, None], self.high[:, None])
        return np.concatenate([self.low[:, None], inner, self.high[:, None]], axis=1)

    def _bounds(self, edges: Floats) -> tuple[Floats, Floats]:
        """Return every cell's line: its slope, and its value at the end where it is higher."""
        column = (slice(None), None)
        a = self.a[column]
        left, right = self._t[:, :-1], self._t[:, 1:]
        with np.errstate(divide="ignore", invalid="ignore"):  # of empty cells
            at_right = self._phi(edges[:, 1:], right, column)
            if self.theta <= 0:
                chord = a - self.theta * (edges[:, 1:] - edges[:, :-1]) / (right - left)
                slope, value = np.where(right - left > 0, chord, a), at_right
            else:
                point = (left + right) / 2
                point[:, 0], point[:, -1] = right[:, 0], left[:, -1]  # the wide cells: at their end towards the mode
                slope = a - self.theta * np.exp(point)
                value = self._phi(np.exp(point), point, column) + slope * (right - point)
                # Near 0 the line of slope a that phi approaches in -inf is within theta w of it.
                tail = np.isinf(left) & (self.theta * edges[:, 1:] < 0.2)
                slope = np.where(tail, a, slope)
                value = np.where(tail, at_right + self.theta * edges[:, 1:], value)
            return slope, np.where(slope >= 0, value, value - slope * (right - left))

    def _integrals(self, edges: Floats) -> Floats:
        """Return the mass of every cell: a power series near 0, Gauss-Legendre in t elsewhere."""
        left, right = edges[:, :-1], edges[:, 1:]
        n = _TERMS
        near = np.abs(self.theta) * right <= 1
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            order = self.a[:, None, None] + n
            ratio = np.log(left / right)[..., None]
            terms = (-self.theta * right[..., None]) ** n / _FACTORIALS / order * -np.expm1(order * ratio)
            scale = self.a * np.log(self._top) - self.theta * self._top
            series = np.exp(self.a[:, None] * self._t[:, 1:] - scale[:, None]) * terms.sum(axis=-1)
            t_left, t_right = self._t[:, :-1], self._t[:, 1:]
            half = (t_right - t_left) / 2
            t = (t_left + half)[..., None] + half[..., None] * _NODES
            values = np.exp(self._phi(np.exp(t), t, (slice(None), None, None)))
            smooth = half * (values @ _NODE_WEIGHTS)
        return np.where(right > left, np.where(near, series, np.where(np.isfinite(smooth), smooth, 0.0)), 0.0)


def _log_exponential_mass(slope: Floats, span: Floats) -> Floats:
    """Return log of the integral of exp(-|slope| s) over s in (0, span), -inf for empty cells."""
    steep = np.abs(slope)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mass = np.where(steep * span > 1e-12, -np.expm1(-steep * span) / steep, span)
        return np.asarray(np.log(np.where(span > 0, mass, 0.0)))
