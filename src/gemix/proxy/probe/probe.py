"""All partitions with all seeds, one after another; losses and predictions are kept as soon as they are there."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from gemix.proxy.dataset import ProxyData
from gemix.proxy.interface import Proxy
from gemix.proxy.probe.corpus import Corpus
from gemix.proxy.probe.match import match_sizes
from gemix.proxy.probe.measure import Measurement, Predicted, Trained, predict, target_values, train
from gemix.proxy.probe.partitions import Partition
from gemix.proxy.probe.settings import ProbeSettings
from gemix.proxy.tokenised import divide
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import progress
from gemix.runtime.records import read_record

_SCHEMA: Final = 2  # raised whenever equal documents, partition and proxy would give other losses
Makers = Mapping[str, Callable[[int], Partition]]


def probe(
    corpus: Corpus,
    makers: Makers,
    make_proxy: Callable[[ProxyData], Proxy],
    proxy_facts: dict[str, Any],
    settings: ProbeSettings,
    folder: Path,
) -> list[Measurement]:
    """Return a measurement of every partition with every seed, in that order.

    Losses that `folder` has from an earlier call with the same documents, partition and proxy are not trained again,
    whatever the target and the surrogates; predictions are kept apart from them.

    Args:
        corpus: documents, the same for all partitions.
        makers: by name, what makes a partition from a seed.
        make_proxy: makes the model from the tokens of a partition.
        proxy_facts: what decides its losses besides the tokens, as JSON.
        settings: see there.
        folder: where both are kept, in `trained/` and `predicted/`.

    Raises:
        GemixError: as `train` and `predict`; a damaged file.

    """
    blank = np.zeros((1, len(corpus.valid)))
    target_values(blank, list(corpus.valid), settings.target)  # refuse before the work
    found: dict[tuple[int, str], Measurement] = {}
    budget = settings.budget
    for seed in range(settings.seeds):
        partitions = {name: make(seed) for name, make in makers.items()}
        if settings.size_matched:
            matched = match_sizes(list(partitions.values()), corpus.training_tokens)
            partitions = dict(zip(partitions, matched, strict=True))
        if budget is None:
            most = max(len(partition.domains) for partition in partitions.values())
            budget = max(1, int(corpus.training_tokens.sum()) // most)
        for name, partition in partitions.items():
            data = _data(corpus, partition)
            proxy = cache(lambda data=data: make_proxy(data))
            title = f"{name}, seed {seed} ({len(found) + 1} of {len(makers) * settings.seeds})"
            sizes = [settings.mixtures, settings.repeats, budget, seed]
            decides = [_SCHEMA, data.fingerprint, proxy_facts, *sizes]
            path = _path(folder / "trained", decides)
            if path.exists():
                trained = read_record(path, Trained, "the models of a probe").model_copy(update={"partition": name})
            else:
                with progress(title, settings.mixtures + settings.repeats, "models") as advance:
                    trained = train(name, data, proxy(), budget, settings, seed, advance)
                write_text(path, trained.model_dump_json() + "\n")
            path = _path(folder / "predicted", [*decides, settings.target, settings.surrogates, settings.splits])
            predicted = _predicted(path, title, trained, data, proxy, settings)
            found[seed, name] = Measurement(**trained.model_dump(), **predicted.model_dump())
    return [found[seed, name] for name in makers for seed in range(settings.seeds)]


def _predicted(
    path: Path, title: str, trained: Trained, data: ProxyData, proxy: Callable[[], Proxy], settings: ProbeSettings
) -> Predicted:
    """Return the predictions in the file, or make them and write it."""
    if path.exists():
        return read_record(path, Predicted, "the predictions of a probe")
    with progress(title, settings.splits * len(settings.surrogates) + 1, "fits") as advance:
        predicted = predict(trained, data, proxy, settings, advance)
    write_text(path, predicted.model_dump_json() + "\n")
    return predicted


def _data(corpus: Corpus, partition: Partition) -> ProxyData:
    sizes = np.bincount(partition.labels[(partition.labels >= 0) & ~corpus.held_out], minlength=len(partition.domains))
    if not sizes.any():
        raise GemixError(f"the partition {partition.name} has no document to train on")
    return divide(corpus.tokenised, partition.labels, partition.domains, corpus.held_out, corpus.valid)


def _path(folder: Path, decides: list[Any]) -> Path:
    # The name of a partition and how many seeds there are change nothing.
    return folder / f"{hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:24]}.json"
