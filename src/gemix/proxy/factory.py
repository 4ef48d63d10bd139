"""From the name of a kind of proxy to the proxy."""

from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np

from gemix.embed.base import needs
from gemix.proxy.dataset import ProxyData
from gemix.proxy.interface import Proxy
from gemix.runtime.errors import GemixError

# Tokens of a run that tells how long others take: warm caches and compiled code count, so not too few.
_TIMED: Final = {"ngram": 10**9, "transformer": 16_384}


@dataclass(frozen=True)
class Kind:
    """Which proxy to train.

    Attributes:
        name: ngram or transformer.
        order: of n-grams.
        preset: sizes of the transformer, a name in `gemix.proxy.transformer.config.PRESETS`.
        device: of torch; None: a GPU where there is one.
        rate: largest learning rate of transformers; None: the preset's.

    """

    name: str = "ngram"
    order: int = 3
    preset: str = "1m"
    device: str | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.name not in ("ngram", "transformer"):
            raise GemixError(f"no proxy is called {self.name!r}; there are ngram and transformer")


def make_proxy(data: ProxyData, kind: Kind) -> Proxy:
    """Return a proxy on some data.

    Raises:
        GemixError: a missing extra, an unknown preset or device, or data that it cannot use.

    """
    if kind.name == "ngram":
        from gemix.proxy.ngram import NgramProxy

        return NgramProxy(data, kind.order)
    from gemix.proxy.transformer import TransformerProxy

    return TransformerProxy(data, kind.preset, device=kind.device, rate=kind.rate)


def seconds(data: ProxyData, kind: Kind, tokens: int, runs: int) -> tuple[float, int]:
    """Return how long so many runs will take here, in seconds, and the tokens of the run that was timed for it.

    Raises:
        GemixError: as `make_proxy`.

    """
    some = min(tokens, _TIMED[kind.name])
    sizes = np.array([part.tokens for part in data.domains], float)
    started = perf_counter()
    proxy = make_proxy(data, kind)
    before = perf_counter()
    proxy.train(sizes / sizes.sum(), some)
    after = perf_counter()
    return before - started + runs * (after - before) * tokens / some, some


def parameters(data: ProxyData, kind: Kind) -> int | None:
    """Return the number of parameters of one model, embeddings included; None: it has none to speak of.

    Raises:
        GemixError: an unknown preset.

    """
    if kind.name == "ngram":
        return None
    from gemix.proxy.transformer import PRESETS

    if kind.preset not in PRESETS:
        raise GemixError(f"no transformer is called {kind.preset!r}; there are {', '.join(PRESETS)}")
    return PRESETS[kind.preset][0].parameters(data.vocabulary)


def visible_gpus() -> int:
    """Return the number of GPUs that this process may use.

    Raises:
        GemixError: torch is not installed.

    """
    with needs("proxy"):
        from torch.cuda import device_count
    return int(device_count())
