"""gemix's own mixture.json, see `gemix.mix.mixture`."""

from collections.abc import Mapping

from gemix.mix.formats import numbers
from gemix.mix.mixture import DomainWeight, Mixture
from gemix.runtime.records import parse_record


def recognises(text: str) -> bool:
    """Return whether this looks like the format."""
    content = numbers.load_json(text)
    return isinstance(content, dict) and {"strategy", "domains"} <= set(content)


def parse(text: str) -> Mixture:
    """Return the whole mixture.

    Raises:
        ValueError: another format, or one that breaks the contract.

    """
    return parse_record(text, Mixture, "a mixture.json")


def read(text: str) -> dict[str, float]:
    """Return the weights.

    Raises:
        ValueError: as `parse`.

    """
    return {entry.domain: entry.weight for entry in parse(text).domains}


def write(weights: Mapping[str, float]) -> str:
    """Return a mixture of the strategy "given" that knows nothing but the weights."""
    total = sum(weights.values())
    domains = [
        DomainWeight(domain=domain, weight=float(w / total), share=None, epochs=None) for domain, w in weights.items()
    ]
    return dump(Mixture(strategy="given", domains=domains))


def dump(mixture: Mixture) -> str:
    """Return a mixture as the text of mixture.json."""
    return mixture.to_json()
