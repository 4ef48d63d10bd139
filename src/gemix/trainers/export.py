"""`gemix export`: mixture.json to the file of one trainer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from gemix.mix.domain_ids import nearest
from gemix.mix.mixture import DomainWeight, FixedSource, Mixture
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.records import first_fault
from gemix.trainers.data_index import read_index
from gemix.trainers.sources import Source, TokenData, Unit, make_sources
from gemix.trainers.trainers import TOLERANCE, TRAINERS, Trainer


@dataclass(frozen=True)
class Drawn:
    """What a trainer will draw of a domain by its own rule.

    Attributes:
        domain: its key.
        name: what people call it.
        weight: its share of the tokens by the mixture.
        share: its share of the tokens that are drawn.
        tokens: of it in the budget; None without one.
        epochs: how often the budget passes over it; None where budget or tokens are not known.

    """

    domain: str
    name: str
    weight: float
    share: float
    tokens: float | None
    epochs: float | None

    @property
    def moved(self) -> float:
        """By how much of itself rounding moves the share."""
        return self.share / self.weight - 1


def export_mixture(
    mixture: Mixture,
    to: str,
    out: Path,
    *,
    paths: str | None = None,
    data: Path | None = None,
    counts: str | None = None,
    max_epochs: float = 4,
) -> list[Drawn]:
    """Write the file by which a trainer is told a mixture, whole or not at all; of a mixture in phases one file each.

    Args:
        mixture: Token shares.
        to: One of `TRAINERS`.
        out: The file; those of phases have their number behind the name: blend-1.txt.
        paths: Where the data of a domain lie: a template with {domain}, or the name of a JSON file of paths by domain.
        data: Instead of `paths`, a folder with an index that `gemix tokenize` or `gemix labels split` wrote: it gives
            paths and exact counts.
        counts: What the trainer draws, where it is not what its usual data are: "documents", or "tokens" for sequences
            of one length.
        max_epochs: How often a trainer that asks may pass over a domain.

    Returns:
        What the trainer will draw over the whole training of the domains with a weight above zero, in the order of the
        mixture, and of its fixed sources.

    Raises:
        GemixError: an unknown trainer, a file it cannot read, a domain without path or data, a name or path that the
            trainer would misread, or weights that cannot be converted to documents.

    """
    if to not in TRAINERS:
        raise GemixError(f"--to {to}: not one of {', '.join(TRAINERS)}{nearest(to, list(TRAINERS))}")
    trainer = TRAINERS[to]
    unit = counts or trainer.draws
    if unit not in get_args(Unit):
        raise GemixError(f"--counts {unit}: not one of {', '.join(get_args(Unit))}")
    if max_epochs <= 0:
        raise GemixError(f"--max-epochs must be above 0, not {max_epochs:g}")
    if data is not None and paths is not None:
        raise GemixError("--data and --paths exclude each other: the index of the data has their paths")
    texts: dict[Path, str] = {}
    parts: list[list[Drawn]] = []
    try:
        write = trainer.writer(out.suffix)
        where = open_data(data, trainer) if data is not None else paths or trainer.paths
        for number, phase in enumerate(phases_of(mixture), start=1):
            sources = make_sources(phase, where, unit, max_epochs)
            texts[phase_path(out, number) if mixture.phases else out] = write(sources)
            shares = trainer.drawn(sources)
            parts.append([_drawn(s, share, phase.budget_tokens) for s, share in zip(sources, shares, strict=True)])
    except GemixError as error:
        raise GemixError(f"--to {to} --out {out}: {error}") from error
    for path, text in texts.items():
        write_text(path, text)
    return _together(mixture, parts)


def phases_of(mixture: Mixture) -> list[Mixture]:
    """Return a mixture a phase, with its part of the budget: the mixture itself where it has no phases."""
    return [
        mixture.model_copy(
            update={
                "budget_tokens": round(phase.share * mixture.budget_tokens) if mixture.budget_tokens else None,
                "domains": [
                    entry.model_copy(update={"weight": weight, "epochs": None})
                    for entry, weight in zip(mixture.domains, phase.weights, strict=True)
                ],
                "phases": [],
            }
        )
        for phase in mixture.phases
    ] or [mixture]


def phase_path(out: Path, number: int) -> Path:
    """Return the name of the file of a phase, from 1: blend-1.txt."""
    return out.with_name(f"{out.stem}-{number}{out.suffix}")


def _drawn(source: Source, share: float, budget: int | None) -> Drawn:
    tokens = share * budget if budget else None
    epochs = source.epochs * share / source.weight if source.epochs else None
    return Drawn(source.domain, source.name, source.weight, share, tokens, epochs)


def _together(mixture: Mixture, parts: Sequence[Sequence[Drawn]]) -> list[Drawn]:
    """Return what is drawn of every domain over all phases."""
    if len(parts) == 1:
        return list(parts[0])
    found: dict[str, Drawn] = {}
    for phase, part in zip(mixture.phases, parts, strict=True):
        for one in part:
            old = found.get(one.domain, replace(one, weight=0.0, share=0.0, tokens=0.0, epochs=0.0))
            found[one.domain] = replace(
                old,
                weight=old.weight + phase.share * one.weight,
                share=old.share + phase.share * one.share,
                tokens=None if old.tokens is None or one.tokens is None else old.tokens + one.tokens,
                epochs=None if old.epochs is None or one.epochs is None else old.epochs + one.epochs,
            )
    order = {key: k for k, key in enumerate([*mixture.keys, *(source.name for source in mixture.fixed)])}
    return sorted(found.values(), key=lambda one: order[one.domain])


def with_fixed(mixture: Mixture, fixed: Sequence[str]) -> Mixture:
    """Return a mixture with more fixed sources, each NAME=SHARE@PATH; the domains share what all of them leave.

    Raises:
        GemixError: a text of another form, a name that is taken, or shares that leave nothing.

    """
    sources = list(mixture.fixed)
    for text in fixed:
        name, _, rest = text.partition("=")
        share, _, path = rest.partition("@")
        try:
            sources.append(FixedSource(name=name, share=float(share), path=path))
        except ValueError as error:
            raise GemixError(f"--fixed is NAME=SHARE@PATH, as code=0.2@data/code, not {text!r}") from error
    try:
        return Mixture.model_validate(
            mixture.model_dump()
            | {"fixed": sources, "domains": _scaled(mixture, math.fsum(source.share for source in sources))}
        )
    except ValidationError as error:
        raise GemixError(f"--fixed: {first_fault(error)}") from error


def _scaled(mixture: Mixture, fixed: float) -> list[DomainWeight]:
    """Return the domains with the epochs of a training of which fixed sources have this share."""
    return [
        entry.model_copy(update={"epochs": entry.epochs * max(1 - fixed, 0.0) / mixture.free})
        if entry.epochs is not None
        else entry
        for entry in mixture.domains
    ]


def moved_shares(drawn: Sequence[Drawn]) -> list[Drawn]:
    """Return the domains whose share rounding moves by more than 1 % of itself, the worst first."""
    found = [domain for domain in drawn if abs(domain.moved) > TOLERANCE]
    return sorted(found, key=lambda domain: -abs(domain.moved))


def repeated_domains(drawn: Sequence[Drawn], max_epochs: float) -> list[Drawn]:
    """Return the domains that training would pass over more than `max_epochs` times, the worst first."""
    found = [(domain.epochs or 0.0, domain) for domain in drawn]
    return [domain for often, domain in sorted(found, key=lambda pair: -pair[0]) if often > max_epochs]


def open_data(folder: Path, trainer: Trainer) -> TokenData:
    """Return data by domain as a trainer is told them.

    Raises:
        GemixError: there is no index, or the trainer does not read their layout.

    """
    index = read_index(folder)
    if index.layout not in trainer.reads:
        known = " or ".join(trainer.reads)
        raise GemixError(
            f"--data {folder} has the layout {index.layout}, and this trainer reads "
            + (f"{known}: make that" if known else "files of its own making: name them by --paths")
        )
    return TokenData(folder, index, trainer.reads[index.layout])
