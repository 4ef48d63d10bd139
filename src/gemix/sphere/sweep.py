"""How many domains, and how even? One fit is no answer: fit all of them on a sample, measure, recommend."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from gemix.sphere import metrics
from gemix.sphere.gem import GEM
from gemix.sphere.sweep_result import Balance, Setting, Sweep, recommend

Index = NDArray[np.intp]


# Long by what its docstring says of the arguments.
def sweep(
    X: ArrayLike,
    clusters: Sequence[int],
    balances: Sequence[Balance],
    *,
    sample_weight: ArrayLike | None = None,
    sample: int = 50_000,
    held_out: float = 0.1,
    repeats: int = 3,
    largest: float = 1.5,
    random_state: int | np.random.RandomState | None = 0,
    done: Callable[[Setting], None] | None = None,
    **parameters: Any,
) -> Sweep:
    """Fit GEM with every K and balance to a sample, and measure what would decide between them.

    The sample, the held-out part of it, the halves and the seeds are drawn once and shared by all settings: what
    differs between two rows is due to K and balance, and a row does not depend on which others were asked for. For the
    same reason no fit starts from the fit for another balance: see docs/choosing.md.

    Cost: `repeats` fits to all documents of the sample and as many pairs of fits to halves of it, for every setting;
    each iteration of a fit is O(sample K d). Memory: the sample and one half of it, in the type of X, beside the
    silhouette's 5,000 x 5,000 distances.

    Args:
        X: (n, d) embeddings as `GEM.fit` takes them; of a memory map only the sample is read.
        clusters: every K to try.
        balances: every balance to try: lambda or "auto".
        sample_weight: (n,) >= 0, for example token counts: what fits weigh and masses count. Likelihood, stability and
            silhouette are per document. Documents of weight zero are left out.
        sample: documents at most, drawn uniformly, including the held-out ones.
        held_out: share of the sample that no fit sees, in (0, 1).
        repeats: fits to all documents, with a seed each, and pairs of fits to halves; at least 2.
        largest: how large a domain may be in the recommended setting, in multiples of uniform.
        random_state: seed of everything.
        done: called with every setting that is measured.
        **parameters: others of GEM, such as `n_init` or `concentration`.

    Raises:
        ValueError: nothing to try, bad parameters, rows without direction (the first is named), or fewer documents in
            a half than domains.

    """
    grid = list(product(dict.fromkeys(clusters), dict.fromkeys(balances)))
    if not grid:
        raise ValueError("clusters and balances must each name at least one value")
    for name, value, good in (
        ("held_out", held_out, 0 < held_out < 1), ("repeats", repeats, repeats >= 2),
        ("largest", largest, largest >= 1), ("sample", sample, sample >= 1),
    ):  # fmt: skip
        if not good:
            raise ValueError(f"{name} is out of range: {value!r}")
    for k, balance in grid:
        if not (isinstance(k, int | np.integer) and k >= 1):
            raise ValueError(f"clusters must be positive integers, not {k!r}")
        GEM(int(k), balance=balance, **parameters)._check_parameters()
    most = int(max(k for k, _ in grid))
    data = _draw(X, sample_weight, sample, held_out, repeats, most, check_random_state(random_state))
    settings = []
    for k, balance in grid:
        settings.append(_measure(data, int(k), balance if balance == "auto" else float(balance), parameters))
        if done:
            done(settings[-1])
    recommendation = recommend(settings, largest)
    return Sweep(tuple(settings), recommendation, len(data.train), len(data.held_out), repeats)


@dataclass(frozen=True, slots=True)
class _Data:
    """What all settings share: rows and their weights, rows held out, and for every repeat two halves and seeds."""

    train: NDArray[Any]
    weights: NDArray[np.float64] | None
    held_out: NDArray[Any]
    halves: list[tuple[Index, Index]]
    seeds: NDArray[np.int64]  # (repeats, 3): of the fit to all rows, and of the two to halves

    def fit(self, seed: int, k: int, balance: Balance, parameters: dict[str, Any], rows: Index | None = None) -> GEM:
        """Fit to all rows, or to those at `rows`."""
        X, weights = self.train, self.weights
        if rows is not None:
            X, weights = X[rows], weights if weights is None else weights[rows]
        return GEM(k, balance=balance, random_state=int(seed), **parameters).fit(X, sample_weight=weights)


def _draw(
    X: ArrayLike,
    sample_weight: ArrayLike | None,
    sample: int,
    held_out: float,
    repeats: int,
    most: int,
    random: np.random.RandomState,
) -> _Data:
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ValueError(f"X must have rows and columns of numbers, not {array.dtype} of the shape {array.shape}")
    weights = None
    usable = np.arange(len(array))
    if sample_weight is not None:
        weights = _check_sample_weight(sample_weight, array, dtype=np.float64, ensure_non_negative=True)
        usable = np.flatnonzero(weights)
    size = min(sample, len(usable))
    kept_back = max(1, round(held_out * size))
    if (size - kept_back) // 2 < most:
        raise ValueError(
            f"K = {most} needs at least {most} documents in each half of the sample, which has {size} documents of "
            f"which {kept_back} are held out"
        )
    drawn = random.permutation(usable)[:size]
    train, held = np.sort(drawn[kept_back:]), np.sort(drawn[:kept_back])
    halves = []
    for _ in range(repeats):
        order = random.permutation(len(train))
        halves.append((np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])))
    return _Data(
        _checked(array, train),
        None if weights is None else weights[train],
        _checked(array, held),
        halves,
        random.randint(2**31 - 1, size=(repeats, 3)),
    )


def _checked(X: NDArray[Any], index: Index) -> NDArray[Any]:
    """Return the rows at `index`; a fit would name a bad one by its place in the sample."""
    rows = np.asarray(X[index])
    good = np.isfinite(rows).all(axis=1) & rows.any(axis=1)
    if not good.all():
        raise ValueError(
            f"X contains rows of zeros, NaN or infinity, which have no direction; the first in the sample is row "
            f"{index[np.argmin(good)]}"
        )
    return rows


def _measure(data: _Data, k: int, balance: Balance, parameters: dict[str, Any]) -> Setting:
    models, seconds = [], 0.0
    for seed, _, _ in data.seeds:
        start = time.perf_counter()
        models.append(data.fit(seed, k, balance, parameters))
        seconds += time.perf_counter() - start
    labels = [model.predict(data.held_out) for model in models]
    halves = [
        [
            data.fit(seed, k, balance, parameters, rows).predict(data.held_out)
            for seed, rows in zip(seeds[1:], pair, strict=True)
        ]
        for seeds, pair in zip(data.seeds, data.halves, strict=True)
    ]
    stability = np.array([adjusted_rand_score(*pair) for pair in halves])
    over_seeds = [adjusted_rand_score(*pair) for pair in combinations(labels, 2)]
    masses = [metrics.masses(model.labels_, k, data.weights) for model in models]
    return Setting(
        n_clusters=k,
        balance=balance,
        balance_used=float(np.mean([model.balance_ for model in models])),
        smallest_to_uniform=min(map(metrics.smallest_to_uniform, masses)),
        largest_to_uniform=max(map(metrics.largest_to_uniform, masses)),
        effective_domains=float(np.mean([metrics.effective_domains(mass) for mass in masses])),
        log_likelihood=float(np.mean([model.score(data.held_out) for model in models])),
        stability=float(stability.mean()),
        stability_error=float(stability.std(ddof=1) / np.sqrt(len(stability))),
        stability_seeds=float(np.mean(over_seeds)),
        silhouette=float(np.mean([metrics.cosine_silhouette(data.held_out, found) for found in labels])),
        seconds=seconds / len(models),
    )
