"""Which mixtures to train next, given the runs so far."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from gemix.mix.box import Box
from gemix.mix.simplex import sample_prior, sample_uniform
from gemix.mix.surrogates.base import Floats, check_mixtures
from gemix.mix.surrogates.gp import GaussianProcess

SAMPLES = 4096  # drawn from a sampler
SPOTS = 512  # candidates at which doubt is counted

Sampler = Callable[[int, int], ArrayLike]


def around(prior: ArrayLike, box: Box, strength: tuple[float, float] = (0.1, 5.0)) -> Sampler:
    """Return a sampler of candidates: half around the prior, where designs lie, half anywhere in the box.

    Args:
        prior: natural shares, (K,).
        box: where mixtures lie.
        strength: see `sample_prior`.

    """

    def sample(count: int, seed: int) -> Floats:
        random = np.random.default_rng(seed)
        near = sample_prior(prior, box, count // 2, random, strength)
        return np.concatenate([near, sample_uniform(box, count - count // 2, random)])

    return sample


@dataclass(frozen=True)
class Suggestion:
    """The next batch of mixtures.

    Attributes:
        mixtures: (batch, K), in the order of choice.
        rows: which candidates these are, (batch,).
        mean: predicted result of each, (batch,), in the unit of y.
        improvement: expected improvement of each over the best mixture so far, given those before it, (batch,), same
            unit.

    """

    mixtures: Floats
    rows: NDArray[np.intp]
    mean: Floats
    improvement: Floats


# Long by what its docstring says of the arguments.
def suggest(
    W_runs: ArrayLike, y_runs: ArrayLike, batch: int, candidates: ArrayLike | Sampler, seed: int = 0
) -> Suggestion:
    """Choose the mixtures to run next; lower results are better.

    Two aims take turns under the Gaussian process. Odd choices have the largest expected improvement (Jones et al.
    1998); run noise is not improvement, so the curve is compared with its own mean at the best run (Picheny et al.
    2013). Even choices remove the most variance from the whole set of candidates (Cohn 1996), which keeps the surrogate
    good elsewhere: with the first aim alone it ranks mixtures far from the optimum ever worse than with random runs.
    A batch is built one by one; each choice counts as run with the result that was predicted for it (kriging believer,
    Ginsbourger et al. 2010), so that the next one lies elsewhere.

    Args:
        W_runs: mixtures run so far, (n, K).
        y_runs: their results, (n,).
        batch: how many to choose.
        candidates: mixtures to choose from, (m, K), or a sampler f(count, seed) -> (count, K) that is asked for 4,096.
            Only these are ever suggested: what respects the caps here respects them in the suggestion. No candidate
            is chosen twice.
        seed: for the sampler.

    Raises:
        ValueError: as `Surrogate.fit`; candidates over other domains, or fewer of them than the batch.

    """
    pool = check_mixtures(candidates(SAMPLES, seed) if callable(candidates) else candidates)
    if not 1 <= batch <= len(pool):
        raise ValueError(f"a batch of {batch} cannot be chosen from {len(pool)} candidates")
    model = GaussianProcess().fit(W_runs, y_runs)
    if pool.shape[1] != model.n_domains_:
        raise ValueError(f"the runs are over {model.n_domains_} domains, the candidates over {pool.shape[1]}")
    if model.scale_ == 0:  # nothing was learned: any order is as good, the first ones are one
        rows = np.arange(batch)
        return Suggestion(pool[rows], rows, np.full(batch, model.mean_), np.zeros(batch))
    mean, variance, half = model.curve(pool)
    best = model.curve(check_mixtures(W_runs))[0].min()
    noise = model.parameters_.noise
    # Where doubt is counted: candidates, evenly spaced in a table whose order may mean something.
    spots = np.unique(np.linspace(0, len(pool) - 1, min(SPOTS, len(pool))).astype(np.intp))
    shared = model.prior_covariance(pool, pool[spots]) - half.T @ half[:, spots]
    left = np.ones(len(pool), dtype=bool)
    rows_: list[int] = []
    gains: list[float] = []
    for turn in range(batch):
        gain = expected_improvement(mean, np.sqrt(variance), best)
        relief = (shared * shared).sum(axis=1) / (variance + noise)
        wanted = gain if turn % 2 == 0 and gain[left].max() > 0 else relief
        row = int(np.where(left, wanted, -1.0).argmax())
        rows_.append(row)
        gains.append(float(gain[row]))
        left[row] = False
        best = min(best, mean[row])
        # One more run there, with the predicted result: the mean stays, the covariance loses one rank.
        step = (model.prior_covariance(pool, pool[row : row + 1])[:, 0] - half.T @ half[:, row]) / np.sqrt(
            variance[row] + noise
        )
        half = np.vstack([half, step])
        variance = np.maximum(variance - step**2, 0.0)
        shared -= np.outer(step, step[spots])
    rows = np.array(rows_)
    return Suggestion(pool[rows], rows, model.mean_ + model.scale_ * mean[rows], model.scale_ * np.array(gains))


def expected_improvement(mean: Floats, std: Floats, best: float) -> Floats:
    """E[max(best - f, 0)] for f ~ N(mean, std^2): (best - mean) Phi(u) + std phi(u), u = (best - mean) / std."""
    ahead = best - mean
    u = np.divide(ahead, std, out=np.zeros_like(mean), where=std > 0)
    spread: Floats = np.where(std > 0, ahead * norm.cdf(u) + std * norm.pdf(u), np.maximum(ahead, 0.0))
    return spread
