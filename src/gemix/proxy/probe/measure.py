"""One partition with one seed: proxy models over its mixtures, and what surrogates make of their losses."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_limits

from gemix.mix.box import make_box
from gemix.mix.design import design
from gemix.mix.strategies.regmix import simulate
from gemix.mix.surrogates import surrogate
from gemix.mix.surrogates.validate import spearman
from gemix.proxy.dataset import ProxyData
from gemix.proxy.interface import Proxy
from gemix.proxy.probe.settings import ProbeSettings
from gemix.runtime.errors import GemixError

Floats = NDArray[np.float64]

_TEST: Final = 0.2  # of the mixtures, as in the paper


class Trained(BaseModel):
    """Models of one partition with one seed; losses in bits per byte of the validation text.

    Attributes:
        partition, seed: which.
        domains, tokens: K names, and the training tokens of each.
        valid: V names of validation sets.
        budget: tokens of every model.
        mixtures: (n, K).
        losses: (n, V).
        natural: (repeats, V), of the natural mixture.

    """

    model_config = ConfigDict(extra="forbid")
    partition: str
    seed: int
    domains: list[str]
    tokens: list[int]
    valid: list[str]
    budget: int
    mixtures: list[list[float]]
    losses: list[list[float]]
    natural: list[list[float]]

    @property
    def shares(self) -> Floats:
        """Natural shares of the domains, (K,)."""
        tokens = np.array(self.tokens, float)
        return np.asarray(tokens / tokens.sum())


class Predicted(BaseModel):
    """What surrogates make of one target.

    Attributes:
        spearman: by surrogate, rank correlation of predicted and true target on the mixtures left out of each split.
        chosen: the mixture that the first surrogate, fitted to all runs, predicts to be best: (K,).
        chosen_losses: (V,), of a model trained on it.

    """

    model_config = ConfigDict(extra="forbid")
    spearman: dict[str, list[float]]
    chosen: list[float]
    chosen_losses: list[float]


class Measurement(Trained, Predicted):
    """Both."""


def target_values(losses: ArrayLike, valid: list[str], target: str) -> Floats:
    """Return the target of each row of losses (n, V), (n,): the mean over the sets, or one of them.

    Raises:
        GemixError: no set has that name.

    """
    table = np.asarray(losses, float)
    if target == "mean":
        return np.asarray(table.mean(axis=1))
    if target not in valid:
        raise GemixError(f"no validation set is called {target!r}; there are {', '.join(valid)} (and mean)")
    return table[:, valid.index(target)]


def bits_per_byte(data: ProxyData) -> Floats:
    """Return what turns nats per token into bits per byte, (V,)."""
    return np.array([part.tokens / (part.bytes * np.log(2)) for part in data.valid])


def train(
    name: str,
    data: ProxyData,
    proxy: Proxy,
    budget: int,
    settings: ProbeSettings,
    seed: int,
    done: Callable[[int], None] = lambda models: None,
) -> Trained:
    """Train the models of one partition.

    Args:
        name: of the partition.
        data: its tokens.
        proxy: on these.
        budget: tokens of every model.
        settings: `mixtures` and `repeats`; the others change nothing here.
        seed: of the design.
        done: told how many models are trained, again and again.

    Raises:
        GemixError: whatever the proxy refuses.

    """
    tokens = [part.tokens for part in data.domains]
    shares = np.array(tokens, float) / sum(tokens)
    mixtures = design("dirichlet", make_box(data.names), shares, settings.mixtures, seed)
    repeated = np.tile(shares, (settings.repeats, 1))
    return Trained(
        partition=name,
        seed=seed,
        domains=data.names,
        tokens=tokens,
        valid=data.valid_names,
        budget=budget,
        mixtures=mixtures.tolist(),
        losses=_losses(data, proxy, mixtures, budget, None, done).tolist(),
        natural=_losses(data, proxy, repeated, budget, list(range(settings.repeats)), done).tolist(),
    )


def predict(
    trained: Trained,
    data: ProxyData,
    make_proxy: Callable[[], Proxy],
    settings: ProbeSettings,
    done: Callable[[int], None] = lambda fits: None,
) -> Predicted:
    """Let the surrogates predict, and train a model on what the first one chooses.

    Args:
        trained: models of a partition.
        data: its tokens.
        make_proxy: on these.
        settings: `target`, `surrogates` and `splits`; the others change nothing here.
        done: told how many surrogates are fitted, again and again.

    Raises:
        GemixError: an unknown target, or whatever the proxy refuses.

    """
    mixtures = np.array(trained.mixtures)
    y = target_values(trained.losses, trained.valid, settings.target)
    box = make_box(trained.domains)
    spearmans: dict[str, list[float]] = {}
    # Matrices of a few hundred rows: a second thread costs more than it gives.
    with threadpool_limits(1, user_api="blas"):
        for kind in settings.surrogates:
            spearmans[kind] = predictability(kind, mixtures, y, settings.splits, trained.seed)
            done(settings.splits)
        model = surrogate(settings.surrogates[0]).mean_only().fit(mixtures, y)
        chosen = simulate(lambda w: model.predict(w)[0], box, trained.shares, seed=trained.seed).weights
        done(1)
    return Predicted(
        spearman=spearmans,
        chosen=chosen.tolist(),
        chosen_losses=_losses(data, make_proxy(), chosen[None], trained.budget)[0].tolist(),
    )


def _losses(
    data: ProxyData,
    proxy: Proxy,
    mixtures: Floats,
    budget: int,
    seeds: list[int] | None = None,
    done: Callable[[int], None] = lambda models: None,
) -> Floats:
    """Return the losses of models of mixtures in bits per byte, (n, V)."""
    unit = bits_per_byte(data)
    losses = np.full((len(mixtures), len(unit)), np.nan)
    for row, found in proxy.train_many(mixtures, budget, seeds):
        losses[row] = found * unit
        done(1)
    return losses


def predictability(kind: str, mixtures: Floats, y: Floats, splits: int, seed: int) -> list[float]:
    """Return Spearman's rank correlation of predicted and true results on left-out mixtures, one a split.

    Args:
        kind: of surrogate; all that it chooses it chooses from the runs that it is fitted to.
        mixtures: (n, K).
        y: (n,) results.
        splits: random divisions into 80 % to fit and 20 % to predict.
        seed: of these; the same divisions for every partition with as many mixtures.

    """
    random = np.random.default_rng(seed)
    left_out = max(2, round(_TEST * len(y)))
    out = []
    for _ in range(splits):
        order = random.permutation(len(y))
        test, train = order[:left_out], order[left_out:]
        model = surrogate(kind).mean_only().fit(mixtures[train], y[train])  # type: ignore[arg-type]
        out.append(float(spearman(model.predict(mixtures[test])[0], y[test])))
    return out
