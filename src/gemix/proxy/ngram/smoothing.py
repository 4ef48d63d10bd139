"""How far an n-gram model trusts a context, fitted once on held-out training text.

    P(v | h) = lambda(h) n(h, v) / n(h) + (1 - lambda(h)) P(v | h without its first token),    P(v | nothing) = 1 / V
    lambda(h) = e(h)^gamma / (e(h)^gamma + m)

e(h) is the evidence: n(h), less where text is repeated (`gemix.proxy.ngram.model`). gamma = 1 is the predictive
distribution of a hierarchical Dirichlet prior of strength m (MacKay and Peto 1995). The number of different tokens
behind a context grows like n^(1 - gamma) (Heaps's law), and the weight of Witten and Bell (1991), n / (n + different
tokens), then is lambda with a gamma below 1. m and gamma depend on the length of the context alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_BOUNDS = {"log strength": (-12.0, 16.0), "growth": (0.05, 1.0)}
# Mean and standard deviation before any text is seen: what web text gives, so wide that some hundred tokens decide.
_PRIOR = {"log strength": (1.6, 2.0), "growth": (0.35, 0.3)}


@dataclass(frozen=True)
class Smoothing:
    """m and gamma by the length of the context, 0 to order - 1.

    Attributes:
        strength: (order,) m.
        growth: (order,) gamma.

    """

    strength: Floats
    growth: Floats


def fit_smoothing(events: Floats, contexts: Floats, vocabulary: int) -> Smoothing:
    """Return the smoothing under which held-out tokens are most likely, given a weak prior.

    Args:
        events: (order, n) how often the n-gram that ends at token i, of length 1, 2, ..., occurs elsewhere.
        contexts: (order, n) how often its context, of length 0, 1, ..., occurs there.
        vocabulary: number of token ids.

    """
    from scipy.optimize import minimize

    order, n = events.shape
    seen = contexts > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(seen, events / contexts, 0.0)
        logs = np.where(seen, np.log(contexts), 0.0)

    mean, deviation = (np.repeat([_PRIOR["log strength"][i], _PRIOR["growth"][i]], order) for i in range(2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        log_strength, growth = parameters[:order, None], parameters[order:, None]
        trust = np.where(seen, 1 / (1 + np.exp(log_strength - growth * logs)), 0.0)
        lower = np.full(n, 1 / vocabulary)
        steps = np.empty((order, n))
        for length in range(order):
            steps[length] = ratios[length] - lower
            lower = lower + trust[length] * steps[length]
        # Backwards: d P / d trust_l = steps_l x the part of the orders above that is left to order l.
        slopes = steps
        left = 1 / lower
        for length in range(order - 1, -1, -1):
            slopes[length] *= left * trust[length] * (1 - trust[length])
            left = left * (1 - trust[length])
        gradient = np.concatenate([slopes.mean(axis=1), -(slopes * logs).mean(axis=1)])
        far = (parameters - mean) / deviation
        return float(far @ far / (2 * n) - np.log(lower).mean()), gradient + far / deviation / n

    bounds = [_BOUNDS["log strength"]] * order + [_BOUNDS["growth"]] * order
    best = minimize(loss, mean, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Smoothing(np.exp(best[:order]), best[order:])
