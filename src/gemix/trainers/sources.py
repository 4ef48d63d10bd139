"""From a mixture to what every exporter writes: domains with their data and their share of what the trainer counts."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gemix.mix.domain_ids import domain_folder, find_domains, shown
from gemix.mix.mixture import FixedSource, Mixture
from gemix.runtime.errors import GemixError
from gemix.trainers.data_index import FILE_NAME, DataIndex, DomainData, read_index

Unit = Literal["tokens", "documents"]


@dataclass(frozen=True)
class Place:
    """Where data of a domain lie, and which share of the domain's data that is."""

    path: str
    share: float = 1.0


@dataclass(frozen=True)
class Source:
    """A domain with a weight above zero, or a fixed source.

    Attributes:
        domain: its key.
        name: what people call it.
        places: where its data lie; their shares sum to 1.
        weight: its share of the tokens, by the mixture.
        share: of the trainer's draws, in tokens or in documents; all shares sum to 1.
        tokens: what there is, None where it was not counted.
        epochs: how often the budget passes over it; None without budget or tokens.
        repetition: how often the trainer may pass over it.
        take: its first documents, which are all that is read; None: all.

    """

    domain: str
    name: str
    places: tuple[Place, ...]
    weight: float
    share: float
    tokens: int | None
    epochs: float | None
    repetition: float
    take: int | None = None

    @property
    def path(self) -> str:
        """The path of a domain whose data lie in one place."""
        return self.places[0].path


@dataclass(frozen=True)
class TokenData:
    """A folder of data by domain that is described by its index.

    Attributes:
        folder: as the trainer is told it.
        index: what it holds.
        template: what a trainer is told: one path for every {file}, or one for the {folder} of a domain.

    """

    folder: Path
    index: DataIndex
    template: str

    def find(self, mixture: Mixture) -> dict[str, DomainData]:
        """Return the data of the domains of a mixture, by their keys there.

        Raises:
            GemixError: the mixture is of another partition, or gives weight to a domain that has no data.

        """
        domains = self.index.domains
        try:
            mixture.refuse_other(self.index.partition)
            keys, names = [found.domain for found in domains], [found.name for found in domains]
            places = find_domains(mixture.keys, keys, names)
        except ValueError as error:
            raise GemixError(f"--data {self.folder}: {error}") from error
        found = {
            entry.domain: domains[place]
            for entry, place in zip(mixture.domains, places, strict=True)
            if place is not None and domains[place].documents
        }
        for entry in mixture.domains:
            if entry.weight > 0 and entry.domain not in found:
                raise GemixError(
                    f"--data {self.folder} has no documents of {shown(entry.domain, entry.name)}, to which the mixture "
                    f"gives {entry.weight:.3g}; exclude the domain and mix again, or tokenize a corpus that has it"
                )
        return found

    def places(self, domain: DomainData) -> tuple[Place, ...]:
        """Return where the data of a domain lie."""
        if "{folder}" in self.template:
            return (Place(self.template.replace("{folder}", str(self.folder / domain.folder))),)
        return tuple(
            Place(self.template.replace("{file}", str(self.folder / file.path)), file.tokens / domain.tokens)
            for file in domain.files
        )


def make_sources(mixture: Mixture, paths: str | TokenData, unit: str, max_epochs: float) -> list[Source]:
    """Return the domains with a weight above zero, in the order of the mixture, and behind them its fixed sources.

    Weights are token shares. A trainer that draws documents, domain k with probability p_k, sees tokens of k in
    proportion to p_k m_k, m_k = tokens_k / documents_k being its mean length. So p_k is proportional to w_k / m_k.

    Args:
        mixture: Token shares; of its domains, in what its fixed sources leave.
        paths: Template with {domain}, the name of the folder of its data (d0007); or the name of a JSON file that maps
            domains, by key, number or name, to paths; or data with an index.
        unit: What the trainer draws, one of `Unit`. Sequences of one length count as tokens.
        max_epochs: How often the trainer may pass over a domain that does not need more.

    Raises:
        GemixError: a domain has no path, two have one, or documents or tokens of a domain are not known.

    """
    if isinstance(paths, TokenData):
        mixture, find = _in_data(mixture, paths)
    else:
        find = _path_finder(paths, mixture)
    wanted = [
        _Wanted(
            entry.domain, entry.name, find(entry.domain), entry.weight * mixture.free, entry.documents, entry.tokens
        )
        for entry in mixture.domains
        if entry.weight > 0
    ]
    stored = {entry.domain: entry.epochs for entry in mixture.domains}
    wanted += [_fixed(source, paths) for source in mixture.fixed]
    draws = [one.weight if unit == "tokens" else one.weight / one.length for one in wanted]
    total = math.fsum(draws) if unit == "documents" else 1.0
    sources = []
    for one, draw in zip(wanted, draws, strict=True):
        often = stored.get(one.key)
        if often is None and mixture.budget_tokens and one.tokens:
            often = one.weight * mixture.budget_tokens / one.tokens
        repetition = max(max_epochs, often or 0.0)
        name = one.name or one.key
        sources.append(Source(one.key, name, one.places, one.weight, draw / total, one.tokens, often, repetition))
    by_path: dict[str, str] = {}
    for source in sources:
        for place in source.places:
            other = by_path.setdefault(place.path, source.domain)
            if other != source.domain:
                raise GemixError(f"--paths {paths}: {other!r} and {source.domain!r} have the same path {place.path!r}")
    return sources


@dataclass(frozen=True)
class _Wanted:
    """A domain or fixed source: its share of all tokens, and what is known of its size."""

    key: str
    name: str | None
    places: tuple[Place, ...]
    weight: float
    documents: int | None
    tokens: int | None

    @property
    def length(self) -> float:
        """Mean tokens of a document."""
        if not self.documents or not self.tokens:
            raise GemixError(
                f"this trainer draws documents, so the weights need the mean length of a document, but documents or "
                f"tokens of {self.key!r} are not known; if its samples are sequences of one length: --counts tokens"
            )
        return self.tokens / self.documents


def _fixed(source: FixedSource, data: str | TokenData) -> _Wanted:
    """Return a fixed source: with its counts where its path is a folder with an index.

    Raises:
        GemixError: such a folder has another layout or tokenizer than the data, or no documents.

    """
    folder = Path(source.path)
    if not isinstance(data, TokenData) or not (folder / FILE_NAME).is_file():
        return _Wanted(source.name, None, (Place(source.path),), source.share, None, None)
    index = read_index(folder)
    if (index.layout, index.tokenizer) != (data.index.layout, data.index.tokenizer):
        raise GemixError(f"{source.name}: {folder} has another layout or tokenizer than {data.folder}")
    full = [domain for domain in index.domains if domain.files]
    if not full:
        raise GemixError(f"{source.name}: {folder} has no documents")
    if len(full) > 1 and "{folder}" in data.template:
        raise GemixError(f"{source.name}: {folder} has several domains, and this trainer is told one folder a source")
    documents, tokens = (sum(getattr(domain, what) for domain in full) for what in ("documents", "tokens"))
    own = replace(data, folder=folder, index=index)
    places = tuple(
        Place(place.path, place.share * domain.tokens / tokens) for domain in full for place in own.places(domain)
    )
    return _Wanted(source.name, None, places, source.share, documents, tokens)


def _in_data(mixture: Mixture, data: TokenData) -> tuple[Mixture, Callable[[str], tuple[Place, ...]]]:
    """Return the mixture with the counts of the data, and what finds the places of a domain there."""
    found = data.find(mixture)
    domains = []
    for entry in mixture.domains:
        own = found.get(entry.domain)
        counts = {"documents": own.documents, "tokens": own.tokens} if own else {"documents": 0, "tokens": 0}
        domains.append(entry.model_copy(update={**counts, "epochs": None}))
    return mixture.model_copy(update={"domains": domains}), lambda domain: data.places(found[domain])


def _path_finder(paths: str, mixture: Mixture) -> Callable[[str], tuple[Place, ...]]:
    if "{domain}" in paths:
        return lambda domain: (Place(paths.replace("{domain}", domain_folder(domain))),)
    if not paths.endswith(".json"):
        raise GemixError(f"--paths {paths}: neither a template with {{domain}} nor a .json file")
    given = _read_table(Path(paths))
    used = [entry for entry in mixture.domains if entry.weight > 0]
    keys = [entry.domain for entry in used]
    try:
        places = find_domains(list(given), keys, [entry.name or entry.domain for entry in used])
    except ValueError as error:
        raise GemixError(f"{paths}: {error}") from error
    table = {keys[place]: path for place, path in zip(places, given.values(), strict=True) if place is not None}

    def find(domain: str) -> tuple[Place, ...]:
        if domain not in table:
            raise GemixError(f"{paths} has no path for the domain {domain!r}")
        return (Place(table[domain]),)

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
