"""DoReMi's configs (sangmichaelxie/doremi, configs/*.json): train_domain_weights and eval_domain_weights."""

import json
from collections.abc import Mapping

from gemix.mix.formats import numbers

_TRAIN = "train_domain_weights"


def recognises(text: str) -> bool:
    """Return whether this looks like the format."""
    content = numbers.load_json(text)
    return isinstance(content, dict) and _TRAIN in content


def read(text: str) -> dict[str, float]:
    """Return the training weights.

    Raises:
        ValueError: another format, or a bad weight.

    """
    if not recognises(text):
        raise ValueError(f"a DoReMi config has {_TRAIN!r}")
    return numbers.mapping(numbers.load_json(text)[_TRAIN], _TRAIN)


def write(weights: Mapping[str, float]) -> str:
    """Return a config with the same weights for training and evaluation, as DoReMi's own baselines have."""
    values = {domain: float(weight) for domain, weight in weights.items()}
    return json.dumps({_TRAIN: values, "eval_domain_weights": values}, indent=2, ensure_ascii=False) + "\n"
