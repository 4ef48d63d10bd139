"""From measurements to one line a partition."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gemix.mix.surrogates.validate import spearman
from gemix.proxy.probe.measure import Measurement, target_values


class Spread(BaseModel):
    """The middle of some numbers and how far they go."""

    model_config = ConfigDict(extra="forbid")
    median: float
    low: float
    high: float


class Line(BaseModel):
    """One partition; losses are the target, in bits per byte.

    Attributes:
        partition: its name.
        domains: K, domains that have tokens.
        largest: tokens of the largest domain over the mean.
        spearman: by surrogate; median and quartiles over splits and seeds.
        by_seed: by surrogate; median, lowest and highest over seeds of the median over splits.
        concentration: rank correlation (Spearman) of the target and sum_k w_k^2 / (natural share of k), no surrogate.
        deviation: standard deviation of the losses over the mixtures.
        best, worst: lowest and highest loss over the mixtures.
        each: mean over the validation sets of the lowest loss that any mixture has there: what single aims can reach.
        natural: mean loss of the natural mixture.
        chosen: loss of the mixture that the first surrogate chose.
        noise: standard deviation of the loss over trainings on the natural mixture.

    All but `spearman` are medians, lowest and highest over seeds.

    """

    model_config = ConfigDict(extra="forbid")
    partition: str
    domains: int
    largest: Spread
    spearman: dict[str, Spread]
    by_seed: dict[str, Spread]
    concentration: Spread
    deviation: Spread
    best: Spread
    worst: Spread
    each: Spread
    natural: Spread
    chosen: Spread
    noise: Spread


def summarise(measurements: Sequence[Measurement], target: str) -> list[Line]:
    """Return a line for every partition, in the order of the measurements.

    Args:
        measurements: those of one partition next to each other.
        target: see `ProbeSettings`.

    """
    return [_line(name, list(group), target) for name, group in groupby(measurements, lambda m: m.partition)]


def _line(name: str, measured: list[Measurement], target: str) -> Line:
    losses = np.array([target_values(m.losses, m.valid, target) for m in measured])
    natural = np.array([target_values(m.natural, m.valid, target) for m in measured])
    chosen = np.array([target_values([m.chosen_losses], m.valid, target)[0] for m in measured])
    kinds = measured[0].spearman
    sizes = [np.array(m.tokens, float) for m in measured]
    return Line(
        partition=name,
        domains=max(int(np.count_nonzero(size)) for size in sizes),
        largest=_spread([size.max() / size.mean() for size in sizes]),
        spearman={kind: _spread(np.concatenate([m.spearman[kind] for m in measured]), 0.25) for kind in kinds},
        by_seed={kind: _spread([np.median(m.spearman[kind]) for m in measured]) for kind in kinds},
        concentration=_spread([_concentration(m, y) for m, y in zip(measured, losses, strict=True)]),
        deviation=_spread(losses.std(axis=1, ddof=1)),
        best=_spread(losses.min(axis=1)),
        worst=_spread(losses.max(axis=1)),
        each=_spread([np.min(m.losses, axis=0).mean() for m in measured]),
        natural=_spread(natural.mean(axis=1)),
        chosen=_spread(chosen),
        noise=_spread(natural.std(axis=1, ddof=1)),
    )


def _concentration(measured: Measurement, y: NDArray[np.float64]) -> float:
    squares = np.array(measured.mixtures) ** 2
    present = measured.shares > 0
    return float(spearman((squares[:, present] / measured.shares[present]).sum(axis=1), y))


def _spread(values: Any, tail: float = 0.0) -> Spread:
    low, median, high = np.quantile(np.asarray(values, float), [tail, 0.5, 1 - tail])
    return Spread(median=float(median), low=float(low), high=float(high))


def to_markdown(lines: Sequence[Line]) -> str:
    """Return the table; losses in bits per byte, what varies in thousandths of them."""
    kinds = list(lines[0].spearman)
    head = [
        "partition", "K", "largest / mean", *(f"Spearman x 100, {kind} (quartiles)" for kind in kinds),
        *(f"medians of seeds, {kind}" for kind in kinds),
        "Spearman x 100, sum w^2 / share", "sd of losses, mbit",
        "noise, mbit", "worst", "natural", "best", "chosen", "best set by set",
    ]  # fmt: skip
    rows = [f"| {' | '.join(head)} |", "|---|" + "--:|" * (len(head) - 1)]
    for line in lines:
        cells = [line.partition, str(line.domains), f"{line.largest.median:.2f}"]
        cells += [_shown(table[kind], 100, 1) for table in (line.spearman, line.by_seed) for kind in kinds]
        cells += [
            _shown(line.concentration, 100, 1),
            _shown(line.deviation, 1000, 1),
            f"{1000 * line.noise.median:.1f}",
        ]
        cells += [f"{value.median:.4f}" for value in (line.worst, line.natural)]
        cells += [_shown(value, 1, 4) for value in (line.best, line.chosen, line.each)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _shown(value: Spread, factor: float, digits: int) -> str:
    low, median, high = (f"{factor * number:.{digits}f}" for number in (value.low, value.median, value.high))
    return f"{median} ({low} to {high})" if low != high else median
