"""`gemix export`: mixture.json to the file of one trainer."""

from pathlib import Path
from typing import get_args

from gemix.mix.mixture import Mixture
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError
from gemix.trainers.sources import Source, Unit, epochs, make_sources
from gemix.trainers.trainers import TRAINERS


def export_mixture(
    mixture: Mixture,
    to: str,
    out: Path,
    *,
    paths: str | None = None,
    counts: str | None = None,
    max_epochs: float = 4,
) -> list[Source]:
    """Write the file by which a trainer is told a mixture, whole or not at all.

    Args:
        mixture: Token shares.
        to: One of `TRAINERS`.
        out: The file.
        paths: Where the data of a domain lie: a template with {domain}, or the name of a JSON file of paths by domain.
        counts: What the trainer draws, where it is not what its usual data are: "documents", or "tokens" for sequences
            of one length.
        max_epochs: How often a trainer that asks may pass over a domain.

    Returns:
        What was written: the domains with a weight above zero.

    Raises:
        GemixError: an unknown trainer, a file it cannot read, a domain without path, a name or path that the trainer
            would misread, or weights that cannot be converted to documents.

    """
    if to not in TRAINERS:
        raise GemixError(f"--to {to}: not one of {', '.join(TRAINERS)}")
    trainer = TRAINERS[to]
    unit = counts or trainer.draws
    if unit not in get_args(Unit):
        raise GemixError(f"--counts {unit}: not one of {', '.join(get_args(Unit))}")
    if max_epochs <= 0:
        raise GemixError(f"--max-epochs must be above 0, not {max_epochs:g}")
    try:
        write = trainer.writer(out.suffix)
        sources = make_sources(mixture, paths or trainer.paths, unit, max_epochs)
        text = write(sources)
    except GemixError as error:
        raise GemixError(f"--to {to} --out {out}: {error}") from error
    write_text(out, text)
    return sources


def repeated_domains(mixture: Mixture, max_epochs: float) -> list[tuple[str, float]]:
    """Return the domains that training would pass over more than `max_epochs` times, with how often, worst first."""
    found = [(entry.domain, epochs(mixture, entry) or 0.0) for entry in mixture.domains if entry.weight > 0]
    return sorted((pair for pair in found if pair[1] > max_epochs), key=lambda pair: -pair[1])
