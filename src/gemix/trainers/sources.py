"""From a mixture to what every exporter writes: domains with their data and their share of what the trainer counts."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gemix.mix.domain_ids import domain_folder, find_domains
from gemix.mix.mixture import DomainWeight, Mixture
from gemix.runtime.errors import GemixError

Unit = Literal["tokens", "documents"]


@dataclass(frozen=True)
class Source:
    """A domain with a weight above zero.

    Attributes:
        domain: its key.
        path: where its data lie.
        share: of the trainer's draws, in tokens or in documents; all shares sum to 1.
        repetition: how often the trainer may pass over it.

    """

    domain: str
    path: str
    share: float
    repetition: float


def make_sources(mixture: Mixture, paths: str, unit: str, max_epochs: float) -> list[Source]:
    """Return the domains with a weight above zero, in the order of the mixture.

    Weights are token shares. A trainer that draws documents, domain k with probability p_k, sees tokens of k in
    proportion to p_k m_k, m_k = tokens_k / documents_k being its mean length. So p_k is proportional to w_k / m_k.

    Args:
        mixture: Token shares.
        paths: Template with {domain}, the name of the folder of its data (d0007), or the name of a JSON file that maps
            domains, by key, number or name, to paths.
        unit: What the trainer draws, one of `Unit`. Sequences of one length count as tokens.
        max_epochs: How often the trainer may pass over a domain that does not need more.

    Raises:
        GemixError: a domain has no path, two have one, or documents or tokens of a domain are not known.

    """
    used = [entry for entry in mixture.domains if entry.weight > 0]
    find = _path_finder(paths, used)
    shares = [entry.weight for entry in used]  # they sum to 1
    if unit == "documents":
        draws = [entry.weight / _mean_length(entry) for entry in used]
        shares = [draw / math.fsum(draws) for draw in draws]
    sources = [
        Source(entry.domain, find(entry.domain), share, max(max_epochs, epochs(mixture, entry) or 0.0))
        for entry, share in zip(used, shares, strict=True)
    ]
    by_path: dict[str, str] = {}
    for source in sources:
        other = by_path.setdefault(source.path, source.domain)
        if other != source.domain:
            raise GemixError(f"--paths {paths}: {other!r} and {source.domain!r} have the same path {source.path!r}")
    return sources


def epochs(mixture: Mixture, entry: DomainWeight) -> float | None:
    """Return how often the budget passes over a domain, None where budget or tokens are not known."""
    if entry.epochs is not None:
        return entry.epochs
    return entry.weight * mixture.budget_tokens / entry.tokens if mixture.budget_tokens and entry.tokens else None


def _mean_length(entry: DomainWeight) -> float:
    if not entry.documents or not entry.tokens:
        raise GemixError(
            f"this trainer draws documents, so the weights need the mean length of a document, but documents or tokens "
            f"of {entry.domain!r} are not in the mixture; if its samples are sequences of one length: --counts tokens"
        )
    return entry.tokens / entry.documents


def _path_finder(paths: str, used: Sequence[DomainWeight]) -> Callable[[str], str]:
    if "{domain}" in paths:
        return lambda domain: paths.replace("{domain}", domain_folder(domain))
    if not paths.endswith(".json"):
        raise GemixError(f"--paths {paths}: neither a template with {{domain}} nor a .json file")
    given = _read_table(Path(paths))
    keys = [entry.domain for entry in used]
    try:
        places = find_domains(list(given), keys, [entry.name or entry.domain for entry in used])
    except ValueError as error:
        raise GemixError(f"{paths}: {error}") from error
    table = {keys[place]: path for place, path in zip(places, given.values(), strict=True) if place is not None}

    def find(domain: str) -> str:
        if domain not in table:
            raise GemixError(f"{paths} has no path for the domain {domain!r}")
        return table[domain]

    return find


def _read_table(path: Path) -> dict[str, str]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GemixError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise GemixError(f"{path} is not JSON: {error}") from error
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise GemixError(f'{path} must hold one JSON object of paths by domain, {{"domain": "path", ...}}')
    return table
