"""DoReMi's training (arXiv 2305.10429): a reference model, a proxy by group DRO, and rounds of both.

A round: a reference model is trained on a mixture. Then a proxy of the same size is trained on batches that are drawn
evenly over domains. At every step the excess of its loss over the reference's moves the domain weights
(`gemix.mix.strategies.doremi`), and the weights of that step decide the proxy's loss. The result of the round is the
mean of the weights over steps; the next round takes it as the mixture of its reference.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gemix.mix.excess import read_excess
from gemix.mix.strategies.doremi import bounded_step, doremi_states
from gemix.mix.tables import write_csv
from gemix.proxy.dataset import ProxyData
from gemix.proxy.interface import Floats
from gemix.proxy.swarm_files import keep_record
from gemix.proxy.transformer import Config
from gemix.proxy.transformer.batches import Batches
from gemix.proxy.transformer.group_dro import train_group_dro
from gemix.proxy.transformer.model import initial
from gemix.proxy.transformer.proxy import chosen, chosen_device
from gemix.proxy.transformer.train import Advance, train
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError

Stage = Literal["reference", "proxy"]
Progress = Callable[[int, Stage, int, int], None]
"""Called with the round (from 1), the stage, and tokens trained on, now and in all."""


@dataclass(frozen=True)
class DoReMiSettings:
    """What decides the weights besides the data.

    Attributes:
        budget: tokens that the reference sees, and as many that the proxy sees, in every round.
        preset: sizes of both, a name in `gemix.proxy.transformer.config.PRESETS`, or a `Config`.
        reference: (K,) mixture of the first reference; None: natural, by tokens.
        rounds: at most so many.
        tolerance: a round is the last when no weight differs by as much from the mixture of its reference.
        eta: step size of the weights, at most (`gemix.mix.strategies.doremi.bounded_step`).
        smoothing: share of uniform weights in every step.
        sampling: batches of the proxy are drawn uniformly over domains, or by the mixture of the reference.
        seed: of initial weights and order of the data; a round's reference and proxy begin alike.
        batch: sequences of a step; None: the budget decides, see `Training`, and there are as many as domains at least.
        context: tokens of a sequence; None: the preset's.
        rate: largest learning rate; None: the preset's.
        device: of torch; None: a GPU where there is one.

    """

    budget: int
    preset: str | Config = "1m"
    reference: Floats | None = None
    rounds: int = 3
    tolerance: float = 1e-3
    eta: float = 1.0
    smoothing: float = 1e-3
    sampling: Literal["uniform", "reference"] = "uniform"
    seed: int = 0
    batch: int | None = None
    context: int | None = None
    rate: float | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise GemixError(f"DoReMi needs at least one round, not {self.rounds}")
        if not self.eta > 0 or not 0 <= self.smoothing <= 1:
            raise GemixError(f"eta must be positive and the smoothing 0 to 1, not {self.eta} and {self.smoothing}")
        if self.sampling not in ("uniform", "reference"):
            raise GemixError(f"batches are drawn by uniform or reference, not {self.sampling!r}")


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        reference: (K,) the mixture its reference was trained on.
        trajectory: (T, K) weights after every step.
        excess: (T, K) mean clipped excess loss of every step; NaN where a domain was absent.
        average: (K,) mean of the trajectory, the round's result.

    """

    reference: Floats
    trajectory: Floats
    excess: Floats
    average: Floats

    @property
    def change(self) -> float:
        """Largest difference of the average from the reference mixture."""
        return float(np.abs(self.average - self.reference).max())

    def write_excess(self, path: Path, domains: list[str]) -> None:
        """Write the excess as `gemix mix doremi --excess` reads it: step, domains; empty where a domain was absent.

        Raises:
            GemixError: the file cannot be written.

        """
        steps = [str(step) for step in range(1, len(self.excess) + 1)]
        write_text(path, write_csv(steps, domains, self.excess, "step"))

    @classmethod
    def read(cls, path: Path, domains: list[str], reference: Floats, settings: DoReMiSettings) -> "Round":
        """Return the round that wrote a record: its weights follow from the excess.

        Raises:
            GemixError: the file is damaged, or holds no such record.

        """
        try:
            excess, _ = read_excess(path, domains)
            eta = bounded_step(settings.eta, len(domains), len(excess))
            states = list(doremi_states(excess, np.ones(len(domains)), eta, settings.smoothing))
        except (OSError, ValueError) as error:
            raise GemixError(f"{error}: remove the folder to start over") from error
        return cls(reference, np.array([state.weights for state in states]), excess, states[-1].average)


@dataclass(frozen=True)
class DoReMiResult:
    """All rounds.

    Attributes:
        domains: K names.
        rounds: at least one.
        converged: whether the last one changed less than the tolerance.

    """

    domains: list[str]
    rounds: list[Round]
    converged: bool

    @property
    def weights(self) -> Floats:
        """The last round's average, (K,)."""
        return self.rounds[-1].average


def doremi(
    data: ProxyData, settings: DoReMiSettings, progress: Progress | None = None, record: Path | None = None
) -> DoReMiResult:
    """Train references and proxies until the weights stay, or for all rounds.

    Args:
        data: tokens of K domains; validation sets are not used.
        settings: of the training.
        progress: called after every step.
        record: folder of excess-1.csv and so on, one a finished round, and the settings that they hold for. Rounds that
            are there already are not trained again.

    Returns:
        Weights and how they came about; on a CPU the same for the same data, settings and number of threads.

    Raises:
        GemixError: a domain without tokens, a bad setting, a training that diverged, or a record of other settings.

    """
    empty = [part.name for part, tokens in zip(data.domains, data.train, strict=True) if not len(tokens)]
    if empty or not data.domains:
        raise GemixError(f"DoReMi weighs domains that have text; without any: {', '.join(map(repr, empty)) or 'all'}")
    if settings.reference is None:
        sizes = np.array([len(tokens) for tokens in data.train], np.float64)
        mixture: Floats = sizes / sizes.sum()
    else:
        mixture = data.checked_mixtures([settings.reference])[0]
    known = record is not None and (record / "settings.json").exists()  # else nobody knows what made the files there
    if record is not None:
        keep_record(record / "settings.json", _facts(data, settings, mixture), f"the rounds in {record}")
    rounds: list[Round] = []
    while len(rounds) < settings.rounds:
        number = len(rounds) + 1
        path = None if record is None else record / f"excess-{number}.csv"
        if path is not None and known and path.exists():
            rounds.append(Round.read(path, data.names, mixture, settings))
        else:
            rounds.append(_round(data, settings, mixture, number, progress))
            if path is not None:
                rounds[-1].write_excess(path, data.names)
        if rounds[-1].change < settings.tolerance:
            return DoReMiResult(data.names, rounds, True)
        mixture = rounds[-1].average
    return DoReMiResult(data.names, rounds, False)


def _facts(data: ProxyData, settings: DoReMiSettings, mixture: Floats) -> dict[str, Any]:
    """Return what decides a round, as JSON; how many rounds there are does not."""
    config, training = chosen(settings.preset, settings.batch, settings.context, settings.rate)
    own: dict[str, Any] = {
        "eta": settings.eta,
        "smoothing": settings.smoothing,
        "sampling": settings.sampling,
        "seed": settings.seed,
    }
    own["bounded"] = True  # eta, by the number of steps
    sizes = {"model": asdict(config), "training": asdict(training), "budget": settings.budget}
    return {"data": data.fingerprint, "reference": mixture.tolist()} | sizes | own


def _round(data: ProxyData, settings: DoReMiSettings, mixture: Floats, number: int, progress: Progress | None) -> Round:
    """Train a reference on a mixture and a proxy against it."""
    config, training = chosen(settings.preset, settings.batch, settings.context, settings.rate)
    if settings.batch is None:
        sequences, steps = training.plan(settings.budget)
        # A sequence of every domain in every step: what a step does not see, it weighs by an old excess.
        training = replace(training, batch=max(-(-sequences // steps), len(data.domains)))
    device, v, seed = chosen_device(settings.device), data.vocabulary, settings.seed
    total = training.plan(settings.budget)[0] * training.context

    def advance(stage: Stage) -> Advance | None:
        done = 0.0

        def step(tokens: float) -> None:
            nonlocal done
            done += tokens
            if progress:
                progress(number, stage, int(done), total)

        return step

    reference = initial(config, v, seed, device)
    batches = Batches(data, mixture, training.context, seed)
    name = f"the reference of DoReMi's round {number}"
    train(config, reference, training, batches, settings.budget, name, advance("reference"))
    drawn = mixture if settings.sampling == "reference" else np.full(len(mixture), 1 / len(mixture))
    batches = Batches(data, drawn, training.context, seed)
    trajectory, excess, average = train_group_dro(
        config,
        initial(config, v, seed, device),
        reference,
        training,
        batches,
        settings.budget,
        settings.eta,
        settings.smoothing,
        advance("proxy"),
    )
    return Round(mixture, trajectory, excess, average)
