"""WebOrganizer's mixtures (CodeCreator/WebOrganizer, learn_mixtures): a JSON list of domain and weight."""

import json
from collections.abc import Mapping

from gemix.mix.formats import numbers

_JOINT = " / "


def recognises(text: str) -> bool:
    """Return whether this looks like the format."""
    content = numbers.load_json(text)
    return isinstance(content, list) and all(isinstance(e, dict) and {"domain", "weight"} <= set(e) for e in content)


def read(text: str) -> dict[str, float]:
    """Return the weights; a joint domain, a list such as [topic, format], is named `topic / format`.

    Raises:
        ValueError: another format, a domain twice, or a bad weight.

    """
    if not recognises(text):
        raise ValueError("a WebOrganizer mixture is a list of objects with domain and weight")
    weights: dict[str, float] = {}
    for entry in numbers.load_json(text):
        parts = entry["domain"] if isinstance(entry["domain"], list) else [entry["domain"]]
        domain = _JOINT.join(map(str, parts))
        if domain in weights:
            raise ValueError(f"domain {domain!r} stands twice")
        weights[domain] = numbers.weight(entry["weight"], domain)
    if not weights:
        raise ValueError("the list of domains is empty")
    return weights


def write(weights: Mapping[str, float]) -> str:
    """Return the list as JSON."""
    entries = [{"domain": domain, "weight": float(weight)} for domain, weight in weights.items()]
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"
