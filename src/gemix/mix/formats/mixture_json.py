"""gemix's own mixture.json, see `gemix.mix.mixture`."""

from collections.abc import Mapping

from pydantic import ValidationError

from gemix.mix.formats import numbers
from gemix.mix.mixture import DomainWeight, Mixture


def recognises(text: str) -> bool:
    """Return whether this looks like the format."""
    content = numbers.load_json(text)
    return isinstance(content, dict) and {"strategy", "domains"} <= set(content)


def parse(text: str) -> Mixture:
    """Return the whole mixture.

    Raises:
        ValueError: another format, or one that breaks the contract.

    """
    content = numbers.load_json(text)
    try:
        return Mixture.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"no mixture.json: {where + ': ' if where else ''}{first['msg']}") from None


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
    return mixture.model_dump_json(indent=2) + "\n"
