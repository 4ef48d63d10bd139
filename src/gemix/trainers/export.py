"""`gemix export`: mixture.json to the file of one trainer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from gemix.mix.domain_ids import nearest
from gemix.mix.mixture import Mixture
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError
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
    """Write the file by which a trainer is told a mixture, whole or not at all.

    Args:
        mixture: Token shares.
        to: One of `TRAINERS`.
        out: The file.
        paths: Where the data of a domain lie: a template with {domain}, or the name of a JSON file of paths by domain.
        data: Instead of `paths`, a folder with an index that `gemix tokenize` or `gemix labels split` wrote: it gives
            paths and exact counts.
        counts: What the trainer draws, where it is not what its usual data are: "documents", or "tokens" for sequences
            of one length.
        max_epochs: How often a trainer that asks may pass over a domain.

    Returns:
        What the trainer will draw of the domains with a weight above zero, in the order of the mixture.

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
    try:
        write = trainer.writer(out.suffix)
        where = open_data(data, trainer) if data is not None else paths or trainer.paths
        sources = make_sources(mixture, where, unit, max_epochs)
        text, shares = write(sources), trainer.drawn(sources)
    except GemixError as error:
        raise GemixError(f"--to {to} --out {out}: {error}") from error
    write_text(out, text)
    return [_drawn(source, share, mixture.budget_tokens) for source, share in zip(sources, shares, strict=True)]


def _drawn(source: Source, share: float, budget: int | None) -> Drawn:
    tokens = share * budget if budget else None
    epochs = source.epochs * share / source.weight if source.epochs else None
    return Drawn(source.domain, source.name, source.weight, share, tokens, epochs)


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
