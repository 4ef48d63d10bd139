"""Numbers of tokens as people write them: 25B, 400M, 1e9."""

import math
import re
from typing import Any, Final

import typer

_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
_MOST: Final = 10**18


def parse_count(text: Any) -> float:
    """Return a positive number of tokens.

    Raises:
        typer.BadParameter: it is none, is not positive, or more than there can be.

    """
    if isinstance(text, int | float):
        return float(text)
    found = re.fullmatch(r"([+-]?[0-9][0-9_,]*\.?[0-9]*(?:e[+-]?[0-9]+)?)\s*([kmbgt]?)", text.strip().lower())
    if not found:
        raise typer.BadParameter(f"{text!r} is no number of tokens: write 25B, 400M or 1e9")
    number = float(found[1].replace(",", "").replace("_", "")) * _UNITS[found[2]]
    if not 1 <= number <= _MOST or not math.isfinite(number):
        raise typer.BadParameter(f"{text} tokens: a number of tokens is from 1 to 1e18")
    return number


# For `typer.Option`.
COUNT: Final[dict[str, Any]] = {"parser": parse_count, "metavar": "TOKENS"}
