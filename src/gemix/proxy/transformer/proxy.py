"""The transformer proxy: small language models trained from scratch."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gemix.proxy.dataset import ProxyData
from gemix.proxy.interface import Floats
from gemix.proxy.transformer.batches import Batches
from gemix.proxy.transformer.checkpoint import Model
from gemix.proxy.transformer.config import Config, Training, preset
from gemix.proxy.transformer.model import initial
from gemix.proxy.transformer.train import Advance, train
from gemix.runtime.errors import GemixError


class TransformerProxy:
    """LLaMA-style models of mixtures of K domains, judged by V validation sets; a `gemix.proxy.interface.Proxy`.

    Attributes:
        config: sizes of the model.
        training: how it is trained.
        device: of torch.

    """

    def __init__(
        self,
        data: ProxyData,
        preset: str | Config = "1m",
        batch: int | None = None,
        context: int | None = None,
        device: str | None = None,
        rate: float | None = None,
    ) -> None:
        """Choose sizes and training; nothing is computed yet.

        Args:
            data: tokens of domains and validation sets.
            preset: a name in `gemix.proxy.transformer.config.PRESETS`, or sizes.
            batch: sequences of a step; None: the budget decides, see `Training`.
            context: tokens of a sequence; None: the preset's.
            device: of torch; None: a GPU where there is one.
            rate: largest learning rate; None: the preset's.

        Raises:
            GemixError: a bad option, an empty validation set, or no validation set at all.

        """
        self.config, self.training = chosen(preset, batch, context, rate)
        self.device = chosen_device(device)
        empty = [part.name for part, tokens in zip(data.valid, data.held_out, strict=True) if not len(tokens)]
        if empty or not data.valid:
            raise GemixError(f"no validation text: {', '.join(map(repr, empty)) or 'there is no validation set'}")
        self._data = data

    @property
    def domains(self) -> Sequence[str]:
        """Names of the K domains."""
        return self._data.names

    @property
    def valid(self) -> Sequence[str]:
        """Names of the V validation sets."""
        return self._data.valid_names

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the losses besides mixture, budget and seed."""
        return {
            "kind": "transformer",
            "model": self.config.json(),
            "training": self.training.json(),
            "precision": "float32" if self.device == "cpu" else "bfloat16",
            "vocabulary": self._data.vocabulary,
            "data": self._data.fingerprint,
        }

    def train(self, mixture: Floats, budget: int, seed: int = 0, advance: Advance | None = None) -> Floats:
        """Return the losses of a model trained on a mixture, (V,), see `gemix.proxy.interface.Proxy`.

        `advance` is called with the tokens of every step.
        """
        return self.losses(self.fit(mixture, budget, seed, advance))

    def train_many(
        self, mixtures: Floats, budget: int, seeds: Sequence[int] | None = None, advance: Advance | None = None
    ) -> Iterator[tuple[int, Floats]]:
        """Yield (row, losses) of models of mixtures, see `gemix.proxy.interface.Proxy`.

        Every mixture is checked before the first model is trained.
        """
        rows = self._data.checked_mixtures(mixtures)
        own = [0] * len(rows) if seeds is None else list(seeds)
        if len(own) != len(rows):
            raise GemixError(f"{len(rows)} mixtures need as many seeds, not {len(own)}")
        for row, (mixture, seed) in enumerate(zip(rows, own, strict=True)):
            yield row, self.losses(self._fit(mixture, budget, seed, f"run {row} (seed {seed})", advance))

    def fit(self, mixture: Floats, budget: int, seed: int = 0, advance: Advance | None = None) -> Model:
        """Return a model trained on `budget` tokens of a mixture, (K,).

        Raises:
            GemixError: as `train`.

        """
        return self._fit(mixture, budget, seed, f"the run with seed {seed}", advance)

    def losses(self, model: Model) -> Floats:
        """Return the losses of a model on the validation sets, (V,)."""
        return model.losses(self._data.held_out)

    def epochs(self, mixture: Floats, budget: int) -> Floats:
        """Return how often a training on `budget` tokens reads each domain, (K,)."""
        sequences, _ = self.training.plan(budget)
        tokens = np.array([len(tokens) for tokens in self._data.train], np.float64)
        passes = sequences * self.training.context * self._data.checked_mixtures([mixture])[0]
        return passes / np.maximum(tokens, 1)

    def _fit(self, mixture: Floats, budget: int, seed: int, name: str, advance: Advance | None) -> Model:
        data, context = self._data, self.training.context
        batches = Batches(data, mixture, context, seed)
        weights = initial(self.config, data.vocabulary, seed, self.device)
        train(self.config, weights, self.training, batches, budget, name, advance)
        return Model(self.config, data.vocabulary, context, data.end, weights)


def chosen(sizes: str | Config, batch: int | None, context: int | None, rate: float | None) -> tuple[Config, Training]:
    """Return sizes and training: a preset's, or sizes with the default training, and what else is given.

    Raises:
        GemixError: there is no such preset, or a value is out of range.

    """
    config, training = preset(sizes) if isinstance(sizes, str) else (sizes, Training())
    return config, replace(
        training,
        batch=batch,
        context=training.context if context is None else context,
        rate=training.rate if rate is None else rate,
    )


def chosen_device(device: str | None) -> str:
    """Return the device to use, a GPU where there is one.

    Raises:
        GemixError: torch knows no such device, or has none.

    """
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise GemixError(f"there is no device {device!r}; try cpu or cuda") from error
    if kind not in ("cpu", "cuda"):
        raise GemixError(f"models are trained on cpu or cuda, not on {device!r}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise GemixError(f"device {device!r} was asked for, but torch finds no GPU")
    return "cpu" if kind == "cpu" else device
