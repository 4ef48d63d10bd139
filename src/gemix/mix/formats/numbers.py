"""Weights as they stand in files."""

import json
import math
from typing import Any


def weight(value: Any, domain: str) -> float:
    """Return a weight as a float.

    Raises:
        ValueError: it is no finite number, or negative.

    """
    number = math.nan if isinstance(value, bool | str) or value is None else float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"domain {domain!r}: the weight must be a number >= 0, not {value!r}")
    return number


def mapping(values: Any, what: str) -> dict[str, float]:
    """Return a mapping of domains to weights.

    Raises:
        ValueError: it is none, or holds a bad weight.

    """
    if not isinstance(values, dict) or not values:
        raise ValueError(f"{what} must hold domain: weight pairs")
    return {str(domain): weight(value, str(domain)) for domain, value in values.items()}


def load_json(text: str) -> Any:
    """Parse JSON; a key that stands twice is refused, not overwritten.

    Raises:
        ValueError: it is not JSON, or a key is there twice.

    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} stands twice")
        return content

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
